"""Dice and distances by hand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_contrastseg.evaluation.scores import Scores


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


def test_the_largest_distance_is_itks() -> None:
    rng = np.random.default_rng(0)
    truth, mask = (rng.random((2, 9, 12, 11)) > 0.97).astype(int)
    scores = Scores({1: "a"})
    scores.add(mask, truth, [3.0, 0.5, 1.5])
    two = [sitk.GetImageFromArray(one.astype(np.uint8)) for one in (truth, mask)]
    for one in two:
        one.SetSpacing((1.5, 0.5, 3.0))
    by_itk = sitk.HausdorffDistanceImageFilter()
    by_itk.Execute(*two)
    wanted = by_itk.GetHausdorffDistance()
    summary = scores.summary()
    assert summary["hd"] == pytest.approx(wanted, rel=1e-4)
    assert summary["hd95"] <= summary["hd"]
    assert summary["hd95_mm"] == summary["hd95"]
