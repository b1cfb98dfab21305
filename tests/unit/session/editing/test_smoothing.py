"""Smoothing: by the most around each pixel, all classes together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_contrastseg.session.editing.plane import Plane
from napari_contrastseg.session.editing.smoothing import TRUNCATE, smooth
from tests.kit.planes import planes

distances = st.sampled_from([0.5, 1.0, 2.0])


def kernel(sigma: float) -> np.ndarray:
    reach = int(TRUNCATE * sigma + 0.5)
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def shares(plane: Plane, distance: float) -> dict[int, np.ndarray]:
    """Part of each label around each pixel, as a sum over the whole padded slice."""
    labels = np.where(plane.ink == 255, 0, plane.ink) if plane.done else plane.ink
    down, right = (kernel(distance / side) for side in plane.spacing)
    weights = np.outer(down, right)
    margin = [(len(k) // 2,) * 2 for k in (down, right)]
    found = {}
    for value in np.unique(labels).tolist():
        padded = np.pad((labels == value).astype(float), margin, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape)
        found[value] = (windows * weights).sum(axis=(2, 3))
    return found


@given(planes(), distances)
def test_each_pixel_has_the_label_of_which_most_is_around_it(
    plane: Plane, distance: float
) -> None:
    after = smooth(plane, distance)
    found = shares(plane, distance)
    labels = list(found)
    parts = np.stack([found[value] for value in labels])
    ordered = np.sort(parts, axis=0)
    clear = np.ones(plane.ink.shape, bool)
    if len(labels) > 1:
        clear = ordered[-1] - ordered[-2] > 1e-4
    winner = np.array(labels, np.uint8)[parts.argmax(axis=0)]
    # pieces that would vanish stay; look at slices where none would
    for value in {1, 2} & set(labels):
        pieces, count = ndimage.label(plane.ink == value, np.ones((3, 3)))
        kept = set(np.unique(pieces[winner == value]).tolist()) - {0}
        if len(kept) < count:
            return
    was, is_now = (np.isin(ink, (1, 2)) for ink in (plane.ink, winner))
    expected = np.where(was | is_now, winner, plane.ink)
    assert np.array_equal(after[clear], expected[clear])


@given(planes(), distances)
def test_no_piece_vanishes_and_nothing_else_than_labels_comes(
    plane: Plane, distance: float
) -> None:
    after = smooth(plane, distance)
    assert set(np.unique(after)) <= set(np.unique(plane.ink)) | {0}
    for value in (1, 2):
        pieces, count = ndimage.label(plane.ink == value, np.ones((3, 3)))
        assert set(np.unique(pieces[after == value])) >= set(range(1, count + 1))
    swapped = np.isin(plane.ink, (0, 255)) & np.isin(after, (0, 255))
    assert np.array_equal(after[swapped], plane.ink[swapped])


def test_classes_that_touch_go_on_touching() -> None:
    ink = np.zeros((40, 40), np.uint8)
    ink[5:35, 5:20], ink[5:35, 20:35] = 1, 2
    rng = np.random.default_rng(0)
    ragged = ink.copy()
    for row in range(5, 35):
        edge = 20 + int(rng.integers(-2, 3))
        ragged[row, 5:edge], ragged[row, edge:35] = 1, 2
    after = smooth(Plane(ragged, (1.0, 1.0), True), 2.0)
    middle = after[8:32, 8:32]
    assert (middle > 0).all(), "no gap between them"
    edges = np.abs(np.diff((middle == 2).argmax(axis=1)))
    assert edges.max() <= 1, "and their border is smooth"
