"""The loss terms that recipes are put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from napari_contrastseg.learning.heads import (
    FixedGlobalHead,
    GlobalHead,
    PointwiseHead,
)
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

    from napari_contrastseg.learning.runner import Step
    from napari_contrastseg.learning.unet import UNet

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


def local_contrast(
    *,
    tap: str,
    temperature: float,
    sampling: Sampling,
    pairs: Pairs,
    stride: int = 4,
    block: int = 16,
    dim: int = 128,
    balanced: bool = True,
    negatives_per_anchor: float | None = None,
    relu: bool = True,
    literal_loss: bool = False,
) -> Term:
    """Supervised local contrast over pixels (Hu 2021, section 3.2).

    Parameters
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
    negatives_per_anchor : float, optional
        Keep at most this many background pixels for each foreground pixel
        (methods.md, section 7.4); None keeps all.
    literal_loss : bool
        Use eq. 2 as printed.
    """

    def head(network: UNet) -> nn.Module:
        return PointwiseHead(network.taps[tap], dim, relu=relu)

    def one(z: Tensor, labels: Tensor) -> Tensor:
        if literal_loss:
            return hu_literal(z, labels, labels > 0, temperature)
        return exact_contrast(
            z, labels, labels > 0, temperature=temperature, balanced=balanced
        )

    def by_label(step: Step, maps: Tensor, projection: nn.Module) -> Tensor:
        target = step.target
        if sampling == "stride":
            maps, target = (t[..., ::stride, ::stride] for t in (maps, target))
        size = block if sampling == "block" else max(target.shape[1:])
        losses = []
        for features, labels in _blocks(maps, target, size):
            if negatives_per_anchor is not None:
                kept = _thin_background(labels, negatives_per_anchor, step)
                features, labels = features[kept], labels[kept]
            if (labels > 0).any():
                losses.append(one(unit(project(projection, features)), labels))
        return torch.stack(losses).mean() if losses else maps.sum() * 0.0

    def by_place(maps: Tensor, projection: nn.Module) -> Tensor:
        sampled = maps[..., ::stride, ::stride].movedim(1, -1)
        first, second = (v.reshape(-1, v.shape[-1]) for v in sampled.chunk(2))
        return nt_xent(
            project(projection, first), project(projection, second), temperature
        )

    def loss(step: Step, projection: nn.Module | None) -> Tensor:
        assert projection is not None  # noqa: S101  the term brings its head
        maps = step.map(tap)
        if maps.shape[-2:] != step.target.shape[-2:]:
            maps = functional.interpolate(maps, step.target.shape[-2:])
        if pairs == "self":
            return by_place(maps, projection)
        return by_label(step, maps, projection)

    return Term("local contrast", loss, head=head)


def project(projection: nn.Module, rows: Tensor) -> Tensor:
    """Apply a pointwise head to pixels alone: (n, channels) to (n, dim)."""
    projected: Tensor = projection(rows.T[None, :, :, None])
    return projected[0, :, :, 0].T


def _blocks(
    maps: Tensor, target: Tensor, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (n, channels) and labels (n,) of the known pixels, block by block."""
    for rows in range(0, target.shape[1], size):
        for columns in range(0, target.shape[2], size):
            window = (..., slice(rows, rows + size), slice(columns, columns + size))
            known = target[window] >= 0
            yield maps[window].movedim(1, -1)[known], target[window][known]


def _thin_background(labels: Tensor, ratio: float, step: Step) -> Tensor:
    """Indices of all foreground pixels and of a random part of the background."""
    foreground = (labels > 0).nonzero().squeeze(1)
    background = (labels == 0).nonzero().squeeze(1)
    most = int(ratio * len(foreground))
    if len(background) > most:
        picks = step.rng.permutation(len(background))[:most]
        background = background[torch.from_numpy(picks).to(labels.device)]
    return torch.cat([foreground, background])
