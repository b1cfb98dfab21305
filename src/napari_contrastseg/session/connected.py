"""Connected pieces of a mask, block by block: what touches at a seam is one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.io.blocks import VOXELS, blocks, cut_axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Key = tuple[slice, ...]

#: Voxels that share a corner are of one piece: 26 neighbours.
CORNERS: Final = np.ones((3, 3, 3), np.bool_)


class Connected:
    """The pieces of a mask, which is read block by block, and never held as a whole.

    Parameters
    ----------
    mask : callable of a key, slices of all axes, to that part of the mask
    shape : (int, int, int)
    voxels : int
        Of a block, see `blocks`.
    together : (3, 3, 3) bool
        Which neighbours of a voxel, itself in the middle, are of one piece with it.

    Attributes
    ----------
    count : int
        How many pieces there are.
    """

    def __init__(
        self,
        mask: Callable[[Key], NDArray[np.bool_]],
        shape: Sequence[int],
        voxels: int = VOXELS,
        together: NDArray[np.bool_] = CORNERS,
    ) -> None:
        self._mask, self._together = mask, together
        self._keys = list(blocks(shape, voxels))
        self._axis = cut_axis(shape, voxels)
        self._only: NDArray[np.int32] | None = None
        self._numbers = self._join()
        self.count = int(max((n.max(initial=0) for n in self._numbers), default=0))

    def __iter__(self) -> Iterator[tuple[Key, NDArray[np.int32]]]:
        """Give each block's key, and the number of each voxel's piece; 0 for none.

        Numbers are 1 to `count`.
        """
        for key, numbers in zip(self._keys, self._numbers, strict=True):
            yield key, numbers[self._labelled(key)[0]]

    def _labelled(self, key: Key) -> tuple[NDArray[np.int32], int]:
        """Give each piece of a block a number, as if there were no others."""
        if self._only is not None:
            return self._only, int(self._only.max(initial=0))
        labels, count = scipy.ndimage.label(self._mask(key), self._together)
        return labels, count

    def _join(self) -> list[NDArray[np.int32]]:
        """Find, for each block, the pieces that its own ones belong to."""
        seams, counts = [np.empty((2, 0), np.int64)], list[int]()
        last: NDArray[np.int32] | None = None
        ahead = np.moveaxis(self._together, self._axis, 0)[2]
        for key in self._keys:
            labels, count = self._labelled(key)
            layers = np.moveaxis(labels, self._axis, 0)
            first, before = layers[0], sum(counts)
            if last is not None:
                offsets = np.array([[before - counts[-1]], [before]])
                seams.append(_touching(last, first, ahead) + offsets)
            last = layers[-1].copy()
            counts.append(count)
            if len(self._keys) == 1:
                self._only = labels
        one, other = np.concatenate(seams, axis=1)
        size = sum(counts)
        graph = scipy.sparse.coo_array(
            (np.ones(len(one), bool), (one, other)), (size, size)
        )
        piece = (
            scipy.sparse.csgraph.connected_components(graph, directed=False)[1]
            if size
            else one
        )
        ends = np.cumsum(counts)[:-1]
        nothing = np.zeros(1, np.int32)
        return [
            np.concatenate([nothing, part.astype(np.int32) + 1])
            for part in np.split(piece, ends)
        ]


def _touching(
    one: NDArray[np.int32], other: NDArray[np.int32], together: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Find which pieces of two layers touch, (2, n): their numbers from 0 on.

    `together`, (3, 3), says which pixels of the other layer are neighbours of a pixel.
    """
    found = [np.empty(0, np.int64)]
    rows, columns = one.shape
    for down, right in np.argwhere(together) - 1:
        there = other[max(down, 0) : rows + down, max(right, 0) : columns + right]
        here = one[max(-down, 0) : rows - down, max(-right, 0) : columns - right]
        both = (here > 0) & (there > 0)
        pairs = here[both].astype(np.int64) << 32 | there[both]
        found.append(np.unique(pairs))
    pairs = np.unique(np.concatenate(found))
    return np.stack([pairs >> 32, pairs & 0xFFFFFFFF]) - 1
