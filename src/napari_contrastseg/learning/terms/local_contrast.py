"""Local contrast between pixels, with labels or without (Hu et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.learning.losses.contrast import contrast, nt_xent, unit
from napari_contrastseg.learning.losses.dense import hu_literal
from napari_contrastseg.learning.losses.pairs import SameLabel
from napari_contrastseg.learning.networks.heads import PointwiseHead
from napari_contrastseg.learning.runtime.device import is_asynchronous
from napari_contrastseg.learning.terms.pixel_sampling import blocks, subsample
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: Foreground pixels in one contrast where a CPU works it out.
FOREGROUND_ON_CPU = 4096

Sampling = Literal["stride", "block", "exact"]


class LocalContrast(StepLoss):
    """Supervised contrast over pixels: positives share the class (Hu 2021, eq. 2).

    Parameters
    ----------
    network : UNet
    tap : str
        Decoder map whose pixels are compared, ``dec4`` for instance.
    temperature : float
    sampling : {"stride", "block", "exact"}
        Every `stride`-th row and column; non-overlapping blocks, one loss a block
        position; or every pixel at full resolution.
    dim : int
        Length of the projected vectors.
    balanced : bool
        Average anchors within each class first.
    negatives_per_anchor : float or None
        Keep at most this many background pixels for each foreground pixel; None keeps
        all.
    foreground_limit : int or None
        Most foreground pixels in one contrast, drawn at random in equal numbers of
        each class; 0 for no limit. None: `FOREGROUND_ON_CPU` there, no limit on a GPU.
    relu : bool
        Whether the head has a non-linearity.
    literal_loss : bool
        Use eq. 2 and 3 as printed.
    """

    def __init__(  # noqa: PLR0913  one keyword an option
        self,
        network: UNet,
        *,
        tap: str,
        temperature: float,
        sampling: Sampling,
        stride: int = 4,
        block: int = 16,
        dim: int = 128,
        balanced: bool = True,
        negatives_per_anchor: float | None = None,
        foreground_limit: int | None = None,
        relu: bool = True,
        literal_loss: bool = False,
    ) -> None:
        super().__init__(network)
        self.tap, self.temperature, self.sampling = tap, temperature, sampling
        self.stride, self.block, self.balanced = stride, block, balanced
        self.negatives_per_anchor = negatives_per_anchor
        self.foreground_limit, self.literal_loss = foreground_limit, literal_loss
        self.head = PointwiseHead(network.taps[tap], dim, relu=relu)

    def forward(self, step: Step) -> Tensor:
        """Contrast the pixels of a step's maps."""
        maps, target, weight = full_size(step, self.tap), step.target, step.weight
        if self.sampling == "stride":
            rows = columns = slice(None, None, self.stride)
            maps = maps[..., rows, columns]
            target, weight = target[:, rows, columns], weight[:, rows, columns]
        size = self.block if self.sampling == "block" else max(target.shape[1:])
        n, h, w = target.shape
        segments = blocks((n, h, w), size, target.device).flatten()
        labels = subsample(
            target.masked_fill(weight <= 0, UNKNOWN).flatten(),
            segments,
            limit=limit_on(maps.device, self.foreground_limit),
            ratio=self.negatives_per_anchor,
        )
        pixels, weights = maps.movedim(1, -1).flatten(0, 2), weight.flatten()
        images = torch.arange(n, device=maps.device).repeat_interleave(h * w)
        if not is_asynchronous(maps.device):
            kept = (labels >= 0).nonzero().squeeze(1)
            pixels, weights = pixels[kept], weights[kept]
            labels, segments = labels[kept], segments[kept]
            images = images[kept]
            if not bool((labels > 0).any()):
                return maps.sum() * 0.0
        features = project(self.head, pixels)
        if self.literal_loss:
            return _literally(features, labels, segments, images, self.temperature)
        rule = SameLabel(labels, labels > 0, weights, segments, balanced=self.balanced)
        return contrast(features, rule, temperature=self.temperature, ranks=step.ranks)


class PlaceContrast(StepLoss):
    """Local contrast without labels: a pixel attracts its place in the other view.

    The self-supervised baseline of Hu et al. 2021, section 3.2. Views differ in
    intensity alone.

    Parameters
    ----------
    network : UNet
    tap : str
        Decoder map whose pixels are compared.
    temperature : float
    stride : int
        Every `stride`-th row and column takes part.
    dim : int
        Length of the projected vectors.
    foreground_limit : int or None
        Most pixels in one contrast, as in `LocalContrast`.
    relu : bool
        Whether the head has a non-linearity.
    """

    def __init__(
        self,
        network: UNet,
        *,
        tap: str,
        temperature: float,
        stride: int = 4,
        dim: int = 128,
        foreground_limit: int | None = None,
        relu: bool = True,
    ) -> None:
        super().__init__(network)
        self.tap, self.temperature, self.stride = tap, temperature, stride
        self.foreground_limit = foreground_limit
        self.head = PointwiseHead(network.taps[tap], dim, relu=relu)

    def forward(self, step: Step) -> Tensor:
        """Contrast the two copies of the step's slices, place by place."""
        maps = full_size(step, self.tap)
        sampled = maps[..., :: self.stride, :: self.stride].movedim(1, -1)
        views = [view.flatten(0, 2) for view in sampled.chunk(2)]
        most = limit_on(maps.device, self.foreground_limit) // 2
        if most and len(views[0]) > most:
            picks = torch.randperm(len(views[0]), device=maps.device)[:most]
            views = [view[picks] for view in views]
        first, second = (project(self.head, view) for view in views)
        return nt_xent(first, second, self.temperature, ranks=step.ranks)


def full_size(step: Step, tap: str) -> Tensor:
    """Return a map of the step at the size of its slices."""
    maps = step.map(tap)
    if maps.shape[-2:] != step.target.shape[-2:]:
        maps = functional.interpolate(maps, step.target.shape[-2:])
    return maps


def limit_on(device: torch.device, limit: int | None) -> int:
    """Most pixels of a contrast on a device; 0: no limit."""
    if limit is not None:
        return limit
    return FOREGROUND_ON_CPU if device.type == "cpu" else 0


def project(head: nn.Module, rows: Tensor) -> Tensor:
    """Apply a pointwise head to pixels alone: (n, channels) to (n, dim)."""
    projected: Tensor = head(rows.T[None, :, :, None])
    return projected[0, :, :, 0].T


def _literally(
    features: Tensor,
    labels: Tensor,
    segments: Tensor,
    images: Tensor,
    temperature: float,
) -> Tensor:
    """Eq. 2 and 3 as printed, block by block."""
    losses = []
    for segment in segments.unique():
        inside = (segments == segment) & (labels >= 0)
        if bool((labels[inside] > 0).any()):
            own, where = labels[inside], images[inside]
            z = unit(features[inside])
            losses.append(hu_literal(z, own, own > 0, temperature, where))
    return torch.stack(losses).mean() if losses else features.sum() * 0.0
