"""Time a few training steps and a prediction on this computer, as it is now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import torch

from napari_contrastseg.learning.losses.segmentation import dice_cross_entropy
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.pace import Pace
from napari_contrastseg.learning.plan.stage import Optimiser
from napari_contrastseg.learning.runtime.device import autocast, prepare, release
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.runtime.threads import numbers_to_try
from napari_contrastseg.learning.training.optim import make_optimiser, take_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_contrastseg.learning.plan.pace import Workload

#: Steps that are timed at least with each number of threads, for so many seconds.
STEPS: Final = 3
SECONDS: Final = 0.5
#: Seconds after which no further step is timed.
MOST_SECONDS: Final = 3.0
#: A real step's time in that of the network alone: reading, augmentation, averages.
WHOLE_STEP: Final = 1.15


def measure_pace(
    work: Workload,
    device: torch.device,
    now: Callable[[], float] = time.perf_counter,
) -> Pace:
    """Time steps of a network that is thrown away; on a CPU with several threads too.

    The fastest number of threads counts: training finds it as well.
    """
    until = now() + MOST_SECONDS
    with Randomness(0, device).scope():
        network = UNet(work.planes, work.classes + 1, work.network)
    prepare(network, device)
    trial = _Trial(network, work, device)
    before = torch.get_num_threads()
    numbers = numbers_to_try(before) if device.type == "cpu" else (before,)
    means = []
    try:
        for threads in numbers:
            torch.set_num_threads(threads)
            means.append(_mean_step(trial, until, now))
            if now() > until:
                break
        start = now()
        trial.predict()
        forward = now() - start
    finally:
        torch.set_num_threads(before)
        release(device)
    pixels = work.batch * work.rows * work.columns
    return Pace(pixels / (WHOLE_STEP * min(means)), pixels / forward)


def _mean_step(trial: _Trial, until: float, now: Callable[[], float]) -> float:
    """Seconds of a step, the mean of several; one at least is timed."""
    trial.step()  # threads start, memory is fetched
    start, steps = now(), 0
    while True:
        trial.step()
        steps += 1
        spent = now() - start
        if (steps >= STEPS and spent >= SECONDS) or start + spent > until:
            return spent / steps


class _Trial:
    """A network, and a batch of made-up slices."""

    def __init__(self, network: UNet, work: Workload, device: torch.device) -> None:
        self._network, self._device = network, device
        self._optimiser = make_optimiser(Optimiser(lr=1e-5), list(network.parameters()))
        divisor = network.divisor
        rows, columns = (
            -(-side // divisor) * divisor for side in (work.rows, work.columns)
        )
        shape = (work.batch, work.planes, rows, columns)
        ramp = torch.linspace(-1, 1, shape[0] * shape[1] * rows * columns)
        self._images = ramp.reshape(shape).to(device)
        self._target = (self._images[:, 0] > 0).long()
        self._weight = torch.ones_like(self._images[:, 0])

    def step(self) -> None:
        """Learn from the batch, and wait until that is done."""
        with autocast(self._device):
            logits: Tensor = self._network(self._images)
        loss = dice_cross_entropy(logits.float(), self._target, self._weight)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        take_step(self._optimiser)
        loss.item()

    @torch.inference_mode()
    def predict(self) -> None:
        """Predict the batch, and wait until that is done."""
        self._network(self._images).softmax(dim=1).sum().item()
