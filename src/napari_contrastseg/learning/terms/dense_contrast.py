"""Dense contrast between two views of one slice: IDEAL (Basak et al. 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.losses.contrast import contrast
from napari_contrastseg.learning.losses.pairs import PairMasks
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: Dense vectors of each view of each other image that repel.
MOST_NEGATIVES = 64


class DenseContrast(StepLoss):
    """L_loc: a place attracts the same place in the other view; other slices repel.

    The paper does not say how places are matched. Here the coordinates that moved the
    views decide: each vector's partner is the nearest one of the other view, and it
    has none when that is further than a cell away.

    Parameters
    ----------
    network : UNet
    temperature : float
    dim : int
        Length of the projected vectors.
    one_view : bool
        Only the other view's vectors of other slices repel, "a view of different
        images"; else those of both views.
    """

    def __init__(
        self,
        network: UNet,
        *,
        temperature: float,
        dim: int = 128,
        one_view: bool = False,
    ) -> None:
        super().__init__(network)
        self.temperature, self.one_view = temperature, one_view
        self.head = nn.Conv2d(network.taps["bottleneck"], dim, 1)

    def forward(self, step: Step) -> Tensor:
        """Contrast the places of a step's two views."""
        maps = self.head(step.map("bottleneck"))
        n, _, h, w = maps.shape
        first_places, second_places = places_of(step, h, w).flatten(1, 2).chunk(2)
        partner, found = _partners(first_places, second_places, cell=(2 / w, 2 / h))
        which = torch.arange(n // 2, device=maps.device).repeat(2)
        which = which.repeat_interleave(h * w)
        rows = torch.arange((n // 2) * h * w, device=maps.device)
        first = (rows // (h * w)) * (h * w)
        second = len(rows) + first + partner.flatten()
        positives = torch.zeros(
            2 * len(rows), 2 * len(rows), dtype=torch.bool, device=maps.device
        )
        kept = found.flatten()
        positives[rows[kept], second[kept]] = True
        positives |= positives.T.clone()
        chosen = _chosen(n, h * w, maps.device)
        negatives = (which[:, None] != which[None]) & chosen[None]
        if self.one_view:
            view = torch.arange(len(which), device=maps.device) < len(rows)
            negatives &= view[:, None] != view[None]
        return contrast(
            maps.movedim(1, -1).flatten(0, 2),
            PairMasks(positives, negatives),
            temperature=self.temperature,
            denominator="single",
        )


def places_of(step: Step, h: int, w: int) -> Tensor:
    """Where each cell of a map came from in its slice, (n, h, w, 2)."""
    if step.grid is None:
        y, x = torch.meshgrid(
            *(torch.linspace(-1 + 1 / k, 1 - 1 / k, k) for k in (h, w)), indexing="ij"
        )
        places = torch.stack([x, y], dim=-1).to(step.image.device)
        return places.expand(len(step.image), -1, -1, -1)
    grid = step.grid.movedim(-1, 1)
    return functional.interpolate(grid, (h, w), mode="nearest-exact").movedim(1, -1)


def _partners(
    first: Tensor, second: Tensor, cell: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Nearest place of the other view: number and whether it is near, (n, places)."""
    scale = torch.tensor(cell, device=first.device)
    distance = torch.cdist(first / scale, second / scale)
    nearest, partner = distance.min(dim=2)
    inside = (first.abs() <= 1).all(dim=-1)
    return partner, (nearest <= 1) & inside


def _chosen(images: int, places: int, device: torch.device) -> Tensor:
    """Mark at most `MOST_NEGATIVES` random places of every image, (n x places,)."""
    order = torch.rand(images, places, device=device).argsort(dim=1)
    return (order < MOST_NEGATIVES).flatten()
