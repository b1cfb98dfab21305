"""Plain interpolation between labelled slices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from napari_contrastseg.bench.within.plain import PlainInterpolation, completed
from napari_contrastseg.io.errors import InputError


def a_square(size: int, side: int = 31) -> np.ndarray:
    plane = np.zeros((side, side), np.int16)
    low = (side - size) // 2
    plane[low : low + size, low : low + size] = 1
    return plane


def known(sizes: dict[int, int], count: int) -> np.ndarray:
    truth = np.full((count, 31, 31), -1, np.int16)
    for index, size in sizes.items():
        truth[index] = a_square(size)
    return truth


def half_width(mask: np.ndarray) -> float:
    """Half of a centred square's width, along its middle row."""
    return float(mask[15].sum()) / 2


def test_linear_interpolation_blends_the_two_neighbours() -> None:
    found = PlainInterpolation(known({0: 21, 4: 13}, 5), [1], "linear")
    widths = [half_width(found.labels(index)) for index in range(5)]
    assert widths == [10.5, 9.5, 8.5, 7.5, 6.5]


def test_cubic_interpolation_goes_smoothly_through_all_slices() -> None:
    sizes = {0: 3, 4: 19, 8: 25}
    found = PlainInterpolation(known(sizes, 9), [1], "cubic")
    through = PchipInterpolator(list(sizes), [size / 2 for size in sizes.values()])
    for index in range(9):
        assert abs(half_width(found.labels(index)) - through(index)) <= 0.5
    straight = PlainInterpolation(known(sizes, 9), [1], "linear")
    assert half_width(found.labels(6)) > half_width(straight.labels(6))


def test_classes_keep_to_each_others_borders() -> None:
    truth = np.full((5, 20, 20), -1, np.int16)
    for index in (0, 4):
        truth[index] = 0
        truth[index, 5:15, 5:10], truth[index, 5:15, 10:15] = 1, 7
    labels = PlainInterpolation(truth, [1, 7], "cubic").labels(2)
    assert np.array_equal(labels, truth[0])


def test_a_scribbled_slice_takes_the_nearest_ink_first() -> None:
    plane = np.full((1, 9), -1, np.int16)
    plane[0, 1], plane[0, 6] = 1, 0
    assert completed(plane).tolist() == [[1, 1, 1, 1, 0, 0, 0, 0, 0]]
    whole = np.zeros((2, 2), np.int16)
    assert completed(whole) is whole


def test_nothing_labelled_is_said() -> None:
    with pytest.raises(InputError, match="no slice is labelled"):
        PlainInterpolation(np.full((3, 4, 4), -1, np.int16), [1], "linear")
