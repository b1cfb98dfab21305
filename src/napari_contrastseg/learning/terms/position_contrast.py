"""Contrast by a slice's position in its volume (Chaitanya et al. 2020; PCL).

Pairs are made from what is known of each feature: slice, volume, part of the volume,
region of the map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.losses.contrast import contrast, nt_xent, unit
from napari_contrastseg.learning.losses.pairs import PairMasks
from napari_contrastseg.learning.networks.heads import GlobalHead
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

GlobalStrategy = Literal["GR", "GD-", "GD"]
LocalStrategy = Literal["LR", "LD"]
#: Which versions of slices of other volumes attract in GD.
Across = Literal["alike", "printed"]
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

    ``GR``: NT-Xent between two changed versions of each slice (eq. 1). Else there is
    the slice itself as a third version. ``GD-``: versions of one slice attract, slices
    of other parts repel (eq. 2). ``GD``: slices of one part of other volumes attract
    too. Slices without a position, as in a stack of pictures, repel all others.

    Parameters
    ----------
    network : UNet
    strategy : {"GR", "GD-", "GD"}
    partitions : int
        Equal parts of a volume along the slice axis.
    temperature : float
    across : {"alike", "printed"}
        In GD, the versions of two volumes that attract. ``alike``: the same version of
        both, near the released code (which has the first changed version of both).
        ``printed``: both slices themselves, and the first changed version of one with
        the second of the other, as the paper has it.
    """

    def __init__(
        self,
        network: UNet,
        *,
        strategy: GlobalStrategy,
        partitions: int = 4,
        temperature: float = 0.1,
        across: Across = "alike",
    ) -> None:
        super().__init__(network)
        self.strategy, self.partitions = strategy, partitions
        self.temperature, self.across = temperature, across
        self.head = GlobalHead(network.taps["bottleneck"], hidden=1024)

    def forward(self, step: Step) -> Tensor:
        """Contrast the slices of a step, in two or three versions."""
        if self.strategy == "GR":
            first, second = self.head(step.map("bottleneck")).chunk(2)
            return nt_xent(first, second, self.temperature)
        count = len(step.image) // 2
        seen = torch.cat([step.image, step.source[:count]])
        maps = step.through(step.network, seen).map("bottleneck")
        which = torch.arange(count, device=maps.device).repeat(3)
        version = torch.arange(3, device=maps.device).repeat_interleave(count)
        part = parts_of(step.position[:count], self.partitions)
        part = part.to(maps.device).repeat(3)
        volume = step.volume[:count].to(maps.device).repeat(3)
        positives = _without_self(_same(which))
        negatives = ~_same(part)
        if self.strategy == "GD":
            other = version if self.across == "alike" else 2 - (version + 1) % 3
            meets = version[:, None] == other[None]
            positives |= _same(part) & meets & ~_same(volume)
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

    def __init__(self, channels: int, dim: int = 128, side: int = SIDE) -> None:
        super().__init__()
        self.side = side
        self.pointwise = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
        )
        self.linear = nn.Linear(channels * side * side, dim)

    def forward(self, x: Tensor, corners: Tensor) -> Tensor:
        """Corners (regions, 2) are upper left pixels."""
        columns = functional.unfold(self.pointwise(x), self.side)
        along = x.shape[-1] - self.side + 1
        picked = columns[..., corners[:, 0] * along + corners[:, 1]]
        projected: Tensor = self.linear(picked.movedim(1, -1))
        return projected


