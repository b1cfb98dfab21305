"""Segments: what a mask's file says of its values, their names and colours."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """One value of a mask.

    Attributes
    ----------
    value : int
    name : str
    colour : str
        ``#rrggbb``; ``""`` where the file says none.
    """

    value: int
    name: str = ""
    colour: str = ""


def colour_of(parts: tuple[float, ...]) -> str:
    """Write red, green and blue, 0 to 1, as ``#rrggbb``; ``""`` of anything else."""
    if len(parts) != 3 or not all(map(math.isfinite, parts)):  # noqa: PLR2004
        return ""
    return "#" + "".join(f"{round(255 * min(max(p, 0.0), 1.0)):02x}" for p in parts)


def printable(text: str, longest: int = 64) -> str:
    """Give a name from a file without line ends and other signs that do not print."""
    words = "".join(c if c.isprintable() else " " for c in text).split()
    return " ".join(words)[:longest].strip()
