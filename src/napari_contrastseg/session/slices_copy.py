"""Copy some slices of an array, and know that the others are empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.scratch import zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SlicesCopy:
    """An array of which only some slices are held; all others are zero.

    Parts along its first axis are read as of an array (``copy[2:5]``).

    Parameters
    ----------
    array : (s0, s1, s2) array
    axis : int
        Slice axis.
    slices : (n,) int
        The slices that hold anything, ascending.
    """

    def __init__(
        self, array: NDArray[Any], axis: int, slices: NDArray[np.intp]
    ) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self._axis, self._slices = axis, slices
        planes = np.moveaxis(array, axis, 0)
        self._held = zeros((len(slices), *planes.shape[1:]), array.dtype)
        for held, index in zip(self._held, slices, strict=True):
            held[...] = planes[index]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, _ = rows.indices(self.shape[0])
        if self._axis == 0:
            first, last = np.searchsorted(self._slices, (start, stop))
            if last - first == stop - start:
                return self._held[first:last]
            places, planes = self._slices[first:last] - start, self._held[first:last]
        else:
            places, planes = self._slices, self._held[:, start:stop]
        shape = (stop - start, *self.shape[1:])
        if not len(places):
            return np.broadcast_to(np.zeros(1, self.dtype), shape)
        found = np.zeros(shape, self.dtype)
        np.moveaxis(found, self._axis, 0)[places] = planes
        return found
