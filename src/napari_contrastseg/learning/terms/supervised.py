"""Supervised losses on labelled slices: Dice, cross-entropy, mixup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_contrastseg.learning.losses.segmentation import (
    cross_entropy,
    dice_cross_entropy,
    dice_loss,
)
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from torch import Tensor

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step


class Supervised(StepLoss):
    """Soft Dice on what is labelled, plus cross-entropy; or one of them.

    Parameters
    ----------
    network : UNet
    dice : bool
        False: cross-entropy only (CSSL, section 3).
    entropy : bool
        False: soft Dice only, with the background as a class (Chaitanya et al. 2020).
    """

    def __init__(
        self, network: UNet, *, dice: bool = True, entropy: bool = True
    ) -> None:
        super().__init__(network)
        self.dice, self.entropy = dice, entropy

    def forward(self, step: Step) -> Tensor:
        """Loss of the stage's own slices."""
        own = slice(step.own)
        known = step.logits[own], step.target[own], step.weight[own]
        if not self.dice:
            return cross_entropy(*known)
        return dice_cross_entropy(*known) if self.entropy else dice_loss(*known)


class MixUp(StepLoss):
    """Mix pairs of slices, and their losses (Zhang et al. 2018).

    Labels are not mixed: the loss is that of both truths, in the same parts.

    Parameters
    ----------
    network : UNet
    alpha : float
        Parts are drawn from Beta(alpha, alpha).
    """

    def __init__(self, network: UNet, *, alpha: float = 1.0) -> None:
        super().__init__(network)
        self.alpha = alpha

    def forward(self, step: Step) -> Tensor:
        """Loss of a random mixture of the step's slices."""
        part = float(step.rng.beta(self.alpha, self.alpha))
        other = torch.randperm(len(step.image), device=step.image.device)
        mixed = part * step.image + (1 - part) * step.image[other]
        logits = step.through(step.network, mixed).map("logits")
        mine = dice_cross_entropy(logits, step.target, step.weight)
        theirs = dice_cross_entropy(logits, step.target[other], step.weight[other])
        return part * mine + (1 - part) * theirs
