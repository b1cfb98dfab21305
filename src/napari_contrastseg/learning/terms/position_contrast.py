"""Contrast by a slice's position in its volume (Chaitanya et al. 2020; PCL).

Every loss is `contrast` with masks made from what is known of each feature: slice,
volume, part of the volume, region of the map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.losses.contrast import contrast
from napari_contrastseg.learning.losses.pairs import PairMasks
from napari_contrastseg.learning.networks.heads import GlobalHead
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

GlobalStrategy = Literal["GR", "GD-", "GD"]
LocalStrategy = Literal["LR", "LD"]
#: Regions of a map, and their side in its pixels.
REGIONS, SIDE = 13, 3
#: In LD: volumes whose regions are positives too.
MOST_OTHERS = 2


def _same(values: Tensor) -> Tensor:
    return values[:, None] == values[None]


def _without_self(mask: Tensor) -> Tensor:
    return mask & ~torch.eye(len(mask), dtype=torch.bool, device=mask.device)


def parts_of(position: Tensor, count: int) -> Tensor:
    """Which of `count` equal parts of its volume each slice lies in, (n,) int64.

    A slice without a position is a part of its own.
    """
    alone = count + torch.arange(len(position), device=position.device)
    part = (position.nan_to_num() * count).long().clamp_max(count - 1)
    return torch.where(position.isnan(), alone, part)


class PartitionContrast(StepLoss):
    """Global contrast of Chaitanya et al. 2020, section 3.1, at the bottleneck.

    Of each slice there are two changed versions and the slice itself. ``GR``: versions
    of one slice attract, all else repels. ``GD-``: only slices of other parts repel.
    ``GD``: slices of one part of other volumes attract too. Slices without a position,
    as in a stack of pictures, are treated as by ``GR``.

    Parameters
    ----------
    network : UNet
    strategy : {"GR", "GD-", "GD"}
    partitions : int
        Equal parts of a volume along the slice axis.
    temperature : float
    """

    def __init__(
        self,
        network: UNet,
        *,
        strategy: GlobalStrategy,
        partitions: int = 4,
        temperature: float = 0.1,
    ) -> None:
        super().__init__(network)
        self.strategy, self.partitions = strategy, partitions
        self.temperature = temperature
        self.head = GlobalHead(network.taps["bottleneck"], hidden=1024)

    def forward(self, step: Step) -> Tensor:
        """Contrast the slices of a step, in three versions."""
        count = len(step.image) // 2
        seen = torch.cat([step.image, step.source[:count]])
        maps = step.through(step.network, seen).map("bottleneck")
        which = torch.arange(count, device=maps.device).repeat(3)
        version = torch.arange(3, device=maps.device).repeat_interleave(count)
        part = parts_of(step.position[:count], self.partitions)
        part = part.to(maps.device).repeat(3)
        volume = step.volume[:count].to(maps.device).repeat(3)
        positives = _without_self(_same(which))
        negatives = ~_same(which) if self.strategy == "GR" else ~_same(part)
        if self.strategy == "GD":
            positives |= _same(part) & _same(version) & ~_same(volume)
        return contrast(
            self.head(maps),
            PairMasks(positives, negatives),
            temperature=self.temperature,
            denominator="single",
        )


class RegionHead(nn.Module):
    """Projects small regions of a map: (n, c, h, w) to (n, regions, dim).

    Two 1x1 convolutions, then one linear layer that all regions share.
    """

    def __init__(self, channels: int, dim: int = 128) -> None:
        super().__init__()
        self.pointwise = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
        )
        self.linear = nn.Linear(channels * SIDE * SIDE, dim)

    def forward(self, x: Tensor, corners: Tensor) -> Tensor:
        """Corners (regions, 2) are upper left pixels."""
        columns = functional.unfold(self.pointwise(x), SIDE)
        along = x.shape[-1] - SIDE + 1
        picked = columns[..., corners[:, 0] * along + corners[:, 1]]
        projected: Tensor = self.linear(picked.movedim(1, -1))
        return projected


class RegionContrast(StepLoss):
    """Local contrast of Chaitanya et al. 2020, section 3.2.

    A region and the same region of the other view attract; other regions of both maps
    repel. ``LD``: the same region of other volumes' slices of the same part attracts
    too. Views differ in intensity alone.

    Parameters
    ----------
    network : UNet
    tap : str
        Decoder map.
    strategy : {"LR", "LD"}
    temperature : float
    partitions : int
        Equal parts of a volume along the slice axis.
    preset : bool
        The released 13 places and their nearest neighbours as negatives (5 in LR, 4 in
        LD); else random places that do not overlap, and all others repel.
    """

    def __init__(
        self,
        network: UNet,
        *,
        tap: str,
        strategy: LocalStrategy = "LR",
        temperature: float = 0.1,
        partitions: int = 4,
        preset: bool = False,
    ) -> None:
        super().__init__(network)
        self.tap, self.strategy, self.temperature = tap, strategy, temperature
        self.partitions, self.preset = partitions, preset
        self.head = RegionHead(network.taps[tap])

    def forward(self, step: Step) -> Tensor:
        """Contrast the regions of a step's two views."""
        maps = step.map(self.tap)
        h, w = maps.shape[-2:]
        missing = [max(SIDE - k, 0) for k in (h, w)]
        if any(missing):
            maps = functional.pad(maps, (0, missing[1], 0, missing[0]))
        corners = lattice(maps) if self.preset else scattered(maps)
        features = self.head(maps, corners)  # (2 x count, regions, dim)
        count, regions = len(maps) // 2, len(corners)
        near = self._near(corners)

        def each(values: Tensor) -> Tensor:
            return values.to(maps.device).repeat(2).repeat_interleave(regions)

        which = each(torch.arange(count))
        place = torch.arange(regions, device=maps.device).repeat(2 * count)
        alike = _same(which) & _same(place)
        positives = _without_self(alike)
        if self.strategy == "LD":
            part = parts_of(step.position[:count], self.partitions).to(maps.device)
            volume = step.volume[:count].to(maps.device)
            others = _few(_same(part) & ~_same(volume))
            positives |= others[which[:, None], which[None]] & _same(place)
        negatives = _same(which) & near[place[:, None], place[None]]
        return contrast(
            features.flatten(0, 1),
            PairMasks(positives, negatives),
            temperature=self.temperature,
            denominator="single",
        )

    def _near(self, corners: Tensor) -> Tensor:
        """Which places repel which, (regions, regions) bool."""
        distance = torch.cdist(corners.float(), corners.float())
        distance.fill_diagonal_(torch.inf)
        if not self.preset:
            return distance.isfinite()
        kept = min(5 if self.strategy == "LR" else 4, len(corners) - 1)
        nearest = distance.topk(kept, largest=False).indices
        mask = torch.zeros_like(distance, dtype=torch.bool)
        return mask.scatter_(1, nearest, value=True)


