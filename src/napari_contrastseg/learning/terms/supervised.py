"""Supervised losses on labelled slices: Dice, cross-entropy, mixup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_contrastseg.learning.losses.segmentation import (
    dice_cross_entropy,
    dice_loss,
)
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from torch import Tensor

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step


class Supervised(StepLoss):
    """Soft Dice on what is labelled, plus cross-entropy.

    Parameters
    ----------
    network : UNet
    entropy : bool
        False: soft Dice only, with the background as a class (Chaitanya et al. 2020).
    """

    def __init__(self, network: UNet, *, entropy: bool = True) -> None:
        super().__init__(network)
        self.entropy = entropy

    def forward(self, step: Step) -> Tensor:
        """Loss of the stage's own slices."""
        own = slice(step.own)
        known = step.logits[own], step.target[own], step.weight[own]
        return dice_cross_entropy(*known) if self.entropy else dice_loss(*known)


class MixUp(StepLoss):
    """Mix pairs of slices, and their losses (Zhang et al. 2018), Beta(1, 1) as in HU.

    Labels are not mixed: the loss is that of both truths, in the same parts.
    """

    def forward(self, step: Step) -> Tensor:
        """Loss of a random mixture of the step's slices."""
        part = float(step.rng.beta(1.0, 1.0))
        other = torch.randperm(len(step.image), device=step.image.device)
        mixed = part * step.image + (1 - part) * step.image[other]
        logits = step.through(step.network, mixed).map("logits")
        mine = dice_cross_entropy(logits, step.target, step.weight)
        theirs = dice_cross_entropy(logits, step.target[other], step.weight[other])
        return part * mine + (1 - part) * theirs
