"""A stroke over a border does not grow on; one within grows up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.proposers.smart_growth import without_leaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

SIDE, RADIUS = 96, 12.0
NOTHING = np.zeros((SIDE, SIDE), np.bool_)


def disc(radius: float, row: float = 48) -> Mask:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.asarray(np.hypot(rows - row, columns - 48) <= radius)


def image(truth: Mask) -> NDArray[np.float32]:
    noise = np.random.default_rng(0).normal(0, 0.15, truth.shape)
    return (truth + noise).astype(np.float32)[None]


def test_what_has_grown_from_over_a_border_is_taken_away() -> None:
    stroke, grown = disc(24), disc(30)
    found = without_leaks(image(disc(20)), stroke, NOTHING, grown, RADIUS)
    assert np.array_equal(found, stroke)


def test_what_was_taken_off_a_stroke_stays_off() -> None:
    found = without_leaks(image(disc(20)), disc(24), NOTHING, disc(20), RADIUS)
    assert np.array_equal(found, disc(20))


def test_what_has_grown_up_to_a_border_stays() -> None:
    truth = disc(24)
    found = without_leaks(image(truth), disc(18), NOTHING, truth, RADIUS)
    assert np.array_equal(found, truth)


@pytest.mark.parametrize("shift", [5, -5])
def test_a_stroke_over_one_border_grows_at_the_other(shift: int) -> None:
    truth, stroke = disc(22), disc(22, 48 + shift)
    found = without_leaks(image(truth), stroke, NOTHING, truth | stroke, RADIUS)
    assert (found & truth).sum() > (stroke & truth).sum()


@pytest.mark.parametrize("stroke", [NOTHING, ~NOTHING], ids=["none", "all"])
def test_without_surroundings_all_stays(stroke: Mask) -> None:
    found = without_leaks(image(disc(20)), stroke, NOTHING, disc(20), RADIUS)
    assert np.array_equal(found, disc(20))
