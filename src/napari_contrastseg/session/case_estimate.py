"""What a round lets one expect of a case that is not open: confidence, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from napari_contrastseg.insight.slice_scores import SliceScores


@dataclass(frozen=True)
class CaseEstimate:
    """Voxels of each confidence, as `SliceScores` counts them, over all slices.

    Attributes
    ----------
    round : int
        Whose network predicted the case.
    inside, outside : tuple of int
        Predicted as foreground, as background; in steps of confidence from 0 to 1.
    """

    round: int
    inside: tuple[int, ...]
    outside: tuple[int, ...]

    def __post_init__(self) -> None:
        if not len(self.inside) == len(self.outside) > 1:
            raise ValueError("an estimate counts both sides in the same steps")
        if min(*self.inside, *self.outside) < 0:
            raise ValueError("an estimate counts voxels")

    @classmethod
    def of(cls, number: int, scores: SliceScores) -> Self:
        """Add up what is known of a case's slices."""
        inside, outside = (
            a.sum(axis=0).tolist() for a in (scores.inside, scores.outside)
        )
        return cls(number, tuple(inside), tuple(outside))
