"""A weighted loss term of a stage. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step


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
    loss : callable of a Step (and the term's head) to a scalar Tensor
    weight : float
    head : callable of the network to a module, or None
        A disposable head: built for the stage, trained with it, dropped after it.
    ramp : float
        Part of the stage over which the weight rises, as exp(-5 (1 - t)^2) (Laine and
        Aila 2017); 0: it is there from the first step.
    """

    name: str
    loss: Callable[[Step, nn.Module | None], Tensor]
    weight: float = 1.0
    head: Callable[[UNet], nn.Module] | None = None
    ramp: float = 0.0

    def weight_at(self, fraction: float) -> float:
        """Weight when a part of the stage is done."""
        return self.weight * ramp_up(fraction, self.ramp)