def _few(mask: Tensor) -> Tensor:
    """Keep the first `MOST_OTHERS` of every row of a mask."""
    return mask & (mask.cumsum(dim=1) <= MOST_OTHERS)


def lattice(maps: Tensor) -> Tensor:
    """Corners of the thirteen released places: 3 x 3 and four quarter points."""
    h, w = (k - SIDE for k in maps.shape[-2:])
    ninths = [(r, c) for r in (0.0, 0.5, 1.0) for c in (0.0, 0.5, 1.0)]
    quarters = [(r, c) for r in (0.25, 0.75) for c in (0.25, 0.75)]
    places = [(round(r * h), round(c * w)) for r, c in ninths + quarters]
    return torch.tensor(list(dict.fromkeys(places)), device=maps.device)


def scattered(maps: Tensor) -> Tensor:
    """Corners of random places that do not overlap, (at most `REGIONS`, 2)."""
    h, w = (k // SIDE for k in maps.shape[-2:])
    shift = [
        int(torch.randint(k - (k // SIDE) * SIDE + 1, ())) for k in maps.shape[-2:]
    ]
    cells = torch.randperm(h * w)[:REGIONS]
    corners = torch.stack([cells // w, cells % w], dim=1) * SIDE + torch.tensor(shift)
    return corners.to(maps.device)


class PositionContrast(StepLoss):
    """PCL (Zeng et al. 2021): slices at like positions of any volume attract.

    Parameters
    ----------
    network : UNet
    near : float
        Relative positions that differ by less attract; .35 for the heart's short axis,
        .1 for longer volumes.
    temperature : float
    """

    def __init__(self, network: UNet, *, near: float, temperature: float = 0.1) -> None:
        super().__init__(network)
        self.near, self.temperature = near, temperature
        self.head = GlobalHead(network.taps["bottleneck"])

    def forward(self, step: Step) -> Tensor:
        """Contrast the slices of a step's two views by position."""
        features = self.head(step.map("bottleneck"))
        count = len(features) // 2
        position = step.position.to(features.device)
        close = (position[:, None] - position[None]).abs() < self.near
        close |= _same(torch.arange(len(position), device=position.device) % count)
        pairs = PairMasks(_without_self(close), ~close)
        return contrast(features, pairs, temperature=self.temperature)
