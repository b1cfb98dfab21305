"""Truth of which some slices are known acts as the array that it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_contrastseg.proposers.truth_by_slice import TruthBySlice


def test_it_is_the_array_without_its_memory() -> None:
    whole = np.full((5, 3, 4), -1, np.int16)
    whole[1], whole[4, 2] = 2, 1
    shape: Any = np.array(whole.shape)  # sizes that numpy counted
    truth = TruthBySlice(shape, {4: whole[4], 1: whole[1]})
    assert truth.shape == whole.shape
    assert all(type(size) is int for size in truth.shape), "they size caches"
    assert np.array_equal(np.asarray(truth), whole)
    assert np.array_equal(truth[-1], whole[-1])
    assert np.array_equal(truth[1, 0], whole[1, 0])
    assert np.array_equal(np.asarray(truth >= 0), whole >= 0)
    assert [plane.max() for plane in truth] == [-1, 2, -1, -1, 2 - 1]