class RegionContrast(StepLoss):
    """Local contrast of Chaitanya et al. 2020, section 3.2.

    A region and the same region of the other view attract; the other regions of both
    maps repel (eq. 3 and 4). Views differ in intensity alone. ``LD``: the same region
    of other volumes' slices of the same part attracts too, and of each such pair the
    other regions of *its* two maps repel; the slices themselves are a third version,
    and maps of two volumes meet as in `PartitionContrast`'s ``printed`` pairs.

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
    regions : int
        Random places of a map (the paper's A); fewer where it is small.
    side : int
        Side of a region, in the map's pixels (the paper's K).
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
        regions: int = REGIONS,
        side: int = SIDE,
    ) -> None:
        super().__init__(network)
        self.tap, self.strategy, self.temperature = tap, strategy, temperature
        self.partitions, self.preset = partitions, preset
        self.regions, self.side = regions, side
        self.head = RegionHead(network.taps[tap], side=side)

    def forward(self, step: Step) -> Tensor:
        """Contrast the regions of a step's maps."""
        maps = step.map(self.tap)
        count = len(maps) // 2
        if self.strategy == "LD":
            itself = step.through(step.network, step.source[:count])
            maps = torch.cat([maps, itself.map(self.tap)])
        missing = [max(self.side - k, 0) for k in maps.shape[-2:]]
        if any(missing):
            maps = functional.pad(maps, (0, missing[1], 0, missing[0]))
        if self.preset:
            corners = lattice(maps, self.side)
        else:
            corners = scattered(maps, self.regions, self.side)
        features = self.head(maps, corners)
        return region_contrast(
            features, self._meet(step, count), self._near(corners), self.temperature
        )

    def _meet(self, step: Step, count: int) -> Tensor:
        """Which maps have regions that attract, (maps, maps) bool."""
        device = step.image.device
        versions = 3 if self.strategy == "LD" else 2
        which = torch.arange(count, device=device).repeat(versions)
        version = torch.arange(versions, device=device).repeat_interleave(count)
        changed = version < 2  # noqa: PLR2004  the third is the slice itself
        meet = _same(which) & ~_same(version) & changed[:, None] & changed[None]
        if self.strategy == "LD":
            part = parts_of(step.position[:count], self.partitions).to(device)
            volume = step.volume[:count].to(device)
            others = _few(_same(part) & ~_same(volume))
            crossed = version[:, None] == (2 - (version + 1) % 3)[None]
            meet |= others[which[:, None], which[None]] & crossed
        return meet

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


def region_contrast(
    features: Tensor, meet: Tensor, near: Tensor, temperature: float
) -> Tensor:
    """Contrast regions; the negatives of a pair lie in the two maps of that pair.

    The loss of a region r of map a that meets map b is -log(e^s / (e^s + the sum of
    e^s to the regions near r in a and in b)), with s the cosine by the temperature
    (Chaitanya et al. 2020, eq. 3 and 4); the mean over the maps b, then over anchors.

    Parameters
    ----------
    features : (maps, regions, d) float
    meet : (maps, maps) bool
        Row a marks the maps whose same regions attract those of a.
    near : (regions, regions) bool
        Row r marks the regions that repel r.

    Returns
    -------
    scalar Tensor
        Zero, connected to the graph, where no maps meet.
    """
    maps, regions, _ = features.shape
    z = unit(features)
    s = torch.einsum("ard,bqd->abrq", z, z) / temperature
    repelled = s.masked_fill(~near, -torch.inf).logsumexp(dim=3)  # (a, b, r)
    own = repelled[torch.arange(maps), torch.arange(maps)]  # in a itself, (a, r)
    pair = s.diagonal(dim1=2, dim2=3)
    below = torch.logaddexp(torch.logaddexp(own[:, None], repelled), pair)
    losses = torch.where(meet[..., None], below - pair, 0.0).sum(dim=1)  # (a, r)
    partners = meet.sum(dim=1)
    anchors = (partners > 0).sum() * regions
    return (losses / partners.clamp_min(1)[:, None]).sum() / anchors.clamp_min(1)


def _few(mask: Tensor) -> Tensor:
    """Keep the first `MOST_OTHERS` of every row of a mask."""
    return mask & (mask.cumsum(dim=1) <= MOST_OTHERS)


def lattice(maps: Tensor, side: int = SIDE) -> Tensor:
    """Corners of the thirteen released places: 3 x 3 and four quarter points."""
    h, w = (k - side for k in maps.shape[-2:])
    ninths = [(r, c) for r in (0.0, 0.5, 1.0) for c in (0.0, 0.5, 1.0)]
    quarters = [(r, c) for r in (0.25, 0.75) for c in (0.25, 0.75)]
    places = [(round(r * h), round(c * w)) for r, c in ninths + quarters]
    return torch.tensor(list(dict.fromkeys(places)), device=maps.device)


def scattered(maps: Tensor, regions: int = REGIONS, side: int = SIDE) -> Tensor:
    """Corners of random places that do not overlap, (at most `regions`, 2)."""
    h, w = (k // side for k in maps.shape[-2:])
    shift = [
        int(torch.randint(k - (k // side) * side + 1, ())) for k in maps.shape[-2:]
    ]
    cells = torch.randperm(h * w)[:regions]
    corners = torch.stack([cells // w, cells % w], dim=1) * side + torch.tensor(shift)
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
