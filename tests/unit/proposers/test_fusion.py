from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_contrastseg.proposers.fusion import (
    Fused,
    HeldOut,
    Weights,
    earned,
    pooled,
    sharpness,
    trusted,
)
from napari_contrastseg.proposers.stored_answer import StoredAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.proposers.proposer import LabelledVolume

CLASSES = (3, 7)
SEEDS = st.integers(0, 10_000)


def some(rng: np.random.Generator, shape: tuple[int, int] = (12, 14)) -> np.ndarray:
    """Probabilities of background and two classes."""
    return rng.dirichlet([1, 1, 1], shape).transpose(2, 0, 1).astype(np.float32)


def blocks(rng: np.random.Generator, side: int = 40) -> np.ndarray:
    """A slice with one rectangle of each class."""
    truth = np.zeros((side, side), int)
    for value, left in ((3, 4), (7, 20)):
        top, width = rng.integers(5, 12), rng.integers(8, 14)
        truth[top : top + 20, left : left + width] = value
    return truth


def heard(
    truth: np.ndarray, rng: np.random.Generator, right: float, sure: float
) -> np.ndarray:
    """A source that is right on a share of the pixels and says how sure it is."""
    channel = np.searchsorted((0, *CLASSES), truth)
    wrong = (channel + rng.integers(1, 3, truth.shape)) % 3
    channel = np.where(rng.random(truth.shape) < right, channel, wrong)
    values = np.full((3, *truth.shape), (1 - sure) / 2, np.float32)
    np.put_along_axis(values, channel[None], sure, axis=0)
    return values


def log_loss(values: np.ndarray, truth: np.ndarray) -> float:
    channel = np.searchsorted((0, *CLASSES), truth)
    return -float(np.log(np.take_along_axis(values, channel[None], 0)).mean())


def error(values: np.ndarray, truth: np.ndarray) -> float:
    return float((np.array((0, *CLASSES))[values.argmax(0)] != truth).mean())


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_one_source_alone_is_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = some(rng)
    held_out = [HeldOut(blocks(rng, 40), {"live": some(rng, (40, 40))})]

    weights = earned(held_out, CLASSES, ["live"])

    np.testing.assert_allclose(
        pooled({"live": values}, weights), values.clip(1e-4), atol=2e-4
    )


@given(SEEDS, st.floats(0.05, 0.95))
@settings(max_examples=20, deadline=None)
def test_sources_that_agree_are_answered_as_they_are(seed: int, share: float) -> None:
    values = some(np.random.default_rng(seed))
    weights = Weights({"a": share, "b": 1 - share})

    np.testing.assert_allclose(
        pooled({"a": values, "b": values}, weights), values, atol=5e-4
    )


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_sources_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = some(rng), some(rng)
    weights = Weights({"a": 0.8, "b": 0.4}, structure=0.2)

    np.testing.assert_allclose(
        pooled({"a": one, "b": other}, weights),
        pooled({"b": other, "a": one}, weights),
        atol=1e-6,
    )


@pytest.mark.parametrize("good", ["interpolation", "network"])
def test_a_source_that_was_right_gains_weight(good: str) -> None:
    rng = np.random.default_rng(0)
    bad = {"interpolation": "network", "network": "interpolation"}[good]
    truths = [blocks(rng) for _ in range(4)]
    held_out = [
        HeldOut(t, {good: heard(t, rng, 0.95, 0.9), bad: heard(t, rng, 0.4, 0.9)})
        for t in truths
    ]
    before = trusted(["interpolation", "network"])

    after = earned(held_out, CLASSES, ["interpolation", "network"])

    assert after.of[good] > before.of[good]
    assert after.of[bad] < before.of[bad] / 3


def test_more_held_out_slices_move_the_weights_further() -> None:
    rng = np.random.default_rng(1)
    names = ["interpolation", "network"]
    held_out = []
    for _ in range(6):
        truth = blocks(rng)
        said = {
            "interpolation": heard(truth, rng, 0.4, 0.9),
            "network": heard(truth, rng, 0.95, 0.9),
        }
        held_out.append(HeldOut(truth, said))

    trust = [
        earned(held_out[:n], CLASSES, names).of["interpolation"] for n in (0, 1, 6)
    ]

    assert trust[0] > trust[1] > trust[2]


