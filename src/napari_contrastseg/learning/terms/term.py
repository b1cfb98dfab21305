"""Weighted loss term of a training stage, and the ramp of its weight. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step_loss import StepLoss


def ramp_up(fraction: float, ramp: float) -> float:
    """Height of a ramp, exp(-5 (1 - t)^2), that ends when `ramp` of a stage is done."""
    if fraction >= ramp:
        return 1.0
    return math.exp(-5 * (1 - fraction / ramp) ** 2)


@dataclass(frozen=True)
class Term:
    """One weighted loss of a stage.

    Attributes
    ----------
    name : str
    build : callable of the network to a StepLoss
        A class of this package, or a `functools.partial` of one with its options;
        called once when the stage begins.
    weight : float
    ramp : float
        Part of the stage over which the weight rises, as exp(-5 (1 - t)^2) (Laine and
        Aila 2017); 0: full weight from the first step.
    """

    name: str
    build: Callable[[UNet], StepLoss]
    weight: float = 1.0
    ramp: float = 0.0

    def weight_at(self, fraction: float) -> float:
        """Weight when a part of the stage is done."""
        return self.weight * ramp_up(fraction, self.ramp)
