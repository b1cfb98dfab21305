"""A stroke snaps to edges: better than the brush, and it does not leak."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_contrastseg.proposers.smart_box import find_in_box
from napari_contrastseg.proposers.smart_stroke import MOST_PIXELS, reach_of, snap

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

SIDE = 96


def ellipse(y: float, x: float, height: float, width: float, side: int = SIDE) -> Mask:
    """The truth by its equation: half axes in pixels."""
    rows, columns = np.mgrid[:side, :side]
    far = ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2
    return np.asarray(far <= 1)


def noisy(truth: Mask, noise: float = 0.15) -> NDArray[np.float32]:
    """A bright structure on dark ground, in noise of the given spread."""
    rng = np.random.default_rng(0)
    image = truth + rng.normal(0, noise, truth.shape)
    return image.astype(np.float32)[None]


def dice(one: Mask, other: Mask) -> float:
    """Overlap of two masks."""
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def nothing(side: int = SIDE) -> Mask:
    """No pixel."""
    return np.zeros((side, side), np.bool_)


@pytest.mark.parametrize(
    ("truth", "stroke", "radius"),
    [
        (ellipse(48, 48, 24, 24), ellipse(48, 48, 18, 18), 18),
        (ellipse(48, 48, 24, 24), ellipse(50, 51, 24, 24), 24),
        (ellipse(48, 48, 20, 34), ellipse(48, 48, 15, 27), 15),
        (ellipse(48, 48, 20, 34), ellipse(46, 50, 21, 33), 15),
    ],
    ids=["disc inside", "disc askew", "ellipse inside", "ellipse askew"],
)
def test_a_smart_stroke_is_nearer_to_the_structure_than_the_brush(
    truth: Mask, stroke: Mask, radius: float
) -> None:
    found = snap(noisy(truth), stroke, nothing(), nothing(), radius)
    assert dice(found, truth) > max(dice(stroke, truth) + 0.05, 0.95)


def test_many_channels_are_looked_at_together() -> None:
    truth, stroke = ellipse(48, 48, 24, 24), ellipse(48, 48, 18, 18)
    image = np.concatenate([noisy(nothing()), noisy(truth)])
    found = snap(image, stroke, nothing(), nothing(), 18)
    assert dice(found, truth) > 0.95


def test_without_edges_a_stroke_stays_about_as_it_was_painted() -> None:
    stroke = ellipse(48, 48, 15, 15)
    found = snap(noisy(nothing()), stroke, nothing(), nothing(), 15)
    assert dice(found, stroke) > 0.85


@pytest.mark.parametrize("askew", [False, True])
@pytest.mark.parametrize("fill", [-900.0, -3000.0])
def test_air_or_a_fill_value_nearby_hides_no_edge_between_organs(
    fill: float, askew: bool
) -> None:
    """60 Hounsfield units apart in noise of 15, beside something far darker."""
    truth = ellipse(48, 40, 20, 20)
    stroke = ellipse(50, 42, 20, 20) if askew else ellipse(48, 40, 16, 16)
    values = np.where(truth, 110.0, 50.0)
    values[:, 64:] = fill
    values += np.random.default_rng(1).normal(0, 15, values.shape)
    low, high = np.percentile(values, (1, 99))
    image = np.float32((values - low) / (high - low))
    found = snap(np.asarray(image)[None], stroke, nothing(), nothing(), 16)
    assert dice(found, truth) > 0.95 > dice(stroke, truth)


def test_a_stroke_does_not_leak_through_a_gap_in_an_edge() -> None:
    truth = ellipse(48, 30, 20, 20)
    image = noisy(truth | ellipse(48, 80, 24, 20))
    image[:, 45:51, 48:64] = 1  # a bridge to another structure of the same grey
    found = snap(image, ellipse(48, 30, 15, 15), nothing(), nothing(), 15)
    assert dice(found, truth) > 0.9
    assert not found[:, 30 + 15 + reach_of(15) :].any()


def test_another_class_is_neither_painted_over_nor_passed() -> None:
    truth, stroke = ellipse(48, 48, 24, 24), ellipse(48, 48, 18, 18)
    closed = nothing()
    closed[:, 52:56] = True
    found = snap(noisy(truth), stroke, nothing(), closed, 18)
    assert not (found & closed).any()
    left = truth.copy()
    left[:, 52:] = False
    assert dice(found & (np.arange(SIDE) < 52), left) > 0.9


def test_what_was_painted_before_helps_a_stroke_along_it() -> None:
    truth = ellipse(48, 48, 24, 24)
    own = truth & (np.arange(SIDE) < 44)
    stroke = ellipse(48, 52, 14, 14)
    found = snap(noisy(truth), stroke & ~own, own, nothing(), 14) | own
    assert dice(found, truth) > max(dice(stroke | own, truth), 0.93)


def test_painting_the_same_again_changes_next_to_nothing() -> None:
    truth, stroke = ellipse(48, 48, 24, 24), ellipse(50, 51, 24, 24)
    once = snap(noisy(truth), stroke, nothing(), nothing(), 24)
    again = snap(noisy(truth), stroke & ~once, once, nothing(), 24) | once
    assert dice(once, again) > 0.97


def test_pixels_of_two_sizes_are_no_other_structure() -> None:
    """A structure that is round in mm, on pixels twice as high as wide."""
    truth = ellipse(48, 48, 13, 26)
    stroke = ellipse(48, 48, 9, 18)
    found = snap(noisy(truth), stroke, nothing(), nothing(), 18, (2.0, 1.0))
    assert dice(found, truth) > 0.93


def test_a_large_window_is_answered_alike() -> None:
    side = 4 * SIDE
    assert side**2 > 4 * MOST_PIXELS
    truth = ellipse(192, 192, 96, 96, side)
    stroke = ellipse(192, 192, 70, 70, side)
    found = snap(noisy(truth), stroke, nothing(side), nothing(side), 70)
    assert dice(found, truth) > 0.97


@settings(max_examples=40, deadline=None)
@given(
    image=arrays(np.float32, (1, 24, 20), elements=st.floats(-1, 2, width=32)),
    marks=arrays(np.uint8, (24, 20), elements=st.integers(0, 8)),
    radius=st.floats(0.5, 30),
)
def test_whatever_is_painted_nothing_closed_is_found(
    image: NDArray[np.float32], marks: NDArray[np.uint8], radius: float
) -> None:
    stroke, own, closed = marks == 1, marks == 2, marks >= 7
    found = snap(image, stroke, own, closed, radius)
    assert found.shape == stroke.shape
    assert not (found & closed).any()
    assert found.any() <= stroke.any()
    assert np.array_equal(found, snap(image, stroke, own, closed, radius))
    boxed = find_in_box(image, np.ones(stroke.shape, np.bool_), own, closed)
    assert not (boxed & closed).any()
    assert boxed[own].all()


@pytest.mark.parametrize("jitter", [(0, 0, 0, 0), (4, 1, 3, 0), (0, 5, 2, 4)])
@pytest.mark.parametrize(
    "shape",
    [
        lambda: ellipse(48, 48, 24, 24),
        lambda: ellipse(48, 48, 16, 30),
        lambda: ellipse(40, 44, 18, 18) | ellipse(54, 52, 18, 18),
    ],
    ids=["disc", "ellipse", "bean"],
)
def test_a_box_holds_the_structure(
    shape: Callable[[], Mask], jitter: tuple[int, int, int, int]
) -> None:
    truth = shape()
    rows, columns = (np.flatnonzero(truth.any(axis=axis)) for axis in (1, 0))
    box = nothing()
    top, bottom, left, right = jitter
    height = slice(rows[0] - top, rows[-1] + 1 + bottom)
    box[height, columns[0] - left : columns[-1] + 1 + right] = True
    found = find_in_box(noisy(truth), box, nothing(), nothing())
    assert dice(found, truth) > 0.94
    assert not (found & ~box).any()
