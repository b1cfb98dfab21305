"""What is noted of a case of the cohort: done or not, and the Dice to expect of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CaseNote:
    """A note on one case, open or not.

    Attributes
    ----------
    done : bool
        Whether a person is done with it.
    round : int or None
        Whose network predicted it last.
    dice : float or None
        Foreground Dice to expect of that prediction; None where it is all background.
    """

    done: bool = False
    round: int | None = None
    dice: float | None = None

    def __post_init__(self) -> None:
        if self.dice is not None and not 0 <= self.dice <= 1:
            raise ValueError("a Dice lies between 0 and 1")
