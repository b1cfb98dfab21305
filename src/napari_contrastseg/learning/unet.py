"""A 2-D U-Net whose inner maps can be addressed by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.norm import InstanceBatchNorm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.learning.stage import Group, NetworkSpec

GROUPS_PER_NORM = 8


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "instance-batch":
        return InstanceBatchNorm(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    if kind == "group":
        return nn.GroupNorm(min(GROUPS_PER_NORM, channels), channels)
    return nn.Identity()


class ConvBlock(nn.Sequential):
    """Twice: 3x3 convolution, normalisation, leaky ReLU."""

    def __init__(
        self, inputs: int, outputs: int, norm: str, dropout: float = 0.0
    ) -> None:
        bias = norm == "none"
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias),
            _norm(norm, outputs),
            nn.LeakyReLU(0.01, inplace=True),
            nn.Dropout2d(dropout) if dropout else nn.Identity(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias),
            _norm(norm, outputs),
            nn.LeakyReLU(0.01, inplace=True),
        )


class UpBlock(nn.Module):
    """Double the resolution, join the skip, convolve."""

    def __init__(self, inputs: int, outputs: int, norm: str) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.block = ConvBlock(2 * outputs, outputs, norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Shapes (n, inputs, h, w) and (n, outputs, 2h, 2w) to the latter."""
        joined: Tensor = self.block(torch.cat([self.up(x), skip], dim=1))
        return joined


class UNet(nn.Module):
    """U-Net after Ronneberger et al. 2015, with named taps.

    Taps are ``bottleneck`` (the coarsest encoder map) and ``dec1`` .. ``decL`` (after
    each decoder block; ``decL`` has the input's resolution).

    Parameters
    ----------
    channels : int
        Input channels: image channels times (2 x neighbours + 1).
    classes : int
        Output channels, background included.
    spec : NetworkSpec

    Examples
    --------
    >>> from napari_contrastseg.learning.stage import NetworkSpec
    >>> net = UNet(1, 3, NetworkSpec(widths=(4, 8, 16)))
    >>> net(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(self, channels: int, classes: int, spec: NetworkSpec) -> None:
        super().__init__()
        widths = spec.widths
        entries = [channels, *widths[:-1]]
        last = len(widths) - 1
        self.encoder = nn.ModuleList(
            ConvBlock(
                inputs, outputs, spec.norm, spec.dropout if level == last else 0.0
            )
            for level, (inputs, outputs) in enumerate(zip(entries, widths, strict=True))
        )
        self.decoder = nn.ModuleList(
            UpBlock(deep, shallow, spec.decoder_norm)
            for deep, shallow in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.classifier = nn.Conv2d(widths[0], classes, 1)
        self.spec = spec
        self.channels = channels
        self.taps: dict[str, int] = {"bottleneck": widths[-1]} | {
            f"dec{level}": width for level, width in enumerate(widths[-2::-1], start=1)
        }

    @property
    def divisor(self) -> int:
        """Rows and columns of the input must be multiples of this."""
        return int(2 ** (len(self.spec.widths) - 1))

    def encode(self, x: Tensor) -> list[Tensor]:
        """Return the encoder maps from fine to coarse, the bottleneck last."""
        pyramid = []
        for level, block in enumerate(self.encoder):
            x = block(functional.max_pool2d(x, 2) if level else x)
            pyramid.append(x)
        return pyramid

    def decode(
        self, pyramid: Sequence[Tensor], blocks: int | None = None
    ) -> list[Tensor]:
        """Return the maps ``dec1`` .. of the first `blocks` blocks (all by default)."""
        maps = []
        x = pyramid[-1]
        for block, skip in zip(
            list(self.decoder)[:blocks], list(pyramid)[-2::-1], strict=False
        ):
            x = block(x, skip)
            maps.append(x)
        return maps

    def tap(self, x: Tensor, name: str) -> Tensor:
        """Return the map called `name`, for images of shape (n, channels, h, w)."""
        pyramid = self.encode(x)
        if name == "bottleneck":
            return pyramid[-1]
        return self.decode(pyramid, int(name.removeprefix("dec")))[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Class logits, shape (n, classes, h, w)."""
        logits: Tensor = self.classifier(self.decode(self.encode(x))[-1])
        return logits

    def set_trainable(self, groups: Sequence[Group]) -> list[nn.Parameter]:
        """Let only these groups train; frozen ones also keep their norms still.

        Returns the parameters that train.
        """
        parts: dict[str, nn.Module] = {
            "encoder": self.encoder,
            "decoder": self.decoder,
            "classifier": self.classifier,
        }
        for name, part in parts.items():
            part.requires_grad_(name in groups)
            part.train(name in groups)
        return [p for p in self.parameters() if p.requires_grad]
