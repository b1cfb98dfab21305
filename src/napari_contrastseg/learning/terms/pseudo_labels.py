"""Pseudo-labels: a teacher's confident predictions teach the student."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.learning.losses.segmentation import dice_cross_entropy
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: How slowly the confidence of a class follows, a step.
MEMORY = 0.99


class ClassConfidence(nn.Module):
    """Running mean confidence of each class: thresholds that follow the training.

    A class that is still uncertain gets a lower threshold, as in FreeMatch (Wang et al.
    2023, eq. 5-8), and never one above `most`.
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


class TeacherLabels(StepLoss):
    """A teacher labels unlabelled slices; the student learns them from harder views.

    The teacher sees slices with their intensities as they were, the student the same
    places augmented and mixed (Sohn et al. 2020; Yun et al. 2019). A pseudo-label
    counts where the teacher is surer than its class's threshold, and by how sure.

    Parameters
    ----------
    network : UNet
    most : float
        Highest threshold; 0 takes every pseudo-label, at full weight.
    half_weight_at : float
        Labelled slices m at which pseudo-labels have half their weight: from n slices
        it is n^2 / (n^2 + m^2); 0: full weight at once.
    """

    head: ClassConfidence

    def __init__(
        self, network: UNet, *, most: float = 0.95, half_weight_at: float = 0.0
    ) -> None:
        super().__init__(network)
        self.half_weight_at = half_weight_at
        self.head = ClassConfidence(network.classes, most)

    def forward(self, step: Step) -> Tensor:
        """Dice and cross-entropy against confident pseudo-labels."""
        if step.own == len(step.image):
            return step.logits.sum() * 0.0
        label, weight = pseudo_labels(step, self.head)
        earned = 1.0
        if self.half_weight_at:
            n, m = step.labelled_slices, self.half_weight_at
            earned = n**2 / (n**2 + m**2)
        return earned * dice_cross_entropy(step.logits[step.own :], label, weight)


def pseudo_labels(step: Step, thresholds: ClassConfidence) -> tuple[Tensor, Tensor]:
    """Labels and weights of the unlabelled slices by the teacher, (n - own, h, w) each.

    Labelled pixels weigh 0, and so do those from outside a slice.
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
