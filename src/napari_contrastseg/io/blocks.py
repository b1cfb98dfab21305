"""Blocks of a volume: parts of bounded size, so that nothing takes a copy of it all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Key = tuple[slice, ...]

#: Voxels of a block, as far as a layer of one voxel's thickness has fewer.
VOXELS: Final = 2**22
#: Voxels of a small block: what is worked out of it stays in the processor's cache.
SMALL: Final = 2**18


def plane_of(array: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """Give a plane of a volume, a view of it: `numpy.take` would copy a picture."""
    key: tuple[slice | int, ...] = (*[slice(None)] * axis, index)
    return np.asarray(array[key])


def cut_axis(shape: Sequence[int], voxels: int = VOXELS) -> int:
    """Axis across which a volume is cut: the first with layers that are small enough.

    Where no axis has such layers, the one with the smallest.
    """
    size = math.prod(shape)
    thin = (axis for axis, n in enumerate(shape) if size <= n * voxels)
    return next(thin, max(range(len(shape)), key=lambda axis: shape[axis]))


def blocks(shape: Sequence[int], voxels: int = VOXELS) -> Iterator[Key]:
    """Give the keys of a volume's blocks, one behind the other along `cut_axis`."""
    if 0 in shape:
        return
    axis = cut_axis(shape, voxels)
    count = shape[axis]
    thick = max(1, voxels * count // math.prod(shape))
    whole = [slice(0, n) for n in shape]
    for start in range(0, count, thick):
        whole[axis] = slice(start, min(start + thick, count))
        yield tuple(whole)


def chunk_of(shape: Sequence[int], voxels: int) -> tuple[int, ...]:
    """Choose a block that lies in one piece: some planes, or some rows of a plane."""
    chunk = list(shape)
    for axis, size in enumerate(shape):
        chunk[axis] = min(size, max(1, voxels // max(1, math.prod(shape[axis + 1 :]))))
        if chunk[axis] > 1:
            break
    return tuple(chunk)


def small_blocks(shape: Sequence[int], voxels: int = SMALL) -> Iterator[Key]:
    """Give the keys of blocks that lie in memory one behind the other."""
    if 0 in shape:
        return
    chunk = chunk_of(shape, voxels)
    for index in np.ndindex(*grid_of(shape, chunk)):
        yield window_of(index, shape, chunk)


def small_blocks_of(part: Sequence[slice], voxels: int = SMALL) -> Iterator[Key]:
    """Give the keys of small blocks of a part of a volume: of one slice, say."""
    for block in small_blocks([side.stop - side.start for side in part], voxels):
        yield tuple(
            slice(side.start + inside.start, side.start + inside.stop)
            for side, inside in zip(part, block, strict=True)
        )


def grid_of(shape: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    """Count the chunks along each axis."""
    return tuple(-(-size // n) for size, n in zip(shape, chunk, strict=True))


def window_of(index: Sequence[int], shape: Sequence[int], chunk: Sequence[int]) -> Key:
    """Give the part of an array that a chunk holds."""
    return tuple(
        slice(i * n, min((i + 1) * n, size))
        for i, n, size in zip(index, chunk, shape, strict=True)
    )


def flat_places(
    there: NDArray[Any], key: Key, shape: Sequence[int]
) -> NDArray[np.int64]:
    """Flat indices in the volume, ascending, of where a block is not 0."""
    inside = np.nonzero(there)
    places = [at + part.start for at, part in zip(inside, key, strict=True)]
    flat = np.ravel_multi_index(tuple(places), tuple(shape))
    return np.asarray(flat, np.int64)
