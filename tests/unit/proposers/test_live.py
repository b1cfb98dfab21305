from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage
from sklearn.linear_model import LogisticRegression

from napari_contrastseg.proposers import feature_cache
from napari_contrastseg.proposers.feature_cache import (
    FeatureCache,
    coarse_image,
    coarse_labels,
)
from napari_contrastseg.proposers.ink_evidence import completed, nearness
from napari_contrastseg.proposers.linear_head import RIDGE, fit_linear_head
from napari_contrastseg.proposers.live import PROPOSER, LiveVolume, live_volume
from napari_contrastseg.proposers.pixel_filters import pixel_filters
from napari_contrastseg.proposers.proposer import Answer, LabelledVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (12, 48, 48)


@pytest.fixture
def balls() -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Two balls, of class 3 and 7, brighter than what is around them."""
    z, y, x = np.indices(SHAPE)
    truth = np.zeros(SHAPE, np.int16)
    for class_id, column in ((3, 13), (7, 34)):
        near = (2 * (z - 6)) ** 2 + (y - 24) ** 2 + (x - column) ** 2
        truth[near < 10**2] = class_id
    noise = np.random.default_rng(0).normal(0, 0.5, SHAPE)
    return (truth + noise).astype(np.float32), truth


def scribbled(truth: NDArray[np.int16], *slices: int) -> NDArray[np.int16]:
    """A short stroke in each ball and one between them."""
    ink = np.full(truth.shape, -1, np.int16)
    for index in slices:
        ink[index, 24, 10:16], ink[index, 24, 31:37] = 3, 7
        ink[index, 2:4, 4:44], ink[index, 4:44, 23:25] = 0, 0
    return ink


def known(
    balls: tuple[NDArray[np.float32], NDArray[np.int16]], truth: NDArray[np.int16]
) -> LabelledVolume:
    return LabelledVolume(truth, (3, 7), lambda index: balls[0][index][None])


Propose = Callable[[LabelledVolume], Answer | None]


@pytest.fixture(params=["quick", "better"])
def propose(request: pytest.FixtureRequest) -> Propose:
    """Both ways to answer."""
    if request.param == "better":
        return PROPOSER.propose

    def quick(volume: LabelledVolume) -> Answer | None:
        live = live_volume(
            volume.image, volume.truth.shape, volume.spacing, related=True
        )
        return live.quick(
            {z: plane for z, plane in enumerate(volume.truth) if (plane >= 0).any()},
            volume.classes,
        )

    return quick


def test_strokes_in_one_slice_are_answered_in_all(
    propose: Propose,
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
) -> None:
    truth = balls[1]
    answer = propose(known(balls, scribbled(truth, 6)))
    assert answer is not None
    ids = np.array([0, 3, 7])
    for index in (4, 6, 8):
        found = ids[answer.probabilities(index).argmax(axis=0)]
        for class_id in (3, 7):
            mine, theirs = found == class_id, truth[index] == class_id
            assert 2 * (mine & theirs).sum() > 0.7 * (mine.sum() + theirs.sum())


def test_ink_is_never_contradicted_and_probabilities_sum_to_one(
    propose: Propose,
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
) -> None:
    ink = scribbled(balls[1], 6)
    ink[6, 10, 10] = 7  # a slip of the brush
    answer = propose(known(balls, ink))
    assert answer is not None
    found = answer.probabilities(6)
    assert found.shape == (3, 48, 48)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    chosen = np.array([0, 3, 7])[found.argmax(axis=0)]
    assert (chosen == ink[6])[ink[6] >= 0].all()
    np.testing.assert_allclose(answer.probabilities(3).sum(axis=0), 1, atol=1e-5)


def test_without_background_or_without_a_class_there_is_no_answer(
    propose: Propose,
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
) -> None:
    ink = scribbled(balls[1], 6)
    assert propose(known(balls, np.where(ink == 0, -1, ink))) is None
    assert propose(known(balls, np.where(ink > 0, -1, ink))) is None
    assert propose(known(balls, np.full(SHAPE, -1, np.int16))) is None


def test_a_class_without_ink_is_not_proposed(
    propose: Propose,
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
) -> None:
    ink = scribbled(balls[1], 6)
    ink[ink == 3] = -1
    answer = propose(known(balls, ink))
    assert answer is not None
    for index in (5, 6):
        assert (answer.probabilities(index).argmax(axis=0) != 1).all()


def test_the_first_strokes_of_a_class_in_a_slice_do_not_fill_it(
    propose: Propose,
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
) -> None:
    """As whoever labels slice after slice draws them: background comes last."""
    truth = balls[1]
    ink = np.full(truth.shape, -1, np.int16)
    ink[4:6] = truth[4:6]
    mine = truth[8] == 3
    ink[8, mine & ~ndimage.binary_erosion(mine)] = 3
    answer = propose(known(balls, ink))
    assert answer is not None
    found = answer.probabilities(8).argmax(axis=0) == 1
    assert 2 * (found & mine).sum() > 0.6 * (found.sum() + mine.sum())


def test_a_slice_marked_empty_ends_the_structure(
    propose: Propose,
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
) -> None:
    ink = scribbled(balls[1], 6)
    open_ended = propose(known(balls, ink))
    ink = ink.copy()
    ink[9] = 0
    ended = propose(known(balls, ink))
    assert open_ended is not None
    assert ended is not None
    before, after = (a.probabilities(8)[1:].sum() for a in (open_ended, ended))
    assert after < before


def test_a_large_slice_is_looked_at_coarsely(
    propose: Propose,
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feature_cache, "MOST_PIXELS", 48 * 48)
    image, ink = balls[0], scribbled(balls[1], 6)
    small = propose(known(balls, ink))
    large_image = image.repeat(2, 1).repeat(2, 2)
    seen = known((large_image, balls[1]), ink.repeat(2, 1).repeat(2, 2))
    large = propose(replace(seen, spacing=(2, 1, 1)))
    assert small is not None
    assert large is not None
    # the same slices, looked at in blocks of 2 x 2 pixels; only ink reaches less far
    wanted = small.probabilities(6).repeat(2, 1).repeat(2, 2)
    found = large.probabilities(6)
    assert (found.argmax(axis=0) == wanted.argmax(axis=0)).mean() > 0.9


def test_the_next_stroke_reads_no_slice_again(
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
) -> None:
    read: list[int] = []

    def image(index: int) -> NDArray[np.float32]:
        read.append(index)
        plane: NDArray[np.float32] = balls[0][index][None]
        return plane

    live = LiveVolume(image, SHAPE)
    ink = scribbled(balls[1], 6)
    first = live.quick({6: ink[6]}, (3, 7))
    assert first is not None
    first.probabilities(5)
    more = ink[6].copy()
    more[40:42, 4:44] = 0
    second = live.quick({6: more}, (3, 7))
    assert second is not None
    second.probabilities(5)
    assert sorted(read) == [5, 6]


def test_a_stroke_costs_nothing_for_slices_that_nobody_painted_on(
    balls: tuple[NDArray[np.float32], NDArray[np.int16]],
) -> None:
    image, ink = balls[0], scribbled(balls[1], 6)
    endless = 10**7  # even one byte a pixel would be 23 GB
    live = LiveVolume(lambda z: image[z % 12][None], (endless, *SHAPE[1:]))
    for answer in (live.quick({6: ink[6]}, (3, 7)), live.better({6: ink[6]}, (3, 7))):
        assert answer is not None
        assert {1, 2} <= set(answer.probabilities(7).argmax(axis=0).flat)
    both = {6: ink[6], endless - 6: ink[6]}
    answer = live.better(both, (3, 7))
    assert answer is not None
    assert (answer.probabilities(endless - 5).argmax(axis=0) > 0).any()


def test_features_stay_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((1, 16, 16), np.float32)
    one = pixel_filters(image).nbytes
    monkeypatch.setattr(feature_cache, "CACHE_BYTES", 3 * one)
    cache = FeatureCache(lambda _: image, (16, 16))
    for index in range(10):
        cache.at(index)
        assert cache.nbytes <= 3 * one


def test_what_is_no_number_spoils_nothing() -> None:
    image = np.full((1, 16, 16), np.nan, np.float32)
    image[0, 3, 3] = np.inf
    cache = FeatureCache(lambda _: image, (16, 16))
    assert np.isfinite(cache.at(0)).all()


@pytest.mark.parametrize("shape", [(1, 7, 1), (2, 1, 5), (1, 30, 20)])
def test_slices_of_any_shape_have_filters(shape: tuple[int, int, int]) -> None:
    found = pixel_filters(np.random.default_rng(0).random(shape, np.float32))
    assert found.shape[1:] == shape[1:]
    assert np.isfinite(found).all()


def test_the_head_is_a_balanced_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.2).astype(int)
    features = rng.normal(labels[:, None], 2, (400, 3)).astype(np.float32)
    head = fit_linear_head(features, labels, 2)
    mine = np.diff(head.scores(features.T), axis=0)[0]
    scaled = (features - features.mean(0)) / features.std(0)
    # two weights of opposite sign share the pull
    peer = LogisticRegression(C=2 / RIDGE / 400, class_weight="balanced", tol=1e-8)
    theirs = peer.fit(scaled, labels).decision_function(scaled)
    np.testing.assert_allclose(mine, theirs, atol=2e-3)
    again = fit_linear_head(features, labels, 2, start=head)
    np.testing.assert_allclose(again.weights, head.weights, atol=1e-3)


def test_large_numbers_and_constant_features_are_harmless() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100)
    features = np.stack([3e4 + 100 * labels, np.full(100, 7.0)], 1).astype(np.float32)
    scores = fit_linear_head(features, labels, 2).scores(features.T)
    assert (scores.argmax(axis=0) == labels).all()


def test_ink_speaks_for_the_pixels_near_it() -> None:
    plane = np.full((20, 60), -1)
    plane[10, 5], plane[10, 55] = 0, 4
    found = nearness(plane, [0, 4, 9])
    assert (found.argmax(axis=0)[:, :30] == 0).all()
    assert (found.argmax(axis=0)[:, 31:] == 1).all()
    assert (found[2] < found[:2].max(axis=0)).all()


def test_a_completed_slice_has_pieces_with_ink_and_no_holes() -> None:
    scores = np.zeros((2, 30, 30), np.float32)
    scores[1] = -1
    scores[1, 5:15, 5:15] = 1  # holds ink, and a hole
    scores[1, 9:11, 9:11] = -1
    scores[1, 20:25, 20:25] = 1  # holds none
    plane = np.full((30, 30), -1)
    plane[6, 6], plane[14, 14] = 2, 0
    found = completed(plane, scores, [0, 2])
    wanted = np.zeros((30, 30), int)
    wanted[5:15, 5:15] = 2
    wanted[14, 14] = 0  # ink is ink
    np.testing.assert_array_equal(found, wanted)


def test_blocks_of_pixels_are_means_and_their_labels_what_is_known() -> None:
    image = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    found = coarse_image(image, 2)
    assert found.shape == (1, 2, 3)
    assert found[0, 0, 0] == np.mean([0, 1, 5, 6])
    assert found[0, 1, 2] == 14
    labels = np.full((3, 5), -1)
    labels[1, 1], labels[2, 4] = 0, 2
    np.testing.assert_array_equal(coarse_labels(labels, 2), [[0, -1, -1], [-1, -1, 2]])
