"""The loss terms that recipes are put together from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.learning.losses.contrast import contrast, nt_xent, unit
from napari_contrastseg.learning.losses.dense import hu_literal
from napari_contrastseg.learning.losses.pairs import SameLabel
from napari_contrastseg.learning.losses.segmentation import (
    dice_cross_entropy,
    dice_loss,
)
from napari_contrastseg.learning.networks.heads import (
    FixedGlobalHead,
    GlobalHead,
    PointwiseHead,
)
from napari_contrastseg.learning.runtime.device import is_asynchronous
from napari_contrastseg.learning.terms.pixel_sampling import blocks, subsample
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: Foreground pixels in one contrast where a CPU works it out.
FOREGROUND_ON_CPU = 4096

Sampling = Literal["stride", "block", "exact"]
Pairs = Literal["label", "self"]


def supervised(weight: float = 1.0, *, entropy: bool = True) -> Term:
    """Soft Dice on what is known, plus cross-entropy.

    Without `entropy`, soft Dice alone with the background as a class (Chaitanya et al.
    2020).
    """

    def loss(step: Step, _head: nn.Module | None) -> Tensor:
        own = slice(step.own)
        known = step.logits[own], step.target[own], step.weight[own]
        return dice_cross_entropy(*known) if entropy else dice_loss(*known)

    return Term("dice + cross-entropy" if entropy else "dice", loss, weight)


def mix_up(weight: float = 1.0) -> Term:
    """Mix pairs of slices, and their losses (Zhang et al. 2018), Beta(1, 1) as in HU.

    Labels are not mixed: the loss is that of both truths, in the same parts.
    """

    def loss(step: Step, _head: nn.Module | None) -> Tensor:
        part = float(step.rng.beta(1.0, 1.0))
        other = torch.randperm(len(step.image), device=step.image.device)
        mixed = part * step.image + (1 - part) * step.image[other]
        logits = step.through(step.network, mixed).map("logits")
        mine = dice_cross_entropy(logits, step.target, step.weight)
        theirs = dice_cross_entropy(logits, step.target[other], step.weight[other])
        return part * mine + (1 - part) * theirs

    return Term("mixup", loss, weight)


def global_contrast(
    *, temperature: float, dim: int = 128, trained_head: bool = True
) -> Term:
    """NT-Xent between two views of each slice at the bottleneck (Hu 2021, eq. 1).

    SimCLR (Chen et al. 2020), and Chaitanya et al.'s GR.
    """

    def head(network: UNet) -> nn.Module:
        kind = GlobalHead if trained_head else FixedGlobalHead
        return kind(network.taps["bottleneck"], dim)

    def loss(step: Step, projection: nn.Module | None) -> Tensor:
        assert projection is not None
        first, second = projection(step.map("bottleneck")).chunk(2)
        return nt_xent(first, second, temperature)

    return Term("global contrast", loss, head=head)


@dataclass(frozen=True)
class LocalContrast:
    """Supervised local contrast over pixels (Hu 2021, section 3.2).

    Attributes
    ----------
    tap : str
        Decoder map whose pixels are compared, ``dec4`` for instance.
    sampling : {"stride", "block", "exact"}
        Every `stride`-th row and column; non-overlapping blocks, one loss a block
        position; or every pixel at full resolution.
    pairs : {"label", "self"}
        Positives share the class; or are the same place in the other view.
    balanced : bool
        Average anchors within each class first.
    negatives_per_anchor : float or None
        Keep at most this many background pixels for each foreground pixel
        (methods.md, section 7.4); None keeps all.
    foreground_limit : int or None
        Most foreground pixels in one contrast, drawn at random in equal numbers of
        each class; 0 for no limit. None: `FOREGROUND_ON_CPU` there, no limit on a GPU.
    relu : bool
        Whether the head has a non-linearity.
    literal_loss : bool
        Use eq. 2 as printed.
    """

    tap: str
    temperature: float
    sampling: Sampling
    pairs: Pairs
    stride: int = 4
    block: int = 16
    dim: int = 128
    balanced: bool = True
    negatives_per_anchor: float | None = None
    foreground_limit: int | None = None
    relu: bool = True
    literal_loss: bool = False

    def term(self, weight: float = 1.0) -> Term:
        """Make the term with its head."""
        return Term("local contrast", self.loss, weight, self.head)

    def head(self, network: UNet) -> nn.Module:
        """Make the pointwise projection head."""
        return PointwiseHead(network.taps[self.tap], self.dim, relu=self.relu)

    def loss(self, step: Step, projection: nn.Module | None) -> Tensor:
        """Contrast the pixels of a step's maps."""
        assert projection is not None
        maps = step.map(self.tap)
        if maps.shape[-2:] != step.target.shape[-2:]:
            maps = functional.interpolate(maps, step.target.shape[-2:])
        if self.pairs == "self":
            return self._by_place(step, maps, projection)
        return self._by_label(step, maps, projection)

    def _by_label(self, step: Step, maps: Tensor, projection: nn.Module) -> Tensor:
        target, weight = step.target, step.weight
        if self.sampling == "stride":
            every = (
                ...,
                slice(None, None, self.stride),
                slice(None, None, self.stride),
            )
            maps, target, weight = maps[every], target[every], weight[every]
        size = self.block if self.sampling == "block" else max(target.shape[1:])
        n, h, w = target.shape
        segments = blocks((n, h, w), size, target.device).flatten()
        labels = subsample(
            target.masked_fill(weight <= 0, UNKNOWN).flatten(),
            segments,
            limit=self._limit(maps.device),
            ratio=self.negatives_per_anchor,
        )
        rows, weights = maps.movedim(1, -1).flatten(0, 2), weight.flatten()
        if not is_asynchronous(maps.device):
            kept = (labels >= 0).nonzero().squeeze(1)
            rows, weights = rows[kept], weights[kept]
            labels, segments = labels[kept], segments[kept]
            if not bool((labels > 0).any()):
                return maps.sum() * 0.0
        features = project(projection, rows)
        if self.literal_loss:
            return _literally(features, labels, segments, self.temperature)
        rule = SameLabel(labels, labels > 0, weights, segments, balanced=self.balanced)
        return contrast(features, rule, temperature=self.temperature)

    def _by_place(self, step: Step, maps: Tensor, projection: nn.Module) -> Tensor:
        sampled = maps[..., :: self.stride, :: self.stride].movedim(1, -1)
        views = [view.flatten(0, 2) for view in sampled.chunk(2)]
        most = self._limit(maps.device) // 2
        if most and len(views[0]) > most:
            picks = torch.randperm(len(views[0]), device=maps.device)[:most]
            views = [view[picks] for view in views]
        first, second = (project(projection, view) for view in views)
        return nt_xent(first, second, self.temperature)

    def _limit(self, device: torch.device) -> int:
        if self.foreground_limit is not None:
            return self.foreground_limit
        return FOREGROUND_ON_CPU if device.type == "cpu" else 0


def _literally(
    features: Tensor, labels: Tensor, segments: Tensor, temperature: float
) -> Tensor:
    """Eq. 2 as printed, block by block."""
    losses = []
    for segment in segments.unique():
        inside = (segments == segment) & (labels >= 0)
        if bool((labels[inside] > 0).any()):
            own = labels[inside]
            losses.append(hu_literal(unit(features[inside]), own, own > 0, temperature))
    return torch.stack(losses).mean() if losses else features.sum() * 0.0


def project(projection: nn.Module, rows: Tensor) -> Tensor:
    """Apply a pointwise head to pixels alone: (n, channels) to (n, dim)."""
    projected: Tensor = projection(rows.T[None, :, :, None])
    return projected[0, :, :, 0].T
