"""The stage runner: trains a network through the stages of a plan, step by step.

::

    stages left --> StageStarted --> StepDone ... --> StageFinished --+
         ^                                                           |
         +-----------------------------------------------------------+

Closing the generator between two steps leaves the averaged weights of the running
stage in the network: a cancelled run keeps its best work.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.augment import Augment
from napari_contrastseg.learning.losses.segmentation import hard_dice
from napari_contrastseg.learning.slices import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_contrastseg.learning.randomness import Randomness
    from napari_contrastseg.learning.slices import Cohort
    from napari_contrastseg.learning.stage import Budget, Optimiser, Stage
    from napari_contrastseg.learning.unet import UNet

GRADIENT_LIMIT = 5.0


@dataclass(frozen=True)
class StageStarted:
    """A stage begins."""

    stage: str
    purpose: str


@dataclass(frozen=True)
class StepDone:
    """One step is done.

    Attributes
    ----------
    stage : str
    step : int
        From 1.
    fraction : float
        Of the stage that is done, 0 to 1.
    loss : float
    dice : float
        On the batch's known voxels; NaN where the stage has no segmentation term.
    """

    stage: str
    step: int
    fraction: float
    loss: float
    dice: float


@dataclass(frozen=True)
class StageFinished:
    """A stage has ended, after `steps` steps and `seconds` seconds."""

    stage: str
    steps: int
    seconds: float
    loss: tuple[float, ...] = field(repr=False, default=())


class Step:
    """What a term sees of one step: views, maps and logits, each computed once.

    Attributes
    ----------
    image : (copies x n, channels, h, w) float
        The views stand one after the other.
    target, weight : (copies x n, h, w)
    rng : numpy Generator
    """

    def __init__(
        self, network: UNet, views: Sequence[Batch], rng: np.random.Generator
    ) -> None:
        self._network = network
        self.image = torch.cat([view.image for view in views])
        self.target = torch.cat([view.target for view in views])
        self.weight = torch.cat([view.weight for view in views])
        self.rng = rng

    @cached_property
    def _pyramid(self) -> list[Tensor]:
        return self._network.encode(self.image)

    @cached_property
    def _maps(self) -> list[Tensor]:
        return self._network.decode(self._pyramid)

    @cached_property
    def logits(self) -> Tensor:
        """Class logits, (copies x n, classes, h, w)."""
        logits: Tensor = self._network.classifier(self._maps[-1])
        return logits

    @property
    def has_logits(self) -> bool:
        """Whether some term asked for the logits."""
        return "logits" in self.__dict__

    def map(self, tap: str) -> Tensor:
        """Return the network's map called `tap`."""
        if tap == "bottleneck":
            return self._pyramid[-1]
        return self._maps[int(tap.removeprefix("dec")) - 1]


class _Clock:
    """How far a stage is, by steps or by seconds; it stands still between steps."""

    def __init__(self, stage: Stage, budget: Budget, shares: float) -> None:
        self.seconds = 0.0
        self._since = time.perf_counter()
        self._steps = budget.steps or stage.steps
        self._limit: float | None = None
        if budget.minutes is not None:
            self._limit = 60 * budget.minutes * stage.share / shares

    def start(self) -> None:
        self._since = time.perf_counter()

    def stop(self) -> None:
        self.seconds += time.perf_counter() - self._since

    def fraction(self, step: int) -> float:
        if self._limit is not None:
            return min(self.seconds / self._limit, 1.0)
        return min(step / self._steps, 1.0)


def run_stages(
    stages: Sequence[Stage],
    network: UNet,
    cohort: Cohort,
    budget: Budget,
    randomness: Randomness,
    device: torch.device,
) -> Iterator[StageStarted | StepDone | StageFinished]:
    """Train `network` in place through `stages`, yielding after every step.

    Raises
    ------
    InputError
        A stage has no slices to learn from, the loss is no number, or the device's
        memory ran out.
    """
    shares = sum(stage.share for stage in stages)
    for stage in stages:
        yield StageStarted(stage.name, stage.purpose)
        clock = _Clock(stage, budget, shares)
        try:
            yield from _run_stage(stage, network, cohort, clock, randomness, device)
        except torch.OutOfMemoryError:
            raise InputError(
                f"{device}: its memory ran out in stage {stage.name!r}; close other "
                "programs that use it, or choose the CPU."
            ) from None


