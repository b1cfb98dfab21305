"""The Dice of Hu et al. by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.evaluation.hu_dice import HuDice


def test_hu_dice_by_hand() -> None:
    scores = HuDice({1: "a", 2: "b"})
    small = np.zeros((1, 2, 2), int)
    small[0, 0, 0] = 1
    scores.add(small, small, 0)  # 1024 pixels of 64 x 64, all of them right
    large = np.zeros((4, 4, 1), int)
    large[3, 3, 0] = 1
    scores.add(large, np.zeros_like(large), 2)  # 256 pixels too many
    assert scores.per_class() == {"a": pytest.approx(2048 / (2048 + 256), abs=1e-5)}
    assert scores.mean() == scores.per_class()["a"]


def test_hu_dice_takes_the_nearest_pixel() -> None:
    scores = HuDice({1: "a", 2: "b"})
    truth = np.zeros((1, 128, 128), int)
    truth[0, 0, 0] = 2  # falls between the pixels that are looked at
    truth[0, 1, 1] = 1
    truth[0, 3, 3] = -1
    mask = np.zeros_like(truth)
    mask[0, [1, 3, 5], [1, 3, 5]] = 1
    scores.add(mask, truth, 0)
    assert scores.per_class() == {"a": pytest.approx(2 / 3, abs=1e-5)}
