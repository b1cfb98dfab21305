"""Blocks of a volume: each voxel in one of them, none larger than is wanted."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_contrastseg.io.blocks import blocks, small_blocks, small_blocks_of

_SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


@given(_SHAPES, st.integers(1, 200))
def test_each_voxel_is_in_one_block(shape: tuple[int, int, int], voxels: int) -> None:
    for walk in (blocks, small_blocks):
        seen = np.zeros(shape, int)
        for key in walk(shape, voxels):
            seen[key] += 1
        assert (seen == 1).all()


@given(_SHAPES, st.integers(1, 200))
def test_small_blocks_are_small_and_lie_in_one_piece(
    shape: tuple[int, int, int], voxels: int
) -> None:
    array = np.arange(math.prod(shape)).reshape(shape)
    parts = [array[key] for key in small_blocks(shape, voxels)]
    assert all(part.size <= voxels for part in parts)
    assert np.array_equal(
        np.concatenate([part.ravel() for part in parts]), array.ravel()
    )


@given(_SHAPES, st.integers(1, 50), st.integers(0, 2), st.data())
def test_blocks_of_a_slice_are_all_of_it(
    shape: tuple[int, int, int], voxels: int, axis: int, data: st.DataObject
) -> None:
    whole = [slice(0, n) for n in shape]
    index = data.draw(st.integers(0, shape[axis] - 1))
    whole[axis] = slice(index, index + 1)
    seen, wanted = np.zeros(shape, int), np.zeros(shape, int)
    wanted[tuple(whole)] = 1
    for key in small_blocks_of(whole, voxels):
        seen[key] += 1
    assert np.array_equal(seen, wanted)


def test_an_empty_volume_has_no_blocks() -> None:
    assert not [*blocks((0, 4, 4)), *small_blocks((4, 0, 4))]
