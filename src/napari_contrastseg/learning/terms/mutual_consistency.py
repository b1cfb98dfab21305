"""MC-Net: two decoders, each learns the other's sharpened prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_contrastseg.learning.losses.precision import wide
from napari_contrastseg.learning.losses.segmentation import (
    dice_cross_entropy,
    dice_loss,
)
from napari_contrastseg.learning.terms.step_loss import StepLoss
from napari_contrastseg.learning.terms.term import ramp_up

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step


class MutualConsistency(StepLoss):
    """Cycled pseudo-labels of two decoders (Wu et al. 2021), on all slices.

    Parameters
    ----------
    network : UNet
        With a second decoder (``NetworkSpec.peer``).
    temperature : float
        Of the sharpening.
    supervised : float
        Weight of the supervised loss of each decoder.
    weight : float
        Of the agreement when it has risen.
    ramp : float
        Part of the stage over which that weight rises.
    entropy : bool
        Cross-entropy beside Dice on what is labelled.
    """

    def __init__(
        self,
        network: UNet,
        *,
        temperature: float,
        supervised: float,
        weight: float,
        ramp: float,
        entropy: bool = True,
    ) -> None:
        super().__init__(network)
        self.temperature, self.supervised = temperature, supervised
        self.weight, self.ramp, self.entropy = weight, ramp, entropy

    def forward(self, step: Step) -> Tensor:
        """Supervised loss of both decoders, and their distance to sharpened labels."""
        own = slice(step.own)
        known = step.target[own], step.weight[own]
        learns = dice_cross_entropy if self.entropy else dice_loss
        both = step.logits, step.map("peer")
        learnt = torch.stack([learns(one[own], *known) for one in both]).sum()
        height = self.weight * ramp_up(step.fraction, self.ramp)
        cycled = cycled_labels(*both, step.inside, self.temperature)
        return self.supervised * learnt + height * cycled


def sharpened(logits: Tensor, temperature: float) -> Tensor:
    """Sharpen probabilities: p^(1/T) over its sum over the classes."""
    return (wide(logits) / temperature).softmax(dim=1)


def cycled_labels(
    first: Tensor, second: Tensor, mask: Tensor, temperature: float
) -> Tensor:
    """Squared distance of each prediction to the other's sharpened one.

    Parameters
    ----------
    first, second : (n, classes, h, w) float
        Logits.
    mask : (n, h, w) bool
    temperature : float
    """
    total = torch.zeros((), device=first.device)
    for student, teacher in ((first, second), (second, first)):
        label = sharpened(teacher.detach(), temperature)
        distance = (wide(student).softmax(dim=1) - label).square().mean(dim=1)
        total = total + (distance * mask).sum() / mask.sum().clamp_min(1)
    return total
