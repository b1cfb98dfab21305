"""Consistency losses on unlabelled slices: mean teacher, CPS, URPC, pseudo-labels.

``methods.md`` calls the block *Agreement*: a distance, a side that gets no gradient,
and a mask. The second stream of a stage holds the slices that are not labelled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.losses.segmentation import dice_cross_entropy
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.terms.term import Term, ramp_up

if TYPE_CHECKING:
    from napari_contrastseg.learning.terms.step import Step

#: How slowly the confidence of a class follows, a step.
MEMORY = 0.99
#: Of probabilities, before their logarithm.
LEAST = 1e-6
#: Noise that a teacher's input gets (UA-MT): standard deviation and bound.
NOISE, NOISE_LIMIT = 0.1, 0.2
#: Stochastic passes of the teacher (UA-MT).
PASSES = 8


class ClassConfidence(nn.Module):
    """Running mean confidence of each class: thresholds that follow what is learned.

    A class that is still guessed at gets a lower threshold, as in FreeMatch (Wang et
    al. 2023, eq. 5-8), and never one above `most`.
    """

    def __init__(self, classes: int, most: float) -> None:
        super().__init__()
        self.mean: Tensor
        self.register_buffer("mean", torch.full((classes,), 1 / classes))
        self.most = most

    @torch.no_grad()
    def update(self, confidence: Tensor, label: Tensor, mask: Tensor) -> None:
        """Follow pixels; all (n, h, w). Classes that do not occur stay."""
        classes = len(self.mean)
        where = torch.where(mask, label, classes).flatten()
        sure = confidence.float().flatten()
        sums = torch.zeros(classes + 1, device=label.device).index_add_(0, where, sure)
        counts = torch.zeros_like(sums).index_add_(0, where, torch.ones_like(sure))
        mean = sums[:-1] / counts[:-1].clamp_min(1)
        self.mean.lerp_(torch.where(counts[:-1] > 0, mean, self.mean), 1 - MEMORY)

    def thresholds(self) -> Tensor:
        """Least confidence of a pseudo-label, by class, (classes,)."""
        return self.mean.clamp_max(self.most)


@dataclass(frozen=True)
class TeacherLabels:
    """A teacher labels what nobody labelled; the student learns it from harder views.

    The teacher sees slices with their intensities as they were, the student the same
    places augmented and mixed (Sohn et al. 2020; Yun et al. 2019). A pseudo-label
    counts where the teacher is surer than its class's threshold, and by how sure.

    Attributes
    ----------
    weight : float
    ramp : float
        Part of the stage over which it rises.
    most : float
        Highest threshold; 0 takes every pseudo-label, at full weight.
    evidence : float
        Labelled slices n at which pseudo-labels have earned half their weight, which
        is n^2 / (n^2 + evidence^2); 0: all of it at once.
    """

    weight: float = 1.0
    ramp: float = 0.0
    most: float = 0.95
    evidence: float = 0.0

    def term(self) -> Term:
        """Make the term."""
        return Term("pseudo-labels", self.loss, self.weight, self.head, self.ramp)

    def head(self, network: UNet) -> nn.Module:
        """Make the thresholds."""
        return ClassConfidence(network.classes, self.most)

    def loss(self, step: Step, thresholds: nn.Module | None) -> Tensor:
        """Dice and cross-entropy against confident pseudo-labels."""
        assert isinstance(thresholds, ClassConfidence)
        if step.own == len(step.image):
            return step.logits.sum() * 0.0
        label, weight = pseudo_labels(step, thresholds)
        earned = 1.0
        if self.evidence:
            earned = step.labelled**2 / (step.labelled**2 + self.evidence**2)
        return earned * dice_cross_entropy(step.logits[step.own :], label, weight)


def pseudo_labels(step: Step, thresholds: ClassConfidence) -> tuple[Tensor, Tensor]:
    """Labels and weights of the second stream by the teacher, (n - own, h, w) each.

    What is known weighs 0, and so does what comes from outside a slice.
    """
    rows = slice(step.own, None)
    confidence, label = step.taught(step.plain[rows]).max(dim=1)
    seen = step.seen[rows]
    thresholds.update(confidence, label, seen)
    weight = torch.ones_like(confidence)
    if thresholds.most:
        sure = confidence >= thresholds.thresholds()[label]
        weight = torch.where(sure, confidence, 0.0)
    return step.mixed(label), step.mixed(weight * seen) * (step.target[rows] < 0)


def inside(step: Step) -> Tensor:
    """Pixels that show some place of their slice, (n, h, w) bool."""
    if step.grid is None:
        return torch.ones_like(step.target, dtype=torch.bool)
    return step.grid[..., 0].abs() <= 1


def moved(values: Tensor, grid: Tensor | None) -> Tensor:
    """Move values (n, c, h, w) of slices as the slices themselves were moved."""
    if grid is None:
        return values
    return functional.grid_sample(values, grid.to(values.dtype), align_corners=True)


def transformed_teacher(weight: float, ramp: float) -> Term:
    """TCSM (Li et al. 2020): student(T(x)) like T(teacher(x)), by squared distance.

    Both streams take part. Their released mean-teacher script let no gradient through
    here (methods.md, section 6); this one does.
    """

    def loss(step: Step, _head: nn.Module | None) -> Tensor:
        guess = moved(step.taught(step.source), step.grid)
        return _squares(step.logits.float().softmax(dim=1), guess, inside(step))

    return Term("consistency", loss, weight, ramp=ramp)


def uncertainty_aware(weight: float, ramp: float) -> Term:
    """UA-MT (Yu et al. 2019): follow the teacher where eight noisy passes agree.

    The entropy of their mean must lie below a threshold that rises with training.
    """

    def loss(step: Step, _head: nn.Module | None) -> Tensor:
        rows = slice(step.own, None)
        plain = step.plain[rows]
        guess = step.taught(_noisy(plain))
        passes = (step.taught(_noisy(plain), dropout=True) for _ in range(PASSES))
        mean = torch.stack(list(passes)).mean(dim=0)
        entropy = -(mean * mean.clamp_min(LEAST).log()).sum(dim=1)
        height = 0.75 + 0.25 * ramp_up(step.fraction, ramp)
        most = height * math.log(mean.shape[1])
        sure = inside(step)[rows] & (entropy < most)
        return _squares(step.logits[rows].float().softmax(dim=1), guess, sure)

    return Term("consistency", loss, weight, ramp=ramp)


def _noisy(image: Tensor) -> Tensor:
    noise = torch.randn_like(image) * NOISE
    return image + noise.clamp(-NOISE_LIMIT, NOISE_LIMIT)


def _squares(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Mean squared distance of (n, c, h, w) where the mask (n, h, w) holds."""
    distance = (first - second).square().mean(dim=1)
    return (distance * mask).sum() / mask.sum().clamp_min(1)


