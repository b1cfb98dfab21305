"""Expected Dice of slices, and how far confidence is right."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from napari_contrastseg.insight import slice_scores
from napari_contrastseg.insight.slice_scores import reliability, score_slices, true_dice
from napari_contrastseg.io.blocks import blocks


def test_expected_dice_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (4, 9, 9)).astype(np.uint8)
    sure = (rng.integers(50, 101, labels.shape) / 100).astype(np.float16)
    labels[3], sure[3] = 0, 1
    found = score_slices(labels, sure, 0).dice(np.arange(101) / 100)
    for mask, p, dice in zip(labels[:3], sure[:3].astype(float), found, strict=False):
        right = p[mask > 0].sum()
        there = right + (1 - p[mask == 0]).sum()
        assert dice == pytest.approx(2 * right / ((mask > 0).sum() + there), abs=2e-3)
    assert np.isnan(found[3])


def test_a_large_slice_is_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (2, 9, 11)).astype(np.uint8)
    sure = rng.random(labels.shape).astype(np.float16)
    whole = score_slices(labels, sure, 1)
    monkeypatch.setattr(slice_scores, "blocks", partial(blocks, voxels=5))
    found = score_slices(labels, sure, 1)
    assert np.array_equal(found.inside, whole.inside)
    assert np.array_equal(found.outside, whole.outside)
    assert found.doubt == pytest.approx(whole.doubt)


def test_confidence_is_corrected_by_what_was_checked() -> None:
    """A network that says .9 and is right half of the time is not believed."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (8, 20, 20))
    labels = np.where(rng.random(truth.shape) < 0.5, truth, 1 - truth)
    sure = np.full(truth.shape, 0.9)
    few = reliability(zip(labels[:2], sure, truth, strict=False))
    assert few.slices == 0
    assert few.right == pytest.approx(np.arange(101) / 100)
    trust = reliability(zip(labels, sure, truth, strict=True))
    assert trust.slices == 8
    assert trust.right[90] == pytest.approx(0.5, abs=0.03)
    assert (np.diff(trust.right) >= 0).all()
    assert trust.off < 0.05
    scores = score_slices(labels, sure, 0)
    believed = scores.dice(few.right)
    pairs = zip(labels, truth, strict=True)
    real = np.array([true_dice(m, t) for m, t in pairs], float)
    corrected = scores.dice(trust.right)
    assert np.abs(corrected - real).mean() < np.abs(believed - real).mean() / 5


def test_dice_needs_foreground_and_known_truth() -> None:
    nothing = np.zeros((3, 3), int)
    assert true_dice(nothing, nothing) is None
    assert true_dice(nothing, nothing - 1) is None
    assert true_dice(nothing + 1, nothing + 1) == 1
    assert true_dice(nothing + 1, nothing + 2) == 0
