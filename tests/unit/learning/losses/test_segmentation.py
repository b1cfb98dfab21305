"""Dice and cross-entropy of partly labelled, weighted slices."""

from __future__ import annotations

import math

import pytest
import torch

from napari_contrastseg.learning.losses.segmentation import (
    dice_cross_entropy,
    hard_dice,
)


def test_unknown_voxels_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, generator=generator)
    target = torch.randint(0, 3, (2, 8, 8), generator=generator)
    weight = torch.ones(2, 8, 8)
    hidden = target.clone()
    hidden[:, :4] = -1
    spoiled = logits.clone()
    spoiled[:, :, :4] = 100.0
    one = dice_cross_entropy(logits, hidden, weight)
    other = dice_cross_entropy(spoiled, hidden, weight)
    assert one.item() == pytest.approx(other.item(), abs=1e-6)
    assert hard_dice(logits, hidden, weight) == hard_dice(spoiled, hidden, weight)


def test_nothing_known_gives_zero_with_a_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    target = torch.full((1, 4, 4), -1)
    loss = dice_cross_entropy(logits, target, torch.ones(1, 4, 4))
    assert loss.item() == 0
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


def test_a_weight_of_one_half_is_half_a_voxel() -> None:
    logits = torch.randn(1, 3, 2, 2)
    target = torch.tensor([[[1, 1], [2, 2]]])
    half = torch.tensor([[[0.5, 0.5], [1.0, 1.0]]])
    log_p = logits.log_softmax(1)[0]
    by_hand = -(0.5 * log_p[1, 0].sum() + log_p[2, 1].sum()) / 3.0
    whole = dice_cross_entropy(logits, target, half)
    from napari_contrastseg.learning.losses.segmentation import soft_dice

    dice = soft_dice(logits, target, half)
    by_rule = 0.75 * (by_hand + 1 - dice)
    assert whole.item() == pytest.approx(by_rule.item(), abs=1e-5)


def test_dice_and_cross_entropy_by_loops() -> None:
    """The sum of which eq. 4 of CLCC takes a half; Dice over the batch, by class."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=generator)
    target = torch.randint(-1, 3, (2, 4, 4), generator=generator)
    weight = torch.ones(2, 4, 4, dtype=torch.float64)
    entropy: list[float] = []
    overlap, area = [0.0] * 3, [0.0] * 3
    for n in range(2):
        for row in range(4):
            for column in range(4):
                label = int(target[n, row, column])
                if label < 0:
                    continue
                powers = [math.exp(float(x)) for x in logits[n, :, row, column]]
                p = [power / sum(powers) for power in powers]
                entropy.append(-math.log(p[label]))
                for k in range(3):
                    overlap[k] += p[k] * (label == k)
                    area[k] += p[k] + (label == k)
    dice = [(2 * o + 1) / (a + 1) for o, a in zip(overlap, area, strict=True)]
    wanted = sum(entropy) / len(entropy) + 1 - (dice[1] + dice[2]) / 2
    found = dice_cross_entropy(logits, target, weight).item()
    assert found == pytest.approx(wanted, abs=1e-10)
