"""Autosave problems: the disk is full, the folder is read-only, another took over."""

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
        Another process writes the session now; nothing is written here any more.
    over : bool
        The problem is over.
    """

    message: str
    taken_over: bool = False
    over: bool = False
