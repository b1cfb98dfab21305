"""Instance normalisation by tiles: a whole slice's statistics, gathered and then fixed.

Instance norms and group norms go by a slice's own mean and variance; a tile's are
others. `TileNetwork` copies a network with norms whose statistics are those of the
whole slice. What a norm sees depends on the norms before it, so that they are found
step by step:

1. `settle`: a few crops of the slice pass through the network together, and each norm
   takes the statistics that it sees then.
2. `look` at every tile: what do the norms see of the whole slice with these?
3. `settle` again: the crops show, norm by norm, how far the statistics of the later
   ones move when those of the earlier ones are put right.

Each round of 2 and 3 leaves about a tenth of the error (a norm at a time would take as
many looks as there are norms).
"""

from __future__ import annotations

import copy
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.learning.networks.norm import InstanceBatchNorm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.learning.networks.unet import UNet

    #: Part of a tile that is counted: top, bottom, left and right of its sides, 0 to 1.
    Core = tuple[float, float, float, float]


@dataclass(frozen=True)
class Moments:
    """Mean and variance of values of several groups, and how many there were.

    Attributes
    ----------
    count : int
    mean, variance : (groups,) float64
    """

    count: int
    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Moments:
        """Moments of values of shape (n, groups, m)."""
        values = values.transpose(0, 1).flatten(1)
        variance, mean = torch.var_mean(values, dim=1, correction=0)
        return cls(values.shape[1], mean.double(), variance.double())

    def joined(self, other: Moments) -> Moments:
        """Moments of both; nothing cancels (Chan et al. 1983, eq. 2.1)."""
        count = self.count + other.count
        mine, theirs = self.count / count, other.count / count
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + theirs * apart,
            mine * self.variance + theirs * other.variance + mine * theirs * apart**2,
        )


class FixedNorm(nn.Module):
    """A norm by statistics that are given, in place of a slice's own.

    Parameters
    ----------
    norm : InstanceBatchNorm, nn.InstanceNorm2d or nn.GroupNorm
    """

    def __init__(
        self, norm: InstanceBatchNorm | nn.InstanceNorm2d | nn.GroupNorm
    ) -> None:
        super().__init__()
        own: nn.InstanceNorm2d | nn.GroupNorm
        self._steady: tuple[Tensor, Tensor] | None = None
        if isinstance(norm, InstanceBatchNorm):
            own, self._steady = norm.instance, _affine_of(norm.batch)
        else:
            own = norm
        if isinstance(own, nn.GroupNorm):
            self._channels, self._groups = own.num_channels, own.num_groups
        else:
            self._channels = self._groups = own.num_features
        self._eps = own.eps
        self._weight, self._bias = own.weight.detach(), own.bias.detach()
        self._known: Moments | None = None
        self._crops: Moments | None = None
        self._seen: Moments | None = None
        self._core: Core | None = None
        self._settles = False

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Take what is seen of the next images, which are crops of the slice."""
        self._settles = True
        try:
            yield
        finally:
            self._settles, self._seen = False, None

    @contextmanager
    def counting(self, core: Core) -> Iterator[None]:
        """Count what is seen in a part of the next images, which are tiles."""
        self._core, before = core, self._seen
        try:
            yield
        except BaseException:
            self._seen = before
            raise
        finally:
            self._core = None

    def forget(self) -> None:
        """Know nothing, as of a slice that was not seen."""
        self._known = None

    def count(self, x: Tensor) -> None:
        """Add a part of the slice to what is known of it, (n, c, h, w)."""
        found = Moments.of(self._grouped(x))
        self._known = found if self._known is None else self._known.joined(found)

    def change(self) -> float:
        """By how much what was counted differs from what is known, in deviations."""
        assert self._seen is not None
        assert self._known is not None
        deviation, before = (
            (of.variance + self._eps).sqrt() for of in (self._seen, self._known)
        )
        apart = (self._seen.mean - self._known.mean).abs() / deviation
        return float(torch.maximum(apart, (before / deviation - 1).abs()).max())

    def forward(self, x: Tensor) -> Tensor:
        """Normalise in place, (n, c, h, w): nothing else needs what comes in."""
        if self._settles:
            self._settle(Moments.of(self._grouped(x)))
        elif self._core is not None:
            found = Moments.of(self._grouped(_part(x, self._core)))
            self._seen = found if self._seen is None else self._seen.joined(found)
        gain, level = (of.to(x)[:, None, None] for of in self._affine())
        return x.mul_(gain).add_(level)

    def _settle(self, crops: Moments) -> None:
        """Move what the tiles showed by as much as the crops' statistics moved."""
        before, seen = self._crops, self._seen
        self._known = self._crops = crops
        if before is None or seen is None:
            return
        ratio = (seen.variance + self._eps) / (before.variance + self._eps)
        mean = seen.mean + (crops.mean - before.mean) * ratio.sqrt()
        variance = (crops.variance + self._eps) * ratio - self._eps
        self._known = Moments(seen.count, mean, variance.clamp_min(0))

    def _affine(self) -> tuple[Tensor, Tensor]:
        """Factor and summand of every channel."""
        assert self._known is not None
        each = self._channels // self._groups
        mean = self._known.mean.repeat_interleave(each)
        variance = self._known.variance.repeat_interleave(each)
        gain = self._weight * (variance + self._eps).rsqrt()
        level = self._bias - mean * gain
        if self._steady is None:
            return gain, level
        steady, offset = self._steady
        return torch.cat([gain, steady]), torch.cat([level, offset])

    def _grouped(self, x: Tensor) -> Tensor:
        """Values that count together, (n, groups, m)."""
        own = x[:, : self._channels]
        grouped: Tensor = own.unflatten(1, (self._groups, -1))
        return grouped.flatten(2)


