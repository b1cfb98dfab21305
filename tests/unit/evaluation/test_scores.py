"""Dice and distances by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.evaluation.scores import Scores, evaluate
from tests.kit.nifti import save

if TYPE_CHECKING:
    from pathlib import Path


def test_scores_by_hand() -> None:
    scores = Scores({1: "a", 2: "b", 3: "c"})
    truth = np.array([[[1, 1, 0, -1]]])
    mask = np.array([[[1, 0, 2, 2]]])
    per_class = scores.add(mask, truth)
    assert per_class == {1: pytest.approx(2 / 3), 2: 0.0}
    summary = scores.summary()
    assert summary["dice"] == {"a": pytest.approx(2 / 3, abs=1e-5), "b": 0.0}
    assert "c" not in summary["pooled_dice"]


def test_distances_are_in_mm() -> None:
    truth = np.zeros((9, 9, 9), int)
    truth[3:6, 3:6, 3:6] = 1
    scores = Scores({1: "a"})
    scores.add(np.roll(truth, 1, axis=0), truth, [2.0, 1.0, 1.0])
    assert scores.summary()["hd95_mm"] == pytest.approx(2.0)


def test_masks_of_0_and_255_are_scored_against_class_1(tmp_path: Path) -> None:
    """Else one and the same mask would score 0."""
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 1:3, 1:3] = 1
    one = save(tmp_path / "one.nii.gz", labels, np.eye(4))
    white = save(tmp_path / "white.nii.gz", labels * 255, np.eye(4))
    for mask, truth in ((one, white), (white, one)):
        assert evaluate(mask, truth)["dice"] == {"1": 1.0}
    assert evaluate(white, white)["dice"] == {"255": 1.0}
    two = save(tmp_path / "two.nii.gz", labels * 2, np.eye(4))
    assert evaluate(two, white)["dice"] == {"2": 0.0, "255": 0.0}
