"""Instances: connected pieces of a mask, numbered 1 to n, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import scipy

from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.session.connected import CORNERS, Connected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.connected import Key

#: In which order instances are numbered: the largest first, or as they begin, slice by
#: slice. Of two of the same size the one that begins first is first.
Order = Literal["size", "position"]
#: Which voxels hang together: those that share a corner, or those that share a face.
Touching = Literal["corner", "face"]

_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Instances:
    """Connected pieces of a mask.

    Attributes
    ----------
    numbers : (s0, s1, s2) uint8, uint16 or uint32
        0 for none, else 1 to n: the smallest type that holds n.
    voxels : (n,) int64
        How large each is.
    """

    numbers: NDArray[np.unsignedinteger]
    voxels: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.voxels)


def number_pieces(
    mask: Callable[[Key], NDArray[np.bool_]],
    shape: Sequence[int],
    axis: int = 0,
    *,
    order: Order = "size",
    touching: Touching = "corner",
    related: bool = True,
) -> Instances:
    """Give numbers to the connected pieces of a mask that is read block by block.

    Parameters
    ----------
    mask : callable of a key, slices of all axes, to that part of the mask
        It says the same whenever it is asked.
    shape : (int, int, int)
    axis : int
        The slice axis.
    order : {"size", "position"}
    touching : {"corner", "face"}
        26 or 6 neighbours in a volume, 8 or 4 in a slice.
    related : bool
        Whether pieces go through slices; not in a stack of unrelated pictures.
    """
    together = _together(touching, axis, related=related)
    pieces = Connected(mask, shape, together=together)
    voxels, begin = _measured(pieces, shape, axis)
    keys = (begin, -voxels) if order == "size" else (begin,)
    ranked = np.lexsort(keys)
    kind = np.min_scalar_type(pieces.count)
    table = np.zeros(pieces.count + 1, kind)
    table[ranked + 1] = np.arange(1, pieces.count + 1)
    numbers = zeros(shape, kind)
    for key, found in pieces:
        numbers[key] = table[found]
    return Instances(numbers, voxels[ranked])


def _together(touching: Touching, axis: int, *, related: bool) -> NDArray[np.bool_]:
    """Say which neighbours of a voxel are of one piece with it, (3, 3, 3)."""
    found = (
        CORNERS
        if touching == "corner"
        else scipy.ndimage.generate_binary_structure(3, 1)
    )
    if related:
        return found
    alone = np.zeros((3, 3, 3), np.bool_)
    ahead = np.moveaxis(alone, axis, 0)
    ahead[1] = np.moveaxis(found, axis, 0)[1]
    return alone


def _measured(
    pieces: Connected, shape: Sequence[int], axis: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count each piece's voxels, (n,), and find where it begins, slice by slice."""
    voxels = np.zeros(pieces.count + 1, np.int64)
    begin = np.full(pieces.count + 1, _NEVER)
    axes = [axis, *(a for a in range(3) if a != axis)]
    sides = [shape[a] for a in axes]
    for key, found in pieces:
        ahead = np.ascontiguousarray(found.transpose(axes))
        places = np.flatnonzero(ahead)
        numbers = ahead.reshape(-1)[places]
        voxels += np.bincount(numbers, minlength=len(voxels))
        first = np.full(len(begin), _NEVER)
        first[numbers[::-1]] = places[::-1]  # of several the last one counts
        there = np.flatnonzero(first != _NEVER)
        inside = np.unravel_index(first[there], ahead.shape)
        moved = tuple(p + key[a].start for p, a in zip(inside, axes, strict=True))
        flat = np.ravel_multi_index(moved, sides)
        begin[there] = np.minimum(begin[there], flat)
    return voxels[1:], begin[1:]
