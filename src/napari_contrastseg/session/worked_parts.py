"""Parts of a volume that hold work: what is empty is neither looked at nor copied."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_contrastseg.io.scratch import zeros

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


class WorkedParts:
    """For each plane of a volume's first axis the piece that may hold something.

    Parameters
    ----------
    shape : (3,) int

    Attributes
    ----------
    starts, stops : (planes,) int64
        The piece, as places in the plane, row by row; empty where stop is not above
        start.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._columns, self._area = shape[2], math.prod(shape[1:])
        self.starts = np.full(shape[0], self._area, np.int64)
        self.stops = np.zeros(shape[0], np.int64)

    def note(self, flat: NDArray[np.int64]) -> None:
        """Note that voxels, flat indices in ascending order, may hold something now."""
        if not len(flat):
            return
        first, start = divmod(int(flat[0]), self._area)
        last, stop = divmod(int(flat[-1]), self._area)
        self.starts[first] = min(self.starts[first], start)
        self.stops[last] = max(self.stops[last], stop + 1)
        self.stops[first:last] = self._area  # those between count as well
        self.starts[first + 1 : last + 1] = 0

    def note_all(self, arrays: Iterable[NDArray[Any]]) -> None:
        """Look through arrays that were written at once."""
        for array in arrays:
            for index, plane in enumerate(array):
                rows = np.flatnonzero(plane.any(axis=1))
                if len(rows):
                    ends = rows[0] * self._columns, (rows[-1] + 1) * self._columns
                    self.starts[index] = min(self.starts[index], ends[0])
                    self.stops[index] = max(self.stops[index], ends[1])

    def rows(self, index: int) -> slice:
        """Give the rows of a plane that may hold something."""
        start, stop = int(self.starts[index]), int(self.stops[index])
        if stop <= start:
            return slice(0, 0)
        return slice(start // self._columns, -(-stop // self._columns))

    def pieces(self) -> Iterator[tuple[int, slice]]:
        """Give the planes that may hold something, each with its rows."""
        for index in np.flatnonzero(self.stops > self.starts).tolist():
            yield index, self.rows(index)

    def copy(self) -> Self:
        """Give what stays as it is now."""
        return deepcopy(self)


class PartsCopy:
    """An array of which only the parts with work are held; all others are zero.

    It is read in parts along its first two axes (``copy[2:5, :100, :]``).
    """

    def __init__(self, array: NDArray[Any], parts: WorkedParts) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self._rows = dict(parts.pieces())
        starts, total = {}, 0
        for index, rows in self._rows.items():
            starts[index] = total
            total += rows.stop - rows.start
        self._starts = starts
        self._held = zeros((total, self.shape[2]), self.dtype)
        for index, rows in self._rows.items():
            self._piece(index)[...] = array[index, rows]

    def _piece(self, index: int) -> NDArray[Any]:
        start, rows = self._starts[index], self._rows[index]
        return self._held[start : start + rows.stop - rows.start]

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        planes, rows = range(self.shape[0])[key[0]], range(self.shape[1])[key[1]]
        shape = (len(planes), len(rows), self.shape[2])
        held = {index: self._held_rows(index, rows) for index in planes}
        complete = bool(held) and all(len(part) == len(rows) for part in held.values())
        if complete and (len(planes) == 1 or len(rows) == self.shape[1]):
            first = planes[0]  # all of it lies in one piece
            start = self._starts[first] + rows.start - self._rows[first].start
            return self._held[start : start + math.prod(shape[:2])].reshape(shape)
        found = np.zeros(shape, self.dtype)
        for part, (index, mine) in zip(found, held.items(), strict=True):
            if mine:
                at = mine.start - self._rows[index].start
                piece = self._piece(index)[at : at + len(mine)]
                part[mine.start - rows.start : mine.stop - rows.start] = piece
        return found

    def _held_rows(self, index: int, rows: range) -> range:
        """Give those of some rows of a plane that are held."""
        mine = self._rows.get(index, slice(0, 0))
        return range(max(mine.start, rows.start), min(mine.stop, rows.stop))
