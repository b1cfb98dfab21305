from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from napari_contrastseg.proposers.signed_distance import (
    EMPTY,
    Interpolation,
    class_fields,
    signed_distance,
)


def test_distance_is_positive_inside_and_negative_outside() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True

    distance = signed_distance(mask)

    assert ((distance > 0) == mask).all()
    assert distance[4, 4] == 2.5
    assert distance[4, 0] == -1.5


def test_an_absent_class_lies_fifteen_pixels_away() -> None:
    fields = class_fields(np.zeros((4, 5), np.uint8), (1, 2))

    assert fields.shape == (3, 4, 5)
    assert (fields[0] == EMPTY).all()
    assert (fields[1:] == -EMPTY).all()


@pytest.mark.parametrize("positions", [(1, 4, 5), (0, 3, 7, 8, 20), (2, 3, 4, 5, 6, 7)])
def test_the_cubic_agrees_with_scipy_on_every_slice(positions: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    fields = rng.normal(0, 5, (len(positions), 3, 6, 7)).astype(np.float32)
    fields[:, 0, :2] = np.round(fields[:, 0, :2] / 5)  # equal neighbours, flat secants
    expected = PchipInterpolator(positions, fields.astype(float), axis=0)

    interpolation = Interpolation(positions, fields.__getitem__)

    for index in range(positions[0], positions[-1] + 1):
        np.testing.assert_allclose(
            interpolation.at(index), expected(index), rtol=1e-4, atol=2e-5
        )


def test_linear_is_the_blend_of_the_two_neighbours() -> None:
    fields = np.stack([np.full((1, 2, 2), v, np.float32) for v in (0, 8, -4)])

    interpolation = Interpolation((0, 4, 6), fields.__getitem__, "linear")

    assert interpolation.at(1)[0, 0, 0] == 2
    assert interpolation.at(5)[0, 0, 0] == 2


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_two_slices_are_blended_linearly(kind: Literal["linear", "cubic"]) -> None:
    fields = np.stack([np.zeros((1, 2, 2)), np.ones((1, 2, 2))]).astype(np.float32)

    interpolation = Interpolation((0, 4), fields.__getitem__, kind)

    assert (interpolation.at(1) == 0.25).all()


def test_labelled_slices_and_what_lies_beyond_them_keep_their_fields() -> None:
    fields = np.random.default_rng(1).normal(size=(3, 2, 4, 4)).astype(np.float32)

    interpolation = Interpolation((3, 6, 9), fields.__getitem__)

    assert (interpolation.at(6) == fields[1]).all()
    assert (interpolation.at(0) == fields[0]).all()
    assert (interpolation.at(12) == fields[2]).all()


def test_a_slice_left_out_is_not_looked_at() -> None:
    fields = np.random.default_rng(2).normal(size=(4, 1, 3, 3)).astype(np.float32)
    spoiled = fields.copy()
    spoiled[2] = np.nan
    kept = [0, 1, 3]

    left_out = Interpolation((0, 2, 5, 9), spoiled.__getitem__).without(2)
    expected = Interpolation((0, 2, 9), fields[kept].__getitem__)

    np.testing.assert_array_equal(left_out.at(5), expected.at(5))


def test_only_the_slices_around_the_asked_one_are_read() -> None:
    read: set[int] = set()

    def field(number: int) -> np.ndarray:
        read.add(number)
        return np.full((1, 2, 2), number % 3, np.float32)

    Interpolation(tuple(range(0, 100, 10)), field).at(45)

    assert read == {3, 4, 5, 6}
