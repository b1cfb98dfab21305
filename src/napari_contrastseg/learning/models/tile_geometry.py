"""Rectangles and tiles of a slice, and how it is turned before a network sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.slice_statistics import Core


@dataclass(frozen=True)
class Rectangle:
    """A part of a slice."""

    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.rows, self.columns
        return rows.stop - rows.start, columns.stop - columns.start

    def parted(self, pixels: int) -> list[Rectangle]:
        """Part it in rectangles of about equal sides, of so many pixels at most."""
        side = max(1, math.isqrt(pixels))
        return [
            Rectangle(rows, columns)
            for rows in _parted(self.rows, side)
            for columns in _parted(self.columns, side)
        ]


def _parted(whole: slice, side: int) -> list[slice]:
    count = -(-(whole.stop - whole.start) // side)
    ends = np.linspace(whole.start, whole.stop, count + 1).astype(int).tolist()
    return [slice(a, b) for a, b in pairwise(ends)]


@dataclass(frozen=True)
class View:
    """How a slice is turned before a network sees it.

    Attributes
    ----------
    flips : tuple of int
        -2 where rows are mirrored, -1 where columns are.
    reverses : bool
        Whether neighbours change sides.
    """

    flips: tuple[int, ...] = ()
    reverses: bool = False


@dataclass(frozen=True)
class Side:
    """One side of a tile.

    Attributes
    ----------
    read : slice
        What is read of the slice.
    before, after : int
        Pixels by which that is continued.
    core : slice
        The core, within the tile.
    size : int
        Of the tile.
    """

    read: slice
    before: int
    after: int
    core: slice
    size: int


def core_of(sides: tuple[Side, Side]) -> Core:
    """Give a tile's core as parts of its sides."""
    rows, columns = sides
    return (
        rows.core.start / rows.size,
        rows.core.stop / rows.size,
        columns.core.start / columns.size,
        columns.core.stop / columns.size,
    )


def spread(size: int, side: int, divisor: int, count: int) -> list[slice]:
    """Spread crops of one length evenly along a side of a slice."""
    length = min(max(side, divisor), size)
    steps = np.linspace(0, (size - length) // divisor, count).astype(int)
    return [slice(a, a + length) for a in (divisor * np.unique(steps)).tolist()]
