"""Problems reported by the autosave thread."""

from __future__ import annotations

from dataclasses import dataclass


class TakenOverError(Exception):
    """Another process writes the session now."""


@dataclass(frozen=True)
class SaveProblem:
    """The folder cannot be written, or can be again.

    Attributes
    ----------
    message : str
        For people.
    taken_over : bool
        Another process writes the session now; this keeper writes no more.
    over : bool
        The trouble is over.
    """

    message: str
    taken_over: bool = False
    over: bool = False