def _run_stage(
    stage: Stage,
    network: UNet,
    cohort: Cohort,
    clock: _Clock,
    randomness: Randomness,
    device: torch.device,
) -> Iterator[StepDone | StageFinished]:
    network.train()
    parameters = network.set_trainable(stage.trains)
    with randomness.scope():
        heads = [
            term.head(network).to(device) if term.head else None for term in stage.terms
        ]
    modules = nn.ModuleList([network, *(h for h in heads if h is not None)])
    parameters += [p for h in heads if h for p in h.parameters() if p.requires_grad]
    optimiser = _optimiser(stage.optimiser, parameters)
    average = _average(network, stage.ema)
    views = _views(stage, cohort, randomness, device)
    losses: list[float] = []
    step = 0
    try:
        while clock.fraction(step) < 1.0:
            _set_rate(optimiser, stage.optimiser, clock.fraction(step))
            with randomness.scope():
                seen = Step(network, next(views), randomness.numpy)
                loss = torch.stack(
                    [
                        term.weight * term.loss(seen, head)
                        for term, head in zip(stage.terms, heads, strict=True)
                    ]
                ).sum()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(modules.parameters(), GRADIENT_LIMIT)
                optimiser.step()
            step += 1
            if average is not None:
                average.update_parameters(network)
            losses.append(_checked(float(loss.detach()), stage, step))
            dice = math.nan
            if seen.has_logits:
                dice = hard_dice(seen.logits.detach(), seen.target, seen.weight)
            clock.stop()
            yield StepDone(stage.name, step, clock.fraction(step), losses[-1], dice)
            clock.start()
    finally:
        if average is not None and step:
            network.load_state_dict(average.module.state_dict())
        network.requires_grad_(requires_grad=True)
    yield StageFinished(stage.name, step, clock.seconds, tuple(losses))


def _checked(loss: float, stage: Stage, step: int) -> float:
    if not math.isfinite(loss):
        raise InputError(
            f"Training went astray (loss {loss} in stage {stage.name!r}, step {step}); "
            "check the images for extreme values, or choose another recipe."
        )
    return loss


def _views(
    stage: Stage, cohort: Cohort, randomness: Randomness, device: torch.device
) -> Iterator[list[Batch]]:
    """Endless shuffled passes over the stage's slices, augmented `copies` times.

    A slice of pseudo-labels alone joins a pass with a probability: its weight.
    """
    view = stage.view
    every = view.slices == "all"
    places = cohort.all if every else cohort.labelled
    chance = np.ones(len(places)) if every else np.asarray(cohort.earned)
    if not places:
        raise InputError(
            "No slice has labels yet; paint at least two classes on a slice first."
        )
    augment = Augment(view.augmentation, cohort.size, cohort.spec.mirror)
    queue: list[int] = []
    size = view.batch_for(*cohort.size)
    while True:
        while len(queue) < size:
            order = randomness.numpy.permutation(len(places))
            joins = randomness.numpy.random(len(places)) < chance
            queue.extend(int(i) for i in order if joins[i])
        picks, queue = queue[:size], queue[size:]
        raw = cohort.batch([places[i] for i in picks], randomness.numpy)
        batch = Batch(
            raw.image.to(device), raw.target.to(device), raw.weight.to(device)
        )
        yield [augment(batch) for _ in range(view.copies)]


def _optimiser(
    spec: Optimiser, parameters: list[nn.Parameter]
) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if spec.name == "adamw" else torch.optim.Adam
    return kind(parameters, lr=spec.lr, weight_decay=spec.weight_decay)


def _set_rate(
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


def _average(network: UNet, decay: float | None) -> AveragedModel | None:
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
