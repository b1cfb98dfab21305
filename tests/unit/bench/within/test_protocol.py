"""Within one volume: the slices that are labelled, and those that are scored."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.bench.within.protocol import Extent, dice_of_open, extent


def a_column(first: int, last: int, count: int) -> np.ndarray:
    truth = np.zeros((count, 3, 3), np.int16)
    truth[first : last + 1, 1, 1] = 1
    return truth


def test_slices_divide_the_structure_evenly() -> None:
    reach = extent(a_column(10, 70, 88))
    assert reach == Extent(10, 70, 88)
    assert reach.length == 61
    # round(linspace(10, 70, 5)) without its ends, and so on
    assert reach.even(3) == (25, 40, 55)
    assert reach.even(5) == (20, 30, 40, 50, 60)
    assert reach.even(2) == (30, 50)
    assert reach.ends == (9, 71)


@pytest.mark.parametrize(
    ("first", "last", "ends"),
    [(0, 9, ()), (0, 8, (9,)), (1, 9, (0,)), (2, 5, (1, 6))],
)
def test_the_empty_slices_at_the_ends_are_labelled_where_they_exist(
    first: int, last: int, ends: tuple[int, ...]
) -> None:
    reach = extent(a_column(first, last, 10))
    assert reach is not None
    assert reach.ends == ends


def test_counts_above_half_of_the_structures_slices_are_skipped() -> None:
    seven, eight = Extent(2, 8, 20), Extent(2, 9, 20)
    assert [n for n in range(1, 9) if seven.is_few(n)] == [1, 2, 3]
    assert [n for n in range(1, 9) if eight.is_few(n)] == [1, 2, 3, 4]
    assert all(len(set(eight.even(n))) == n for n in range(1, 5))


def test_unknown_voxels_are_no_structure() -> None:
    truth = a_column(3, 4, 9)
    truth[7] = -1
    assert extent(truth) == Extent(3, 4, 9)
    assert extent(np.full((4, 2, 2), -1, np.int16)) is None


def test_dice_is_that_of_the_slices_that_nobody_labelled() -> None:
    truth = np.zeros((4, 1, 4), np.int16)
    truth[:, 0, :2], truth[3, 0, 3] = 1, 2
    mask = np.zeros((4, 1, 4), np.uint8)
    mask[0, 0, 0] = 1  # half of it
    mask[1] = 2  # labelled by hand, so it does not count
    mask[2, 0, :2] = 1  # right
    classes = {1: "one", 2: "two", 3: "three"}
    found = dice_of_open(mask, truth, [1, 3], classes)
    # 2 * 3 voxels of 3 found and 4 there; class two is in neither, three nowhere
    assert found == {"one": pytest.approx(6 / 7)}
    mask[2, 0, 3] = 3  # absent from the truth alone
    assert dice_of_open(mask, truth, [1, 3], classes)["three"] == 0
    truth[2, 0, 3] = -1
    assert "three" not in dice_of_open(mask, truth, [1, 3], classes)
