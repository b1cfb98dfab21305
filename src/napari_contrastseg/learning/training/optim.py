"""Optimiser, learning-rate schedule, clock and averaged weights of a stage."""

from __future__ import annotations

import copy
import inspect
import math
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.learning.runtime.compiler import call_without_compiler

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.plan.stage import Optimiser, StageLength


class Clock:
    """Progress of a stage, by steps or by seconds of training."""

    def __init__(self, length: StageLength) -> None:
        self.seconds = 0.0
        self._since = time.perf_counter()
        self._length = length

    def start(self) -> None:
        """Count the seconds from now on."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Stop counting, between steps."""
        self.seconds += time.perf_counter() - self._since

    def fraction(self, step: int) -> float:
        """Part of the stage that is done after `step` steps, 0 to 1."""
        if self._length.minutes is not None:
            if not self._length.minutes:
                return 1.0
            return min(self.seconds / (60 * self._length.minutes), 1.0)
        return min(step / (self._length.steps or 1), 1.0)


def make_optimiser(
    spec: Optimiser, parameters: list[nn.Parameter]
) -> torch.optim.Optimizer:
    """Make the optimiser that a stage asks for."""
    base = torch.optim.Optimizer
    call_without_compiler(
        base.add_param_group, base.zero_grad, base.state_dict, base.load_state_dict
    )
    kind = torch.optim.AdamW if spec.name == "adamw" else torch.optim.Adam
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    return kind(parameters, lr=spec.lr, weight_decay=spec.weight_decay, fused=fused)


def take_step(optimiser: torch.optim.Optimizer) -> None:
    """Do what `optimiser.step` does, without what that does for a compiler."""
    with torch.no_grad():
        inspect.unwrap(type(optimiser).step)(optimiser)


def set_rate(
    optimiser: torch.optim.Optimizer, spec: Optimiser, fraction: float
) -> None:
    """Linear warm-up, then constant or a half cosine to zero, by the part done."""
    rate = spec.lr
    if fraction < spec.warm_up or spec.warm_up == 1:
        rate *= (fraction + 1e-3) / spec.warm_up
    elif spec.schedule == "cosine":
        done = (fraction - spec.warm_up) / (1 - spec.warm_up)
        rate *= 0.5 * (1 + math.cos(math.pi * done))
    for group in optimiser.param_groups:
        group["lr"] = rate


class Average(nn.Module):
    """Exponential moving average of a network's weights; its decay ramps up.

    torch's `AveragedModel` would wait for a GPU at every step.
    """

    def __init__(self, network: UNet, decay: float) -> None:
        super().__init__()
        self.module = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._decay = decay
        self.count: Tensor
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, network: UNet) -> None:
        """Blend the weights of one more step in."""
        count = int(self.count)
        decay = min(self._decay, (1 + count) / (10 + count)) if count else 0.0
        pairs = zip(
            self.module.state_dict().values(),
            network.state_dict().values(),
            strict=True,
        )
        for mean, now in pairs:
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)
        self.count += 1
