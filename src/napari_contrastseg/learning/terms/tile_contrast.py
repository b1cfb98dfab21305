"""Contrast and consistency between a slice and its tiles: CLCC (Zhao et al. 2022)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.losses.contrast import contrast, unit
from napari_contrastseg.learning.losses.pairs import PairMasks
from napari_contrastseg.learning.losses.precision import wide
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.feature_maps import ForwardPass
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: A tile is uniform when this part of it is background.
UNIFORM = 0.99


class GridHead(nn.Module):
    """One vector for each of n x n tiles: (k, channels, h, w) to (k, n, n, dim).

    Convolutions of 4x4 with stride 4, batch norm and ReLU; what is left is averaged
    over each tile. Three layers take a tile of 64 x 64 to one vector, as in the paper.
    Tiles of other sides are enlarged until every tile has whole cells of its own: no
    vector sees a neighbour's pixels ("perceptual fields do not overlap", section 2.1).
    """

    def __init__(self, channels: int, layers: int = 2, dim: int = 128) -> None:
        super().__init__()
        widths = [channels, *[64] * (layers - 1), dim]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(a, b, 4, stride=4), nn.BatchNorm2d(b), nn.ReLU()
                )
                for a, b in pairwise(widths)
            )
        )
        self._multiple = 4**layers

    def forward(self, x: Tensor, tiles: int) -> Tensor:
        """Project a map, seen as `tiles` x `tiles`."""
        h, w = x.shape[-2:]
        whole = tiles * self._multiple
        size = [-(-k // whole) * whole for k in (h, w)]
        if size != [h, w]:
            x = functional.interpolate(x, size)
        vectors = functional.adaptive_avg_pool2d(self.layers(x), tiles)
        return vectors.movedim(1, -1)


class TileContrast(StepLoss):
    """A slice's vector for a tile is like the vector of the tile seen by itself.

    Parameters
    ----------
    network : UNet
    count : int
        n, for n x n tiles; fewer where they would be smaller than the network allows.
    temperature : float
    layers : int
        Of the projection head.
    released : bool
        As in the released code: tiles are seen as constants, only tiles repel, and
        features are scaled by their sums; else both sides learn, tiles and slice repel,
        and two tiles of background do not.
    printed : bool
        Eq. 1 as printed: the slice's vector is the query, its tile's the key, and the
        other vectors of the slice repel. Not together with `released`.
    """

    def __init__(
        self,
        network: UNet,
        *,
        count: int = 4,
        temperature: float = 0.1,
        layers: int = 2,
        released: bool = False,
        printed: bool = False,
    ) -> None:
        super().__init__(network)
        self.count, self.temperature, self.released = count, temperature, released
        self.printed = printed
        self.head = GridHead(network.taps[network.spec.last_tap], layers)

    def forward(self, step: Step) -> Tensor:
        """Contrast the slices of a step with their tiles."""
        last = step.network.spec.last_tap
        tiles, n, (rows, columns) = see_tiles(step, self.count, still=not self.released)
        whole = self.head(step.map(last)[..., rows, columns], n).flatten(1, 2)
        parts = self.head(tiles.map(last), 1)[:, 0, 0].reshape(len(whole), n * n, -1)
        if self.released:
            parts = parts.detach()
        features = wide(torch.cat([whole.flatten(0, 1), parts.flatten(0, 1)]))
        if self.released:
            features = functional.normalize(features, p=1, dim=1, eps=1e-6)
            return _by_products(features, n * n, self.temperature)
        if self.printed:
            rule = printed_pairs(len(whole), n * n, features.device)
            return contrast(
                unit(features),
                rule,
                temperature=self.temperature,
                denominator="single",
            )
        blank = _blank(step.logits[..., rows, columns], n)
        return contrast(
            unit(features),
            _pairs(len(whole), n * n, blank),
            temperature=self.temperature,
            denominator="single",
        )


class TileConsistency(StepLoss):
    """A tile's prediction is like the slice's prediction at its place.

    Squared distances, averaged over batch, classes and pixels, summed over tiles; the
    slice's side is the teacher.

    Parameters
    ----------
    network : UNet
    count : int
        n, for n x n tiles; fewer where they would be smaller than the network allows.
    released : bool
        As in the released code: batch norms also learn the statistics of tiles.
    """

    def __init__(
        self, network: UNet, *, count: int = 4, released: bool = False
    ) -> None:
        super().__init__(network)
        self.count, self.released = count, released

    def forward(self, step: Step) -> Tensor:
        """Squared distance of the tiles' predictions to the slices'."""
        tiles, n, (rows, columns) = see_tiles(step, self.count, still=not self.released)
        guess = wide(step.logits[..., rows, columns].detach()).softmax(dim=1)
        mine = wide(tiles.map("logits")).softmax(dim=1)
        return functional.mse_loss(mine, cut_up(guess, n)) * n * n


def see_tiles(
    step: Step, count: int, *, still: bool
) -> tuple[ForwardPass, int, tuple[slice, slice]]:
    """Pass the tiles of the middle of every slice through the network.

    With `still` its batch norms do not remember them: tiles have other statistics than
    slices.

    Returns
    -------
    The pass; n, for n x n tiles; rows and columns of a slice that its tiles cover.
    """
    divisor = step.network.divisor
    sides = step.image.shape[-2:]
    n = max(1, min(count, *(side // divisor for side in sides)))
    used = [side // (n * divisor) * (n * divisor) for side in sides]
    starts = [(side - part) // 2 for side, part in zip(sides, used, strict=True)]
    rows, columns = (
        slice(start, start + part) for start, part in zip(starts, used, strict=True)
    )
    tiles = cut_up(step.image[..., rows, columns], n)
    return step.through(step.network, tiles, still=still), n, (rows, columns)


def _blank(logits: Tensor, n: int) -> Tensor:
    """Which of n x n tiles the network predicts as background, (images x n x n,)."""
    background = (logits.argmax(dim=1) == 0).float()
    part = functional.adaptive_avg_pool2d(background[:, None], n)
    return (part >= UNIFORM).flatten()


def cut_up(image: Tensor, n: int) -> Tensor:
    """Cut (k, c, h, w) into n x n tiles, (k x n x n, c, h / n, w / n), row by row."""
    k, c, h, w = image.shape
    tiles = image.reshape(k, c, n, h // n, n, w // n).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(k * n * n, c, h // n, w // n)


def _pairs(images: int, tiles: int, blank: Tensor) -> PairMasks:
    """Positives: the same tile at the other level; negatives: others of the slice."""
    place = torch.arange(images * tiles, device=blank.device).repeat(2)
    image, blank = place // tiles, blank.repeat(2)
    same = place[:, None] == place[None]
    level = torch.arange(len(place), device=blank.device) // (images * tiles)
    positives = same & (level[:, None] != level[None])
    negatives = (image[:, None] == image[None]) & ~same
    return PairMasks(positives, negatives & ~(blank[:, None] & blank[None]))


def printed_pairs(images: int, tiles: int, device: torch.device) -> PairMasks:
    """Eq. 1: slices' vectors are anchors, their tiles positives, each other negatives.

    Rows are the slices' vectors, then the tiles'.
    """
    place = torch.arange(images * tiles, device=device).repeat(2)
    query = torch.arange(len(place), device=device) < images * tiles
    same = place[:, None] == place[None]
    together = (place // tiles)[:, None] == (place // tiles)[None]
    asks = query[:, None]
    positives = asks & same & ~query[None]
    return PairMasks(positives, asks & query[None] & together & ~same)


def _by_products(features: Tensor, tiles: int, temperature: float) -> Tensor:
    """Compare as released: products of L1-scaled features, a slice's tiles as keys."""
    whole, parts = features.chunk(2)
    queries, keys = (x.reshape(-1, tiles, x.shape[-1]) for x in (whole, parts))
    logits = queries @ keys.transpose(1, 2) / temperature
    own = torch.arange(tiles, device=features.device).expand(len(logits), -1)
    return functional.cross_entropy(logits.flatten(0, 1), own.flatten())
