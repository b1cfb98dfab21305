"""Consistency losses on unlabelled slices: mean teacher, CPS, two decoders, URPC.

Each is a distance between two predictions, one of which gets no gradient, where a mask
holds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.losses.precision import wide
from napari_contrastseg.learning.losses.segmentation import (
    cross_entropy,
    dice_cross_entropy,
)
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.terms.step_loss import StepLoss
from napari_contrastseg.learning.terms.term import ramp_up

if TYPE_CHECKING:
    from napari_contrastseg.learning.terms.step import Step

#: Of probabilities, before their logarithm.
LEAST = 1e-6
#: Noise that a teacher's input gets (UA-MT): standard deviation and bound.
NOISE, NOISE_LIMIT = 0.1, 0.2
#: Stochastic passes of the teacher (UA-MT).
PASSES = 8


class TransformedTeacher(StepLoss):
    """TCSM (Li et al. 2020): student(T(x)) like T(teacher(x)), by squared distance.

    Both streams take part. Their released mean-teacher script lets no gradient through
    here; this one does.
    """

    def forward(self, step: Step) -> Tensor:
        """Distance to the teacher's prediction, moved as the slices were."""
        guess = moved(step.taught(step.source), step.grid)
        return _squares(step.logits.float().softmax(dim=1), guess, step.inside)


class UncertaintyAwareTeacher(StepLoss):
    """UA-MT (Yu et al. 2019): follow the teacher where eight noisy passes agree.

    The entropy of their mean must lie below a threshold that rises with training.

    Parameters
    ----------
    network : UNet
    ramp : float
        Part of the stage over which the threshold rises.
    """

    def __init__(self, network: UNet, *, ramp: float) -> None:
        super().__init__(network)
        self.ramp = ramp

    def forward(self, step: Step) -> Tensor:
        """Distance to the teacher's prediction where it is certain."""
        rows = slice(step.own, None)
        plain = step.plain[rows]
        guess = step.taught(_noisy(plain))
        passes = (step.taught(_noisy(plain), dropout=True) for _ in range(PASSES))
        mean = torch.stack(list(passes)).mean(dim=0)
        entropy = -(mean * mean.clamp_min(LEAST).log()).sum(dim=1)
        height = 0.75 + 0.25 * ramp_up(step.fraction, self.ramp)
        most = height * math.log(mean.shape[1])
        sure = step.inside[rows] & (entropy < most)
        return _squares(step.logits[rows].float().softmax(dim=1), guess, sure)


class CrossPseudoSupervision(StepLoss):
    """CPS (Chen et al. 2021): two networks, each learns the other's labels.

    The head is the second network; predictions come from the first.

    Parameters
    ----------
    network : UNet
    weight : float
        Of the other network's labels, beside what is labelled.
    ramp : float
        Part of the stage over which that weight rises.
    """

    head: UNet

    def __init__(self, network: UNet, *, weight: float, ramp: float) -> None:
        super().__init__(network)
        self.weight, self.ramp = weight, ramp
        self.head = UNet(network.channels, network.classes, network.spec)

    def forward(self, step: Step) -> Tensor:
        """Supervised loss of the second network, and the cross-entropies of both."""
        mine, theirs = step.logits, step.through(self.head, step.image).map("logits")
        own = slice(step.own)
        known = dice_cross_entropy(theirs[own], step.target[own], step.weight[own])
        return known + self.weight * ramp_up(step.fraction, self.ramp) * _crosswise(
            mine, theirs, step.inside
        )