def _affine_of(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Factor and summand of every channel of a batch norm at rest."""
    mean, variance = (norm.get_buffer(f"running_{n}") for n in ("mean", "var"))
    gain = norm.weight.detach() * (variance.double() + norm.eps).rsqrt()
    return gain, norm.bias.detach() - mean * gain


def _part(x: Tensor, core: Core) -> Tensor:
    height, width = x.shape[-2:]
    rows, columns = (
        slice(round(start * side), round(stop * side))
        for start, stop, side in (
            (core[0], core[1], height),
            (core[2], core[3], width),
        )
    )
    return x[..., rows, columns]


class TileNetwork:
    """A copy of a network to which tiles are parts of one slice.

    Parameters
    ----------
    network : UNet

    Attributes
    ----------
    network : UNet
        For tiles of the slice, once `settle` has been called.
    by_slice : int
        How many norms go by a slice's own statistics; without any, nothing needs to be
        gathered.
    """

    def __init__(self, network: UNet) -> None:
        self.network = copy.deepcopy(network).eval()
        self._norms = _replaced(self.network)

    @property
    def by_slice(self) -> int:
        """How many norms go by a slice's own statistics."""
        return len(self._norms)

    def settle(self, crops: Tensor) -> None:
        """Let crops, (n, channels, h, w), through; see above."""
        with ExitStack() as every:
            for norm in self._norms:
                every.enter_context(norm.settling())
            self.network(crops)

    def look(self, tile: Tensor, core: Core) -> None:
        """Count what the norms see in the core of a tile, (1, channels, h, w).

        Nothing of a tile counts where memory runs out for it.
        """
        with self.counting(core):
            self.network(tile)

    @contextmanager
    def counting(self, core: Core) -> Iterator[None]:
        """Count what the norms see in the core of the next tile."""
        with ExitStack() as every:
            for norm in self._norms:
                every.enter_context(norm.counting(core))
            yield

    def change(self) -> float:
        """By how much the looks at all tiles differ from what was taken as known."""
        return max(norm.change() for norm in self._norms)


def _replaced(network: nn.Module) -> list[FixedNorm]:
    """Put a `FixedNorm` in the place of every norm by a slice's own statistics."""
    kinds = (InstanceBatchNorm, nn.InstanceNorm2d, nn.GroupNorm)
    found = []
    for name, child in list(network.named_children()):
        if isinstance(child, kinds):
            fixed = FixedNorm(child)
            setattr(network, name, fixed)
            found.append(fixed)
        else:
            found += _replaced(child)
    return found
