from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.proposers.complete_slice import (
    complete,
    known_slices,
    scribbled_slices,
    what_is_missing,
)
from napari_contrastseg.proposers.interpolation import PROPOSER
from napari_contrastseg.proposers.proposer import LabelledVolume

SHAPE = (9, 64, 72)


def dice(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))


def _disc(centre: tuple[int, int], radius: float) -> np.ndarray:
    y, x = np.ogrid[: SHAPE[1], : SHAPE[2]]
    return np.asarray((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2)


def _scene(*, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Labels and image: a bright disc, 1, and a dark one, 2, through all slices."""
    plane = np.where(_disc((30, 24), 14), 1, np.where(_disc((34, 54), 9), 2, 0))
    labels = np.broadcast_to(plane, SHAPE)
    rng = np.random.default_rng(0)
    image = np.choose(labels, [0.0, 2.0, -2.0]) + rng.normal(0, noise, SHAPE)
    return labels, image.astype(np.float32)


def _volume(
    truth: np.ndarray, image: np.ndarray, classes: tuple[int, ...] = (1, 2)
) -> LabelledVolume:
    return LabelledVolume(truth.astype(np.int16), classes, lambda z: image[z][None])


def _scribbled(*slices: int) -> np.ndarray:
    """A stroke in each disc, and one of background between and beside them."""
    truth = np.full(SHAPE, -1)
    for z in slices:
        truth[z, 26:34, 23:26] = 1
        truth[z, 33:36, 51:57] = 2
        truth[z, 6:58, 41:43] = 0
        truth[z, 4:6, 5:68] = 0
    return truth


def test_a_few_strokes_complete_a_slice() -> None:
    labels, image = _scene()

    completion = complete(_volume(_scribbled(4), image))

    assert completion is not None
    found = completion.at(4)
    for value in (1, 2):
        assert dice(found.labels == value, labels[4] == value) > 0.8


def test_ink_stays_as_painted_and_is_certain() -> None:
    _, image = _scene()
    truth = _scribbled(4)
    truth[4, 50:53, 10:14] = 1  # a stroke that contradicts the picture

    completion = complete(_volume(truth, image))

    assert completion is not None
    found, ink = completion.at(4), truth[4] >= 0
    assert (found.labels[ink] == truth[4][ink]).all()
    assert (found.probabilities.max(axis=0)[ink] == 1).all()


def test_the_likeliest_class_is_the_label_and_probabilities_sum_to_one() -> None:
    _, image = _scene(noise=2.0)
    completion = complete(_volume(_scribbled(3, 4), image))
    assert completion is not None
    for z in (3, 4):
        found = completion.at(z)
        assert (found.probabilities.argmax(axis=0) == found.labels).all()
        assert found.probabilities.sum(axis=0) == pytest.approx(1, abs=1e-5)


def test_confidence_is_about_the_share_that_is_right() -> None:
    labels, image = _scene(noise=1.5)
    completion = complete(_volume(_scribbled(2, 4, 6), image))
    assert completion is not None
    sure, right = [], []
    for z in completion.indices:
        found = completion.at(z)
        sure.append(found.probabilities.max(axis=0))
        right.append(found.labels == labels[z])
    sure_, right_ = np.stack(sure), np.stack(right)
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        these = (sure_ >= low) & (sure_ < high)
        assert right_[these].mean() > sure_[these].mean() - 0.15


def test_what_looks_alike_but_holds_no_ink_is_background_and_less_sure() -> None:
    _, plain = _scene(noise=0.2)
    far = _disc((54, 12), 3)
    spotted = plain.copy()
    spotted[4][far] = 2.0

    without, found = (
        completion.at(4)
        for image in (plain, spotted)
        if (completion := complete(_volume(_scribbled(4), image)))
    )

    assert not found.labels[far].any()
    assert found.probabilities[0][far].mean() < without.probabilities[0][far].mean()


def test_holes_are_filled() -> None:
    _, image = _scene(noise=0.2)
    image = image.copy()
    image[4][_disc((37, 24), 2.5)] = 0.0

    completion = complete(_volume(_scribbled(4), image))

    assert completion is not None
    assert (completion.at(4).labels[_disc((37, 24), 2.5)] == 1).all()


def test_what_was_learned_on_one_slice_helps_its_neighbour() -> None:
    """No background is painted there, yet the classes do not fill the slice."""
    labels, image = _scene()
    truth = _scribbled(4)
    truth[5] = np.where(truth[4] > 0, truth[4], -1)

    completion = complete(_volume(truth, image))

    assert completion is not None
    assert completion.indices == [4, 5]
    for value in (1, 2):
        assert dice(completion.at(5).labels == value, labels[5] == value) > 0.7


def test_maps_from_elsewhere_show_what_the_picture_does_not() -> None:
    labels, _ = _scene()
    rng = np.random.default_rng(1)
    image = rng.normal(size=SHAPE).astype(np.float32)
    maps = np.stack([labels == 1, labels == 2], axis=1).astype(np.float32)
    volume = _volume(_scribbled(4), image)

    alone = complete(volume)
    helped = complete(volume, lambda z: maps[z])

    assert alone is not None
    assert helped is not None
    scores = [
        np.mean([dice(c.at(4).labels == v, labels[4] == v) for v in (1, 2)])
        for c in (alone, helped)
    ]
    assert scores[1] > scores[0] + 0.1


def test_borders_far_from_ink_may_be_further_off() -> None:
    _, image = _scene()
    near, far = _scribbled(4), _scribbled(4)
    ring = _disc((30, 24), 17) & ~_disc((30, 24), 16)
    near[4][ring & (near[4] < 0)] = 0
    near[4][_disc((30, 24), 12)] = 1
    near[4, 33:36, 51:57] = far[4, 33:36, 51:57] = -1

    variances = []
    for truth in (near, far):
        completion = complete(_volume(truth, image))
        assert completion is not None
        variances.append(completion.at(4).variance)

    assert 0 < variances[0] < variances[1] / 2


@pytest.mark.parametrize(
    ("keep", "reason"),
    [((1, 2), "stroke of background"), ((0,), "stroke of a class"), ((), "a class")],
)
def test_it_says_what_is_missing(keep: tuple[int, ...], reason: str) -> None:
    _, image = _scene()
    truth = _scribbled(4)
    truth[~np.isin(truth, keep)] = -1

    volume = _volume(truth, image)

    assert reason in (what_is_missing(volume) or "")
    assert complete(volume) is None


def test_nothing_is_completed_where_only_background_is_painted() -> None:
    _, image = _scene()
    truth = _scribbled(4)
    truth[6, :8] = 0
    truth[7] = 0
    volume = _volume(truth, image)

    assert scribbled_slices(volume) == [4]
    assert [knot.index for knot in known_slices(volume)] == [4, 7]
    assert known_slices(volume)[1].variance == 0


def test_a_class_painted_on_no_slice_is_not_proposed() -> None:
    _, image = _scene()
    truth = _scribbled(4)
    truth[truth == 2] = -1

    completion = complete(_volume(truth, image))

    assert completion is not None
    found = completion.at(4)
    assert set(np.unique(found.labels)) == {0, 1}
    assert found.probabilities[2].max() < 0.1


def test_a_picture_of_one_grey_value_is_completed_by_nearness() -> None:
    image = np.zeros(SHAPE, np.float32)
    completion = complete(_volume(_scribbled(4), image))
    assert completion is not None
    found = completion.at(4)
    assert np.isfinite(found.probabilities).all()
    assert found.labels[30, 20] == 1


def test_scribbles_are_interpolated_between_slices() -> None:
    labels, image = _scene()

    answer = PROPOSER.propose(_volume(_scribbled(1, 4, 7), image))

    assert answer is not None
    between = answer.probabilities(3).argmax(axis=0)
    for value in (1, 2):
        assert dice(between == value, labels[3] == value) > 0.8