@given(
    SEEDS,
    st.floats(0.5, 0.97),
    st.floats(0.5, 0.97),
    st.floats(0.6, 0.99),
    st.floats(0.6, 0.99),
)
@settings(max_examples=25, deadline=None)
def test_joined_sources_are_not_worse_than_the_better_one(
    seed: int, right_a: float, right_b: float, sure_a: float, sure_b: float
) -> None:
    """Errors that do not depend on each other, whatever the sources claim."""
    rng = np.random.default_rng(seed)

    def slice_() -> HeldOut:
        truth = blocks(rng)
        said = {
            "a": heard(truth, rng, right_a, sure_a),
            "b": heard(truth, rng, right_b, sure_b),
        }
        return HeldOut(truth, said)

    weights = earned([slice_() for _ in range(6)], CLASSES, ["a", "b"])
    tests = [slice_() for _ in range(4)]

    ours = np.mean([error(pooled(t.said, weights), t.truth) for t in tests])
    best = min(np.mean([error(t.said[s], t.truth) for t in tests]) for s in "ab")
    assert ours <= best + 0.01
    lost = np.mean([log_loss(pooled(t.said, weights), t.truth) for t in tests])
    alone = min(np.mean([log_loss(t.said[s], t.truth) for t in tests]) for s in "ab")
    assert lost <= alone + 0.02


def test_an_overconfident_source_is_cooled_down() -> None:
    rng = np.random.default_rng(4)
    truths = [blocks(rng) for _ in range(5)]
    held_out = [
        HeldOut(
            t, {"live": heard(t, rng, 0.75, 0.999), "network": heard(t, rng, 0.8, 0.7)}
        )
        for t in truths
    ]

    weights = earned(held_out, CLASSES, ["live", "network"])

    assert weights.of["live"] < 0.25
    assert weights.of["network"] > 0.5


def test_slices_without_a_known_pixel_teach_nothing() -> None:
    rng = np.random.default_rng(5)
    unknown = HeldOut(np.full((12, 14), -1), {"a": some(rng), "b": some(rng)})

    assert earned([unknown], CLASSES, ["a", "b"]) == trusted(["a", "b"])


def test_a_fused_answer_says_what_is_known(
    labelled: Callable[..., LabelledVolume], ball: np.ndarray
) -> None:
    volume = labelled(ball, [20])
    wrong = StoredAnswer(
        np.full(ball.shape, 2), np.full(ball.shape, 0.9, np.float16), (1, 2)
    )
    fused = Fused(
        volume, {"network": wrong, "live": wrong}, trusted(["network", "live"])
    )

    assert (fused.probabilities(20).argmax(0) == ball[20]).all()
    assert (fused.probabilities(21).argmax(0) == 2).all()


def test_a_source_without_weight_is_not_heard() -> None:
    rng = np.random.default_rng(6)
    one, other = some(rng), some(rng)

    joined = pooled({"a": one, "b": other}, Weights({"a": 1, "b": 0}))

    np.testing.assert_allclose(joined, one, atol=5e-4)
    with pytest.raises(ValueError, match="weight above 0"):
        pooled({"b": other}, Weights({"a": 1, "b": 0}))


def test_a_stored_prediction_becomes_probabilities() -> None:
    prediction = np.array([[[0, 3, 7]]])
    confidence = np.array([[[1.0, 0.6, 0.2]]], np.float16)

    values = StoredAnswer(prediction, confidence, CLASSES).probabilities(0)[:, 0]

    third = 1 / 3
    expected = [[1, 0.2, third], [0, 0.6, third], [0, 0.2, third]]
    np.testing.assert_allclose(values, expected, atol=1e-3)


def test_a_source_that_is_too_sure_is_blunted() -> None:
    """Right on three pixels in four, whatever it says; never made surer."""
    rng = np.random.default_rng(0)
    truths = [blocks(rng) for _ in range(3)]

    def power(sure: float) -> float:
        held_out = [HeldOut(t, {"a": heard(t, rng, 0.75, sure)}) for t in truths]
        return sharpness(held_out, CLASSES, "a")

    assert power(0.75) == pytest.approx(1, abs=0.1)
    assert power(0.5) == pytest.approx(1, abs=0.01)
    blunted = power(0.999)
    assert blunted < 0.5
    odds = np.array([0.999, 0.0005, 0.0005]) ** blunted
    assert odds[0] / odds.sum() == pytest.approx(0.75, abs=0.03)


def test_nothing_was_held_out_and_a_source_is_taken_as_it_is() -> None:
    assert sharpness([], CLASSES, "a") == 1
