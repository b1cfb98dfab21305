"""Scribbles lie where the protocol says."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label
from scipy.spatial.distance import cdist

from napari_contrastseg.bench.within.scribbles import scribbles

BAR = (slice(60, 67), slice(50, 80))


def a_slice() -> np.ndarray:
    truth = np.zeros((140, 150), np.int16)
    truth[BAR] = 1
    truth[60:67, 90:97] = 2
    return truth


def away_from(truth: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Distance of each place to the nearest voxel of a class, by trying all."""
    every = cdist(np.argwhere(where), np.argwhere(truth > 0))
    return np.asarray(every.min(axis=1))


def test_background_is_near_the_classes_or_a_stroke_far_away() -> None:
    truth = a_slice()
    painted = scribbles(truth, (0, 5))
    near = (painted == 0) & ~far_strokes(painted, truth)
    distance = away_from(truth, near)
    assert distance.min() >= 6
    assert distance.max() <= 8
    ring = away_from(truth, np.ones(truth.shape, bool)).reshape(truth.shape)
    assert (painted[(ring >= 6) & (ring <= 8)] == 0).all()


def far_strokes(painted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    parts, count = label(painted == 0, np.ones((3, 3)))
    far = np.zeros(painted.shape, bool)
    for number in range(1, count + 1):
        if away_from(truth, parts == number).min() >= 10:
            far |= parts == number
    return far


def test_strokes_are_straight_and_of_the_stated_size() -> None:
    truth = a_slice()
    strokes = far_strokes(scribbles(truth, (0, 5)), truth)
    # four of 40 x 2 pixels, but for what a grid makes of them, and where they cross
    assert 200 < strokes.sum() < 4 * 41 * 3
    parts, count = label(strokes, np.ones((3, 3)))
    assert 1 <= count <= 4
    for number in range(1, count + 1):
        if (parts == number).sum() > 100:
            continue  # two that cross
        place = np.argwhere(parts == number).astype(float)
        spread = np.linalg.svd(place - place.mean(axis=0))[1] / len(place) ** 0.5
        assert 10 < spread[0] < 13  # 40 / sqrt(12)
        assert spread[1] < 1


def test_a_class_is_its_skeleton_widened_by_a_pixel() -> None:
    truth = a_slice()
    painted = scribbles(truth, (0, 5))
    assert (truth[painted == 1] == 1).all()
    assert (truth[painted == 2] == 2).all()
    rows, columns = np.nonzero(painted[BAR] == 1)
    # the skeleton of a bar of 7 rows runs along its fourth
    assert set(rows[(columns > 8) & (columns < 22)]) == {2, 3, 4}
    assert (painted == 1).sum() < 0.6 * (truth == 1).sum()
    assert (painted == 2).any()


def test_scribbles_follow_from_the_seed_alone() -> None:
    truth = a_slice()
    first = scribbles(truth, (0, 5))
    assert np.array_equal(first, scribbles(truth, (0, 5)))
    assert not np.array_equal(first, scribbles(truth, (1, 5)))


def test_there_is_no_stroke_without_room_and_none_on_unknown_voxels() -> None:
    truth = np.zeros((35, 35), np.int16)
    truth[12:22, 12:22] = 1
    truth[:, 30:] = -1
    painted = scribbles(truth, (0, 1))
    assert away_from(truth, painted == 0).max() <= 8
    assert (painted[:, 30:] == -1).all()
    assert (scribbles(np.zeros((20, 20), np.int16), (0, 1)) == -1).all()
