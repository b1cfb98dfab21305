"""The loss terms that recipes are put together from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.heads import (
    FixedGlobalHead,
    GlobalHead,
    PointwiseHead,
)
from napari_contrastseg.learning.labels import UNKNOWN
from napari_contrastseg.learning.losses.contrast import (
    exact_contrast,
    hu_literal,
    nt_xent,
    unit,
)
from napari_contrastseg.learning.losses.segmentation import dice_cross_entropy
from napari_contrastseg.learning.stage import Term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from napari_contrastseg.learning.step import Step
    from napari_contrastseg.learning.unet import UNet

#: Places compared at once where positives are the same place: the contrast is dense.
MOST_PLACES = 2048

Sampling = Literal["stride", "block", "exact"]
Pairs = Literal["label", "self"]


def supervised(weight: float = 1.0) -> Term:
    """Cross-entropy plus soft Dice on what is known."""

    def loss(step: Step, _head: nn.Module | None) -> Tensor:
        return dice_cross_entropy(step.logits, step.target, step.weight)

    return Term("dice + cross-entropy", loss, weight)


def global_contrast(
    *, temperature: float, dim: int = 128, trained_head: bool = True
) -> Term:
    """NT-Xent between two views of each slice at the bottleneck (Hu 2021, eq. 1)."""

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
    foreground_limit : int
        Most foreground pixels in one contrast, drawn at random in equal numbers of
        each class; 0 for no limit.
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
    foreground_limit: int = 0
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
        target = _drawn(step)
        if self.sampling == "stride":
            every = (
                ...,
                slice(None, None, self.stride),
                slice(None, None, self.stride),
            )
            maps, target = maps[every], target[every]
        size = self.block if self.sampling == "block" else max(target.shape[1:])
        losses = [
            self._one(unit(project(projection, features)), labels)
            for features, labels in self._thinned(maps, target, size, step)
            if bool((labels > 0).any())
        ]
        return torch.stack(losses).mean() if losses else maps.sum() * 0.0

    def _by_place(self, step: Step, maps: Tensor, projection: nn.Module) -> Tensor:
        sampled = maps[..., :: self.stride, :: self.stride].movedim(1, -1)
        views = [view.reshape(-1, view.shape[-1]) for view in sampled.chunk(2)]
        count = len(views[0])
        if count > MOST_PLACES:
            picks = step.rng.permutation(count)[:MOST_PLACES]
            chosen = torch.from_numpy(picks).to(maps.device)
            views = [view[chosen] for view in views]
        first, second = (project(projection, view) for view in views)
        return nt_xent(first, second, self.temperature)

    def _one(self, z: Tensor, labels: Tensor) -> Tensor:
        anchors = labels > 0
        if self.literal_loss:
            return hu_literal(z, labels, anchors, self.temperature)
        return exact_contrast(
            z, labels, anchors, temperature=self.temperature, balanced=self.balanced
        )

    def _thinned(
        self, maps: Tensor, target: Tensor, size: int, step: Step
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Features (n, channels) and labels (n,) of the known pixels of each block."""
        for rows in range(0, target.shape[1], size):
            for columns in range(0, target.shape[2], size):
                window = (
                    ...,
                    slice(rows, rows + size),
                    slice(columns, columns + size),
                )
                known = target[window] >= 0
                features = maps[window].movedim(1, -1)[known]
                labels = target[window][known]
                if self.foreground_limit:
                    kept = _thin_foreground(labels, self.foreground_limit, step)
                    features, labels = features[kept], labels[kept]
                if self.negatives_per_anchor is not None:
                    kept = _thin_background(labels, self.negatives_per_anchor, step)
                    features, labels = features[kept], labels[kept]
                yield features, labels


def _drawn(step: Step) -> Tensor:
    """Targets of a step in which each voxel stays with a probability: its weight.

    So pseudo-labels take part as far as they have earned it; truth always does.
    """
    partial = (step.weight > 0) & (step.weight < 1)
    if not bool(partial.any()):
        return step.target.masked_fill(step.weight <= 0, UNKNOWN)
    chance = torch.from_numpy(step.rng.random(step.target.shape, np.float32))
    kept = chance.to(step.weight.device) < step.weight
    return step.target.masked_fill(~kept, UNKNOWN)


def project(projection: nn.Module, rows: Tensor) -> Tensor:
    """Apply a pointwise head to pixels alone: (n, channels) to (n, dim)."""
    projected: Tensor = projection(rows.T[None, :, :, None])
    return projected[0, :, :, 0].T


def _thin_foreground(labels: Tensor, limit: int, step: Step) -> Tensor:
    """Choose all background pixels and at most `limit` of the foreground.

    Classes share the limit evenly; what a small class leaves over goes unused.
    """
    if int((labels > 0).sum()) <= limit:
        return torch.arange(len(labels), device=labels.device)
    kinds = labels[labels > 0].unique()
    kept = [(labels == 0).nonzero().squeeze(1)]
    for kind in kinds:
        places = (labels == kind).nonzero().squeeze(1)
        picks = step.rng.permutation(len(places))[: limit // len(kinds)]
        kept.append(places[torch.from_numpy(picks).to(labels.device)])
    return torch.cat(kept)


def _thin_background(labels: Tensor, ratio: float, step: Step) -> Tensor:
    """Choose all foreground pixels and a random part of the background."""
    foreground = (labels > 0).nonzero().squeeze(1)
    background = (labels == 0).nonzero().squeeze(1)
    most = int(ratio * len(foreground))
    if len(background) > most:
        picks = step.rng.permutation(len(background))[:most]
        background = background[torch.from_numpy(picks).to(labels.device)]
    return torch.cat([foreground, background])