class PeerDecoders(StepLoss):
    """IDEAL's cross-consistency: two decoders on one encoder teach each other.

    Cross-entropy of both on what is labelled, with `dice` soft Dice beside it, and of
    each against the other's hard labels elsewhere; no ramp is stated in the paper.

    Parameters
    ----------
    network : UNet
        With a second decoder (``NetworkSpec.peer``).
    weight : float
        Of the other decoder's labels.
    dice : bool
    """

    def __init__(
        self, network: UNet, *, weight: float = 1.0, dice: bool = True
    ) -> None:
        super().__init__(network)
        self.weight, self.dice = weight, dice

    def forward(self, step: Step) -> Tensor:
        """Supervised loss of both decoders, and their cross-entropies elsewhere."""
        own = slice(step.own)
        target, weights = step.target[own], step.weight[own]
        both = step.logits, step.map("peer")
        learnt = torch.zeros((), device=target.device)
        for logits in both:
            if self.dice:
                learnt = learnt + dice_cross_entropy(logits[own], target, weights)
            else:
                learnt = learnt + cross_entropy(logits[own], target, weights)
        first, second = (logits[step.own :] for logits in both)
        if not len(first):
            return learnt
        crossed = _crosswise(first, second, step.inside[step.own :])
        return learnt + self.weight * crossed


class ScaleHeads(nn.Module):
    """A classifier on every decoder map but the last, which has its own."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        levels = [f"dec{i}" for i in range(1, len(network.decoder))]
        self.heads = nn.ModuleDict(
            {tap: nn.Conv2d(network.taps[tap], network.classes, 1) for tap in levels}
        )


class ScaleConsistency(StepLoss):
    """URPC (Luo et al. 2021): predictions of all scales agree with their mean.

    Squared distances are weighted by exp(-KL) of each scale to the mean, and the mean
    KL is added, so that disagreement is not merely ignored.

    Parameters
    ----------
    network : UNet
    weight : float
        Of the consistency, beside the supervised loss of every scale.
    ramp : float
        Part of the stage over which that weight rises.
    """

    head: ScaleHeads

    def __init__(self, network: UNet, *, weight: float, ramp: float) -> None:
        super().__init__(network)
        self.weight, self.ramp = weight, ramp
        self.head = ScaleHeads(network)

    def forward(self, step: Step) -> Tensor:
        """Supervised loss of every scale, and their distance to the mean elsewhere."""
        size = step.image.shape[-2:]
        logits = [
            functional.interpolate(layer(step.map(tap)), size, mode="bilinear")
            for tap, layer in self.head.heads.items()
        ]
        logits.append(step.logits)
        own = slice(step.own)
        known = [
            dice_cross_entropy(one[own], step.target[own], step.weight[own])
            for one in logits
        ]
        scales = torch.stack([one[step.own :].float().softmax(dim=1) for one in logits])
        agree = _scales(scales, step.inside[step.own :])
        height = ramp_up(step.fraction, self.ramp)
        return torch.stack(known).mean() + self.weight * height * agree


def moved(values: Tensor, grid: Tensor | None) -> Tensor:
    """Move values (n, c, h, w) of slices as the slices themselves were moved."""
    if grid is None:
        return values
    return functional.grid_sample(values, grid.to(values.dtype), align_corners=True)


def _noisy(image: Tensor) -> Tensor:
    noise = torch.randn_like(image) * NOISE
    return image + noise.clamp(-NOISE_LIMIT, NOISE_LIMIT)


def _squares(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Mean squared distance of (n, c, h, w) where the mask (n, h, w) holds."""
    distance = (first - second).square().mean(dim=1)
    return (distance * mask).sum() / mask.sum().clamp_min(1)


def _crosswise(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of each against the other's argmax, where the mask holds."""
    total = torch.zeros((), device=first.device)
    for student, teacher in ((first, second), (second, first)):
        label = teacher.detach().argmax(dim=1)
        entropy = functional.cross_entropy(wide(student), label, reduction="none")
        total = total + (entropy * mask).sum() / mask.sum().clamp_min(1)
    return total


def _scales(scales: Tensor, mask: Tensor) -> Tensor:
    """Uncertainty-rectified distance of (scales, n, c, h, w) to their mean."""
    mean = scales.mean(dim=0)
    log_ratio = scales.clamp_min(LEAST).log() - mean.clamp_min(LEAST).log()
    divergence = (scales * log_ratio).sum(dim=2)  # (scales, n, h, w)
    sure = (-divergence).exp()
    distance = (scales - mean).square().mean(dim=2)
    seen = mask.expand_as(sure)
    rectified = (sure * distance * seen).sum() / (sure * seen).sum().clamp_min(LEAST)
    return rectified + (divergence * seen).sum() / seen.sum().clamp_min(1)
