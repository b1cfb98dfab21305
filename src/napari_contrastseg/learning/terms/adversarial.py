"""Adversarial training: a critic spots masks of unlabelled slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: Channels of the critic's levels, each at half the resolution of the one before.
CRITIC = (16, 32, 64, 64)


class Reversed(torch.autograd.Function):
    """Values as they are; their gradient is turned round (Ganin and Lempitsky 2015)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:  # noqa: D102
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: D102
        return -ctx.factor * gradients[0], None


class Critic(nn.Sequential):
    """Score of a slice with its mask, (n, channels, h, w) to (n,); no normalisation."""

    def __init__(self, channels: int) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in zip((channels, *CRITIC), CRITIC, strict=False):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CRITIC[-1], 1)
        super().__init__(*layers, *pooled, nn.Flatten(0))


class Adversary(StepLoss):
    """The min-max loss of Zhang et al. 2017, for both networks in one step.

    The critic learns to score masks of labelled slices 1 and those of unlabelled slices
    0. Its gradient reaches the segmenting network turned round, so that one step of one
    optimiser is a step of each player.

    Parameters
    ----------
    network : UNet
    weight : float
        Of the critic's loss in that of the segmenting network.
    """

    head: Critic

    def __init__(self, network: UNet, *, weight: float) -> None:
        super().__init__(network)
        self.weight = weight
        self.head = Critic(network.channels + network.classes)

    def forward(self, step: Step) -> Tensor:
        """Loss of the critic, whose gradient is turned round for the network."""
        if step.own == len(step.image):
            return step.logits.sum() * 0.0
        turn: Any = Reversed.apply  # without types in torch
        masks = turn(step.logits.float().softmax(dim=1), self.weight)
        scores = self.head(torch.cat([step.image, masks], dim=1)).float()
        return critics_loss(scores[: step.own], scores[step.own :])


def critics_loss(labelled: Tensor, unlabelled: Tensor) -> Tensor:
    """Binary cross-entropy of scores (n,): 1 for labelled, 0 for unlabelled slices."""
    ones, zeros = torch.ones_like(labelled), torch.zeros_like(unlabelled)
    known = functional.binary_cross_entropy_with_logits(labelled, ones)
    return known + functional.binary_cross_entropy_with_logits(unlabelled, zeros)
