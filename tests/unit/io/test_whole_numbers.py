"""Masks stored as floats: rounded where whole numbers were meant, else refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.whole_numbers import whole_numbers


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_numbers_a_little_below_whole_ones_are_those(kind: Any) -> None:
    """As a slope of a header leaves them; a plain conversion takes 2.9999 for 2."""
    array = np.array([[[0, 1, 2.9999], [1e-5, 4, 3]]], kind)
    found = whole_numbers("m", array)
    assert found.values.tolist() == [[[0, 1, 3], [0, 4, 3]]]
    assert found.rounded == (0 if kind is np.float16 else 1) + 1
    assert (found.fractions, found.missing, found.known) == (0, 0, None)


def test_fractions_are_counted_and_one_half_goes_up() -> None:
    found = whole_numbers("m", np.array([[0, 0.5, 1, 1, 1.4, 2, 2, 2.5]]))
    assert found.values.tolist() == [[0, 1, 1, 1, 1, 2, 2, 3]]
    assert found.fractions == 3


def test_a_probability_becomes_one_class() -> None:
    found = whole_numbers("m", np.array([[0.1, 0.49, 0.51, 0.99]]))
    assert found.values.tolist() == [[0, 0, 1, 1]]
    assert found.fractions == 4


def test_what_is_no_number_is_unknown() -> None:
    found = whole_numbers("m", np.array([[0, np.nan, 1], [np.inf, -np.inf, 2]]))
    assert found.missing == 3
    assert found.known is not None
    assert found.known.tolist() == [[True, False, True], [False, False, True]]
    assert found.values[found.known].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "array",
    [
        np.linspace(0, 900, 64).reshape(4, 4, 4),
        np.full((2, 2, 2), 1e30),
        np.full((2, 2, 2), 2**63 + 5, np.uint64),
        np.ones((2, 2, 2), np.complex64),
    ],
)
def test_an_image_is_no_mask(array: Any) -> None:
    with pytest.raises(InputError, match=r"scan: holds"):
        whole_numbers("scan", array)


@pytest.mark.parametrize("kind", [np.bool_, np.int8, np.uint64])
def test_whole_numbers_are_left_as_they_are(kind: Any) -> None:
    array = np.array([[0, 1]], kind)
    assert whole_numbers("m", array).values is array
