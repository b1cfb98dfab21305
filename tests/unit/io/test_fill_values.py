"""Fill values are found, and nothing that an image may really show is taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.io.fill_values import fill_value

RNG = np.random.default_rng(0)
MR = np.abs(RNG.normal(300, 150, 20_000)).round()
CT = np.concatenate([np.full(9_000, -1000.0), RNG.normal(40, 60, 11_000)])


def with_many(value: float, values: np.ndarray, part: float = 0.05) -> np.ndarray:
    return np.concatenate([values, np.full(int(part * len(values)), value)])


@pytest.mark.parametrize(
    "value",
    [float(np.finfo(np.float32).min), -1e30, -32768.0, -9999.0, 1e20, -1.7e308],
)
@pytest.mark.parametrize("part", [0.01, 0.6, 5.0])
def test_one_value_far_from_all_others_is_a_fill_value(
    value: float, part: float
) -> None:
    assert fill_value(with_many(value, MR, part)) == value


def test_what_resampling_made_of_its_border_hides_no_fill_value() -> None:
    borders = RNG.uniform(-32768, 0, 60)
    hot = np.array([40_000.0])
    values = np.concatenate([with_many(-32768.0, MR), borders, hot])
    assert fill_value(values) == -32768


@pytest.mark.parametrize(
    "values",
    [
        MR,
        CT,
        with_many(-2000.0, CT),
        with_many(0.0, 1000 + RNG.normal(0, 1, 20_000)),
        with_many(65535.0, RNG.integers(0, 50, 20_000).astype(float)),
        with_many(-3.0, RNG.normal(0, 1, 20_000), 3),
        with_many(-1.0, np.ones(100), 1),
        with_many(-1e30, MR, 0.002),
        np.full(100, -1e30),
        np.zeros(0),
    ],
    ids=[
        "none",
        "air",
        "a scanner's padding, near air",
        "black background of a bright object",
        "a saturated detector",
        "background of a standardised brain",
        "two values in all",
        "too few to matter",
        "nothing else",
        "nothing",
    ],
)
def test_intensities_that_an_image_may_have_are_none(values: np.ndarray) -> None:
    assert fill_value(values) is None
