"""2-D U-Net with named feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.networks.norm import InstanceBatchNorm, InstanceNorm
from napari_contrastseg.learning.networks.transformer import FrozenView

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from napari_contrastseg.learning.networks.spec import Group, NetworkSpec

GROUPS_PER_NORM = 8
#: Of a mean of two decoders, before its logarithm.
LEAST_PROBABILITY = 1e-7
#: Dropped from what a second decoder sees, so that the two do not agree blindly.
PEER_DROPOUT = 0.3


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "instance-batch":
        return InstanceBatchNorm(channels)
    if kind == "instance":
        return InstanceNorm(channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        return nn.GroupNorm(min(GROUPS_PER_NORM, channels), channels)
    return nn.Identity()


class ConvBlock(nn.Sequential):
    """Twice: 3x3 convolution, normalisation, leaky ReLU (of `slope` below zero)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: str,
        dropout: float = 0.0,
        slope: float = 0.01,
    ) -> None:
        bias = norm == "none"
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias),
            _norm(norm, outputs),
            nn.LeakyReLU(slope, inplace=True),
            nn.Dropout2d(dropout) if dropout else nn.Identity(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias),
            _norm(norm, outputs),
            nn.LeakyReLU(slope, inplace=True),
        )


class Gate(nn.Module):
    """Additive attention on a skip (Oktay et al. 2018, Attention U-Net, eq. 1-3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 2, 1)
        self.skip = nn.Conv2d(channels, inner, 1)
        self.signal = nn.Conv2d(channels, inner, 1)
        self.score = nn.Conv2d(inner, 1, 1)

    def forward(self, skip: Tensor, signal: Tensor) -> Tensor:
        """Weigh every place of the skip, 0 to 1; both have one shape."""
        both = torch.relu(self.skip(skip) + self.signal(signal))
        weighed: Tensor = skip * torch.sigmoid(self.score(both))
        return weighed


class UpBlock(nn.Module):
    """Double the resolution, join the skip, convolve."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: str,
        *,
        attention: bool = False,
        bilinear: bool = False,
    ) -> None:
        super().__init__()
        self.up: nn.Module = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        if bilinear:
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear"),
                nn.Conv2d(inputs, outputs, 1),
            )
        self.gate = Gate(outputs) if attention else None
        self.block = ConvBlock(2 * outputs, outputs, norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Shapes (n, inputs, h, w) and (n, outputs, 2h, 2w) to the latter."""
        up = self.up(x)
        if self.gate is not None:
            skip = self.gate(skip, up)
        joined: Tensor = self.block(torch.cat([up, skip], dim=1))
        return joined


class UNet(nn.Module):
    """U-Net after Ronneberger et al. 2015, with named taps.

    Taps are ``enc1`` .. (the encoder maps from fine to coarse), the last of which is
    ``bottleneck`` as well, and ``dec1`` .. ``decL`` (after each decoder block; ``decL``
    has the input's resolution).

    Parameters
    ----------
    channels : int
        Input channels: image channels times (2 x neighbours + 1).
    classes : int
        Output channels, background included.
    spec : NetworkSpec

    Examples
    --------
    >>> from napari_contrastseg.learning.networks.spec import NetworkSpec
    >>> net = UNet(1, 3, NetworkSpec(widths=(4, 8, 16)))
    >>> net(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(self, channels: int, classes: int, spec: NetworkSpec) -> None:
        super().__init__()
        widths = spec.widths
        self.encoder = nn.ModuleList(
            _residual_levels(channels, spec)
            if spec.residual
            else _levels(channels, spec)
        )
        seen = spec.transformer
        self.frozen = FrozenView(channels, widths[-1], seen) if seen else None
        self.decoder = _decoder(spec)
        self.classifier = nn.Conv2d(widths[0], classes, 1)
        self.peer = _Peer(spec, classes) if spec.peer else None
        self.spec = spec
        self.channels, self.classes = channels, classes
        self.taps: dict[str, int] = {"bottleneck": widths[-1]}
        for kind, several in (("enc", widths), ("dec", widths[-2::-1])):
            self.taps |= {f"{kind}{i}": w for i, w in enumerate(several, start=1)}

    @property
    def divisor(self) -> int:
        """Rows and columns of the input must be multiples of this."""
        return int(2 ** (len(self.spec.widths) - 1))

    def encode(self, x: Tensor) -> list[Tensor]:
        """Return the encoder maps from fine to coarse, the bottleneck last."""
        image, pyramid = x, [self.encoder[0](x)]
        if not self.spec.residual:
            x = pyramid[0]  # a ResNet sees the image itself
        for block in self.encoder[1:]:
            x = block(x)
            pyramid.append(x)
        if self.frozen is not None:
            pyramid[-1] = self.frozen(x, image)
        return pyramid

    def decode(
        self, pyramid: Sequence[Tensor], blocks: int | None = None
    ) -> list[Tensor]:
        """Return the maps ``dec1`` .. of the first `blocks` blocks (all by default)."""
        return _decoded(list(self.decoder)[:blocks], pyramid)

    def peer_logits(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Class logits of the second decoder; its bottleneck is dropped out in part."""
        assert self.peer is not None
        logits: Tensor = self.peer(pyramid)
        return logits

    def tap(self, x: Tensor, name: str) -> Tensor:
        """Return the map called `name`, for images of shape (n, channels, h, w)."""
        pyramid = self.encode(x)
        if name == "bottleneck":
            return pyramid[-1]
        number = int(name[3:])
        if name.startswith("enc"):
            return pyramid[number - 1]
        return self.decode(pyramid, number)[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Class logits, shape (n, classes, h, w)."""
        pyramid = self.encode(x)
        logits: Tensor = self.classifier(self.decode(pyramid)[-1])
        if self.peer is not None:
            both = logits.softmax(dim=1) + self.peer_logits(pyramid).softmax(dim=1)
            logits = (both / 2).clamp_min(LEAST_PROBABILITY).log()
        return logits

    def set_trainable(self, groups: Sequence[Group]) -> list[nn.Parameter]:
        """Make only these groups trainable; frozen ones keep their norms' statistics.

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
        if self.peer is not None:
            self.peer.requires_grad_("decoder" in groups).train("decoder" in groups)
        if self.frozen is not None:
            self.frozen.requires_grad_(requires_grad=False)
            self.frozen.join.requires_grad_("encoder" in groups)
        return [p for p in self.parameters() if p.requires_grad]


class _Peer(nn.Module):
    """A second decoder with its classifier."""

    def __init__(self, spec: NetworkSpec, classes: int) -> None:
        super().__init__()
        self.decoder = _decoder(spec, bilinear=True)
        self.classifier = nn.Conv2d(spec.widths[0], classes, 1)
        self.dropout = nn.Dropout2d(PEER_DROPOUT)

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Class logits from encoder maps."""
        seen = [*pyramid[:-1], self.dropout(pyramid[-1])]
        logits: Tensor = self.classifier(_decoded(self.decoder, seen)[-1])
        return logits


def _levels(channels: int, spec: NetworkSpec) -> Iterator[nn.Module]:
    """Make encoder levels, each after the first at half the resolution."""
    entries = [channels, *spec.widths[:-1]]
    last = len(entries) - 1
    for level, (inputs, outputs) in enumerate(zip(entries, spec.widths, strict=True)):
        dropout = spec.dropout if level == last else 0.0
        if level == last and spec.centre == "plain":
            block = ConvBlock(inputs, outputs, "none", dropout, slope=0.0)
        else:
            block = ConvBlock(inputs, outputs, spec.norm, dropout)
        yield Halved(*block) if level else block


class Halved(nn.Sequential):
    """Layers that see the maximum of every 2 x 2 pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """Shapes (n, c, 2h, 2w) to (n, d, h, w)."""
        x = functional.max_pool2d(x, 2)
        for layer in self:
            x = layer(x)
        return x


def _residual_levels(channels: int, spec: NetworkSpec) -> Iterator[nn.Module]:
    """Make a level at full resolution, and MONAI's ResNet in five beside it."""
    from monai.networks.nets import resnet  # noqa: PLC0415  seconds to load

    yield ConvBlock(channels, spec.widths[0], spec.norm)
    net = getattr(resnet, spec.encoder)(
        spatial_dims=2,
        n_input_channels=channels,
        conv1_t_stride=2,
        feed_forward=False,
        bias_downsample=False,
    )
    yield nn.Sequential(net.conv1, net.bn1, net.act)
    yield nn.Sequential(net.maxpool, net.layer1)
    yield from (net.layer2, net.layer3, net.layer4)


def _decoder(spec: NetworkSpec, *, bilinear: bool = False) -> nn.ModuleList:
    widths = spec.widths
    return nn.ModuleList(
        UpBlock(
            deep,
            shallow,
            spec.decoder_norm,
            attention=spec.attention,
            bilinear=bilinear,
        )
        for deep, shallow in zip(widths[:0:-1], widths[-2::-1], strict=True)
    )


def _decoded(blocks: Iterable[nn.Module], pyramid: Sequence[Tensor]) -> list[Tensor]:
    maps = []
    x = pyramid[-1]
    for block, skip in zip(blocks, list(pyramid)[-2::-1], strict=False):
        x = block(x, skip)
        maps.append(x)
    return maps


def reinitialise(network: UNet) -> None:
    """Reset all of a network's weights to new random ones, but frozen ones."""
    kept = [] if network.frozen is None else network.frozen.transformer.modules()
    frozen = set(kept)
    for module in network.modules():
        if module in frozen:
            continue
        renewed: Any = getattr(module, "reset_parameters", None)
        if renewed is not None:
            renewed()