def cross_pseudo_supervision(weight: float, ramp: float) -> Term:
    """CPS (Chen et al. 2021): two networks, each learns the other's labels.

    The head is the second network; predictions come from the first.
    """

    def head(network: UNet) -> nn.Module:
        return UNet(network.channels, network.classes, network.spec)

    def loss(step: Step, second: nn.Module | None) -> Tensor:
        assert isinstance(second, UNet)
        mine, theirs = step.logits, step.through(second, step.image).map("logits")
        own = slice(step.own)
        known = dice_cross_entropy(theirs[own], step.target[own], step.weight[own])
        return known + weight * ramp_up(step.fraction, ramp) * _crosswise(
            mine, theirs, inside(step)
        )

    return Term("cross pseudo supervision", loss, head=head)


def peer_decoders(weight: float = 1.0, *, dice: bool = True) -> Term:
    """IDEAL's cross-consistency: two decoders on one encoder teach each other.

    Cross-entropy of both on what is known, with `dice` soft Dice beside it, and of each
    against the other's hard labels elsewhere; no ramp is stated in the paper.
    """

    def loss(step: Step, _head: nn.Module | None) -> Tensor:
        own = slice(step.own)
        target, weights = step.target[own], step.weight[own]
        both = step.logits, step.map("peer")
        learnt = torch.zeros((), device=target.device)
        for logits in both:
            if dice:
                learnt = learnt + dice_cross_entropy(logits[own], target, weights)
            else:
                learnt = learnt + _entropy(logits[own], target, weights)
        first, second = (logits[step.own :] for logits in both)
        if not len(first):
            return learnt
        return learnt + weight * _crosswise(first, second, inside(step)[step.own :])

    return Term("two decoders", loss)


def _entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean cross-entropy, (n, classes, h, w) against (n, h, w), of what is known."""
    known = weight * (target >= 0)
    entropy = functional.cross_entropy(
        logits.float(), target.clamp_min(0), reduction="none"
    )
    return (entropy * known).sum() / known.sum().clamp_min(LEAST)


def _crosswise(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of each against the other's argmax, where the mask holds."""
    total = torch.zeros((), device=first.device)
    for student, teacher in ((first, second), (second, first)):
        label = teacher.detach().argmax(dim=1)
        entropy = functional.cross_entropy(student.float(), label, reduction="none")
        total = total + (entropy * mask).sum() / mask.sum().clamp_min(1)
    return total


class ScaleHeads(nn.Module):
    """A classifier on every decoder map but the last, which has its own."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        levels = [f"dec{i}" for i in range(1, len(network.decoder))]
        self.heads = nn.ModuleDict(
            {tap: nn.Conv2d(network.taps[tap], network.classes, 1) for tap in levels}
        )


def scale_consistency(weight: float, ramp: float) -> Term:
    """URPC (Luo et al. 2021): predictions of all scales agree with their mean.

    Squared distances are weighted by exp(-KL) of each scale to the mean, and the mean
    KL is added, so that disagreement is not merely ignored.
    """

    def loss(step: Step, head: nn.Module | None) -> Tensor:
        assert isinstance(head, ScaleHeads)
        size = step.image.shape[-2:]
        logits = [
            functional.interpolate(layer(step.map(tap)), size, mode="bilinear")
            for tap, layer in head.heads.items()
        ]
        logits.append(step.logits)
        own = slice(step.own)
        known = [
            dice_cross_entropy(one[own], step.target[own], step.weight[own])
            for one in logits
        ]
        scales = torch.stack([one[step.own :].float().softmax(dim=1) for one in logits])
        agree = _scales(scales, inside(step)[step.own :])
        return torch.stack(known).mean() + weight * ramp_up(step.fraction, ramp) * agree

    return Term("scale consistency", loss, head=ScaleHeads)


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
