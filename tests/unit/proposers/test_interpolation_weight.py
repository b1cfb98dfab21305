"""What interpolation weighs, by how it finds labelled slices that are left out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_contrastseg.proposers.interpolation_weight import (
    interpolation_weight,
    networks_part,
)
from napari_contrastseg.proposers.proposer import LabelledVolume


def labelled(truth: np.ndarray, *slices: int) -> LabelledVolume:
    known = np.full(truth.shape, -1, np.int16)
    known[list(slices)] = truth[list(slices)]
    return LabelledVolume(known, (1,), lambda _: np.zeros((1, *truth.shape[1:])))


def bar(jump: int) -> np.ndarray:
    """A bar that stays where it is, or jumps to and fro every second slice."""
    truth = np.zeros((15, 40, 40), np.int16)
    for index, plane in enumerate(truth):
        left = 12 + jump * (index % 4 < 2)
        plane[10:30, left : left + 14] = 1
    return truth


def test_left_out_slices_that_are_missed_cost_weight() -> None:
    every = range(0, 15, 2)
    assert interpolation_weight(labelled(bar(0), *every)) > 0.95
    assert interpolation_weight(labelled(bar(9), *every)) < 0.8


@pytest.mark.parametrize("seed", range(3))
def test_slices_that_have_nothing_in_common_cost_all(seed: int) -> None:
    """Contour lines of noise, as membranes are: interpolation is sure, and wrong."""
    rng = np.random.default_rng(seed)
    heights = gaussian_filter(rng.standard_normal((16, 64, 64)), (0, 6, 6))
    truth = (np.abs(heights) < 0.3 * heights.std()).astype(np.int16)
    assert interpolation_weight(labelled(truth, *range(1, 16, 3))) == 0


def test_a_small_structure_that_moves_a_lot_costs_little() -> None:
    """Its slices do not overlap, and yet interpolation knows how far off it may be."""
    truth = np.zeros((16, 40, 40), np.int16)
    for index, plane in enumerate(truth):
        plane[16:24, 2 * index : 2 * index + 6] = 1
    assert interpolation_weight(labelled(truth, 1, 5, 9, 13)) > 0.5


def test_too_little_is_labelled_to_leave_anything_out() -> None:
    assert interpolation_weight(labelled(bar(9), 2, 8)) == 1
    assert interpolation_weight(labelled(bar(9), 2)) == 1


def test_a_network_keeps_less_of_its_weight_with_every_further_slice() -> None:
    parts = [networks_part(3, slices) for slices in (2, 3, 4, 6, 12)]
    assert parts[:2] == [1.0, 1.0]
    assert all(later < earlier for earlier, later in pairwise(parts[1:]))
    assert parts[-1] > 0
