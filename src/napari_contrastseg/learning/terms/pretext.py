"""Pretext tasks on slices without labels: rotation, inpainting, context restoration.

The baselines of Chaitanya et al. 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step

#: Boxes to restore have this part of each side; so have pieces to put back.
BOX, PIECE = 0.25, 0.125
MOST_BOXES, SWAPS = 3, 10


class Rotation(StepLoss):
    """Predict which of four right-angle turns was applied (Gidaris et al. 2018).

    Of the middle square of every slice, by the encoder and a linear layer.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__(network)
        self.head = nn.Linear(network.taps["bottleneck"], 4)

    def forward(self, step: Step) -> Tensor:
        """Cross-entropy of the predicted turns."""
        _, _, h, w = step.image.shape
        side = min(h, w)
        top, left = (h - side) // 2, (w - side) // 2
        square = step.image[..., top : top + side, left : left + side]
        turns = torch.randint(4, (len(square),), device=square.device)
        turned = torch.stack([torch.rot90(square, k, (2, 3)) for k in range(4)])
        image = turned[turns, torch.arange(len(square), device=square.device)]
        maps = step.through(step.network, image).map("bottleneck")
        scores = self.head(maps.mean(dim=(2, 3))).float()
        return functional.cross_entropy(scores, turns)


class Restoration(StepLoss):
    """Restore corrupted slices from the network's last map, by squared distance."""

    def __init__(self, network: UNet) -> None:
        super().__init__(network)
        last = network.spec.last_tap
        self.head = nn.Conv2d(network.taps[last], network.channels, 1)

    def forward(self, step: Step) -> Tensor:
        """Mean squared distance to the slices as they were."""
        last = step.network.spec.last_tap
        maps = step.through(step.network, self.corrupt(step.image)).map(last)
        return functional.mse_loss(self.head(maps).float(), step.image)

    def corrupt(self, image: Tensor) -> Tensor:
        """Return a copy of slices, (n, channels, h, w), of which parts are changed."""
        raise NotImplementedError


class Inpainting(Restoration):
    """Restore one to three masked boxes (Pathak et al. 2016)."""

    def corrupt(self, image: Tensor) -> Tensor:
        """Mask boxes."""
        corrupted = image.clone()
        side = [max(1, int(BOX * k)) for k in image.shape[2:]]
        for row, boxes in enumerate(_draw(MOST_BOXES, len(image)) + 1):
            for top, left in _corners(image, side, int(boxes)):
                corrupted[row, :, top : top + side[0], left : left + side[1]] = 0.0
        return corrupted


class ContextRestoration(Restoration):
    """Put up to ten pairs of swapped pieces back (Chen et al. 2019)."""

    def corrupt(self, image: Tensor) -> Tensor:
        """Swap pieces."""
        corrupted = image.clone()
        h, w = (max(1, int(PIECE * k)) for k in image.shape[2:])
        for one in corrupted:
            places = _corners(image, [h, w], 2 * SWAPS)
            for (a, b), (c, d) in zip(places[::2], places[1::2], strict=True):
                if abs(a - c) < h and abs(b - d) < w:
                    continue  # what overlaps cannot be swapped
                first = one[:, a : a + h, b : b + w].clone()
                one[:, a : a + h, b : b + w] = one[:, c : c + h, d : d + w]
                one[:, c : c + h, d : d + w] = first
        return corrupted


def _draw(below: int, count: int) -> Tensor:
    return torch.randint(below, (count,))


def _corners(image: Tensor, side: list[int], count: int) -> list[tuple[int, int]]:
    """Draw upper left corners of boxes within a slice; on the host."""
    rows, columns = (
        _draw(length - part + 1, count).tolist()
        for length, part in zip(image.shape[2:], side, strict=True)
    )
    return list(zip(rows, columns, strict=True))
