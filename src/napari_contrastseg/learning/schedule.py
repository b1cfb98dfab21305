"""How fast and how long a stage learns: clock, optimiser, rate, averaged weights."""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

if TYPE_CHECKING:
    from napari_contrastseg.learning.stage import Budget, Optimiser, Stage
    from napari_contrastseg.learning.unet import UNet


class Clock:
    """How far a stage is, by steps or by seconds; it stands still between steps."""

    def __init__(self, stage: Stage, budget: Budget, shares: float) -> None:
        self.seconds = 0.0
        self._since = time.perf_counter()
        self._steps = budget.steps or stage.steps
        self._limit: float | None = None
        if budget.minutes is not None:
            self._limit = 60 * budget.minutes * stage.share / shares

    def start(self) -> None:
        """Go on."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Stand still."""
        self.seconds += time.perf_counter() - self._since

    def fraction(self, step: int) -> float:
        """Part of the stage that is done after `step` steps, 0 to 1."""
        if self._limit is not None:
            return min(self.seconds / self._limit, 1.0)
        return min(step / self._steps, 1.0)


def make_optimiser(
    spec: Optimiser, parameters: list[nn.Parameter]
) -> torch.optim.Optimizer:
    """Make the optimiser that a stage asks for."""
    kind = torch.optim.AdamW if spec.name == "adamw" else torch.optim.Adam
    return kind(parameters, lr=spec.lr, weight_decay=spec.weight_decay)


def set_rate(
    optimiser: torch.optim.Optimizer, spec: Optimiser, fraction: float
) -> None:
    """Linear warm-up, then constant or a half cosine to zero, by the part done."""
    rate = spec.lr
    if fraction < spec.warm_up:
        rate *= (fraction + 1e-3) / spec.warm_up
    elif spec.schedule == "cosine":
        done = (fraction - spec.warm_up) / (1 - spec.warm_up)
        rate *= 0.5 * (1 + math.cos(math.pi * done))
    for group in optimiser.param_groups:
        group["lr"] = rate


def make_average(network: UNet, decay: float | None) -> AveragedModel | None:
    """Average weights exponentially; the decay ramps up with the steps done."""
    if decay is None:
        return None

    def blend(mean: Any, now: Any, count: Tensor | int) -> None:
        ramped = min(decay, (1 + float(count)) / (10 + float(count)))
        get_ema_multi_avg_fn(ramped)(mean, now, count)

    average = AveragedModel(
        copy.deepcopy(network), multi_avg_fn=blend, use_buffers=True
    )
    return average.requires_grad_(requires_grad=False)
