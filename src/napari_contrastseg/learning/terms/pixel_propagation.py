"""PixPro: a place of a slice, smoothed by those like it, agrees with the other view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from napari_contrastseg.learning.losses.propagation import (
    agreement,
    matched,
    propagated,
)
from napari_contrastseg.learning.networks.follower import Follower
from napari_contrastseg.learning.terms.dense_contrast import places_of
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from torch import Tensor

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step


class PropagationHead(nn.Module):
    """A pixelwise head, one for keys that follows it, and the transform g."""

    def __init__(self, channels: int, dim: int, decay: float) -> None:
        super().__init__()
        hidden = 2 * channels
        self.query = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, dim, 1),
        )
        self.key = Follower(self.query, decay)
        self.transform = nn.Conv2d(dim, dim, 1)


class PixelPropagation(StepLoss):
    """Pixel-to-propagation consistency at the bottleneck (Xie et al. 2021).

    The teacher of the stage is the averaged encoder.

    Parameters
    ----------
    network : UNet
    sharpness : float
        gamma, the exponent of likeness.
    distance : float
        Largest distance of pixels that show one place, in diagonals of a pixel.
    decay : float
        Of the averaged head; that of the encoder is the stage's.
    dim : int
        Length of the projected vectors.
    """

    head: PropagationHead

    def __init__(
        self,
        network: UNet,
        *,
        sharpness: float,
        distance: float,
        decay: float,
        dim: int = 256,
    ) -> None:
        super().__init__(network)
        self.sharpness, self.distance = sharpness, distance
        self.head = PropagationHead(network.taps["bottleneck"], dim, decay)

    def forward(self, step: Step) -> Tensor:
        """Let both views of each slice agree, each with the other's keys."""
        query = self.head.query(step.map("bottleneck"))
        self.head.key.follow(self.head.query)
        key = self.head.key(step.taught_map(step.image, "bottleneck"))
        h, w = query.shape[2:]
        changed = self.head.transform(query)
        pixels, values = (_pixels(maps) for maps in (query, changed))
        first, second = propagated(pixels, values, self.sharpness).chunk(2)
        first_keys, second_keys = _pixels(key).chunk(2)
        one, other = places_of(step, h, w).flatten(1, 2).chunk(2)
        matches = matched(one, other, (2 / w, 2 / h), self.distance)
        there = agreement(first, second_keys, matches)
        return there + agreement(second, first_keys, matches.transpose(1, 2))


def _pixels(maps: Tensor) -> Tensor:
    """Turn (n, d, h, w) into (n, h w, d)."""
    return maps.flatten(2).transpose(1, 2)
