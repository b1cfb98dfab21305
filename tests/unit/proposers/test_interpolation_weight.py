"""What interpolation weighs, by how it finds labelled slices that are left out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_contrastseg.proposers.interpolation_weight import (
    NetworksRatio,
    classes_apart,
    interpolation_trust,
    interpolation_weight,
    networks_part,
    networks_ratio,
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


def ratio_of(
    volume: LabelledVolume, apart: float | None, spacing: float = 1.0
) -> NetworksRatio:
    volume = replace(volume, spacing=(spacing, 1.0, 1.0))
    return networks_ratio(volume, interpolation_trust(volume), apart)


def test_a_network_weighs_by_the_squares_of_what_each_misses() -> None:
    """Bars that jump: interpolation misses some, and the more a network differs."""
    volume = labelled(bar(4), *range(0, 15, 2))
    missed = interpolation_trust(volume).missed
    assert missed is not None
    assert missed > 0.1
    near, far = (ratio_of(volume, apart).between for apart in (missed / 4, missed))
    assert near == pytest.approx((missed / 4 / 0.1) ** 2, rel=0.1)
    assert far == pytest.approx((1 / 16) / (1 - 1 / 16))


def test_a_network_weighs_little_where_interpolation_misses_nothing() -> None:
    volume = labelled(bar(0), *range(0, 15, 2))
    assert ratio_of(volume, 0.2).between == 0.05


def test_a_network_that_learned_few_pixels_weighs_less() -> None:
    volume = labelled(bar(9), *range(0, 15, 2))
    few = labelled(bar(9)[:, ::4, ::4].copy(), *range(0, 15, 2))
    assert ratio_of(few, 0.0).between < ratio_of(volume, 0.0).between


def test_where_nothing_was_left_out_a_network_weighs_what_it_mostly_does() -> None:
    volume = labelled(bar(9), 2, 8)
    assert ratio_of(volume, 0.2).between == ratio_of(volume, None).between == 0.3


def test_beside_one_labelled_slice_a_network_weighs_less_on_each_further_one() -> None:
    ratio = ratio_of(labelled(bar(0), 7), None)
    assert ratio.at(8) == ratio.at(6) > ratio.at(9) == ratio.at(5)


def test_thick_slices_leave_a_network_its_weight_farther_out() -> None:
    volume = labelled(bar(9), 4, 6, 8)
    thin, thick, thickest = (ratio_of(volume, None, t).reach for t in (1.0, 2.0, 9.0))
    assert (thick, thickest) == (2 * thin, 3 * thin)


def test_answers_are_compared_class_by_class() -> None:
    one = np.array([[1, 1, 0, 0], [0, 0, 0, 0]])
    other = np.array([[1, 0, 0, 0], [0, 2, 2, 0]])
    assert classes_apart([one], [other], (1, 2, 3)) == pytest.approx((1 / 3 + 1) / 2)
    assert classes_apart([one], [other], (3,)) is None


def test_too_little_is_labelled_to_leave_anything_out() -> None:
    assert interpolation_weight(labelled(bar(9), 2, 8)) == 1
    assert interpolation_weight(labelled(bar(9), 2)) == 1


def test_a_network_keeps_less_of_its_weight_with_every_further_slice() -> None:
    parts = [networks_part(3, slices) for slices in (2, 3, 4, 6, 12)]
    assert parts[:2] == [1.0, 1.0]
    assert all(later < earlier for earlier, later in pairwise(parts[1:]))
    assert parts[-1] > 0
