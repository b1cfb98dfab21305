"""Training loop: runs a network through the stages of a plan, step by step.

::

    stages left --> StageStarted --> StepDone ... --> StageFinished --+
         ^                                                           |
         +-----------------------------------------------------------+

Closing the generator between two steps leaves the averaged weights of the running
stage in the network, or those of the stage before where this one reinitialised the
weights: a cancelled run keeps its best network.
"""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.sampler import Views
from napari_contrastseg.learning.losses.segmentation import hard_dice
from napari_contrastseg.learning.networks.unet import reinitialise
from napari_contrastseg.learning.runtime.device import (
    autocast,
    is_asynchronous,
    kept_memory,
    memory_error,
    release,
)
from napari_contrastseg.learning.runtime.ranks import ALONE, Ranks
from napari_contrastseg.learning.runtime.threads import (
    MeasuredThreads,
    measured_threads,
)
from napari_contrastseg.learning.terms.step import Step
from napari_contrastseg.learning.training.checkpoint import (
    FORMAT,
    FinishedStage,
    Position,
    State,
    generator_state,
    on_cpu,
    save_between,
    set_generator_state,
)
from napari_contrastseg.learning.training.events import (
    MemoryShort,
    StageFinished,
    StageStarted,
    StepDone,
)
from napari_contrastseg.learning.training.optim import (
    Average,
    Clock,
    make_optimiser,
    set_rate,
    take_step,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from napari_contrastseg.learning.data.batch import Batch
    from napari_contrastseg.learning.data.cohort import Cohort
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.plan.stage import Budget, Stage
    from napari_contrastseg.learning.runtime.rng import Randomness
    from napari_contrastseg.learning.training.checkpoint import Checkpoints
    from napari_contrastseg.learning.training.events import RunnerEvent

GRADIENT_LIMIT = 5.0
#: Seconds between two reports of progress where waiting for the device costs time.
REPORT_SECONDS = 0.2


def run_stages(  # noqa: PLR0913  one keyword an option
    stages: Sequence[Stage],
    network: UNet,
    cohort: Cohort,
    budget: Budget,
    randomness: Randomness,
    device: torch.device,
    checkpoints: Checkpoints | None = None,
    *,
    pretraining: Cohort | None = None,
    shared: bool = False,
    ranks: Ranks = ALONE,
    pretrained: bool = False,
) -> Generator[RunnerEvent, None, None]:
    """Train `network` in place through `stages`, yielding after every step.

    Pretraining learns from a cohort of its own, where there is one. With `shared` cores
    one is left free while a person uses the window. Processes that share the run call
    this alike, each with a device of its own; all keep the time of the first.
    A stage that starts over takes the weights that pretraining has left, in this
    run or, where the network comes `pretrained`, before it; else from random ones.

    On a GPU steps follow each other without waiting, and a `StepDone` comes a few times
    a second for the last of several. With `checkpoints` the run resumes from the last
    one of the same run, and writes more on its way, the last one when it is closed.
    Stages of minutes on a CPU compute with the number of threads that is the fastest
    there; stages of steps with the number that there was, so that a run can be
    repeated bit for bit.

    Raises
    ------
    InputError
        A stage has no slices to learn from, or the loss is not finite.
    DeviceMemoryError
        The memory of the device or of the computer ran out, slice by slice even; or at
        once, where several devices share the run.
    RankLostError
        Another process of the run has ended.
    """
    lengths = budget.lengths(stages)
    state = checkpoints.load() if checkpoints is not None else None
    ranks.meet()  # nobody writes the next checkpoint before all have read the last
    if state is not None:  # whoever stops us now finds what was learned
        network.load_state_dict(state.part("network."))
    finished = list(state.position.finished) if state is not None else []
    for old in finished:
        yield StageStarted(old.name, "")
        yield StageFinished(old.name, old.steps, old.seconds, old.loss)
    first = state.position.stage if state is not None else 0
    if state is not None and not state.position.step:
        randomness.set_states(state.part("random."))
        set_generator_state(randomness.numpy, state.position.numpy)
    begun = state.part("begun.") if state is not None else {}
    for number, stage in enumerate(stages[first:], start=first):
        after = number and stages[number - 1].purpose == "pretrain"
        if stage.purpose == "fine-tune" and (after or (pretrained and not number)):
            again = any(later.reinitialise for later in stages[number:])
            begun = begun or (on_cpu(network.state_dict()) if again else {})
        yield StageStarted(stage.name, stage.purpose)
        clock = Clock(lengths[number])
        own = pretraining if stage.purpose == "pretrain" else None
        slices = own or cohort
        run = _StageRun(
            stage, network, slices, clock, randomness, device, ranks, begun=begun
        )
        run.keep_in(checkpoints, number, tuple(finished))
        timed = lengths[number].minutes is not None
        if state is not None and state.position.step and number == first:
            run.restore(state)
        alone = ranks.count == 1
        choice = measured_threads(device, wanted=timed and alone, shared=shared)
        with kept_memory(device), choice as threads:
            yield from run.steps(threads)
        losses = tuple(run.losses)
        finished.append(FinishedStage(stage.name, run.step, clock.seconds, losses))
        if checkpoints is not None:
            save_between(checkpoints, number + 1, finished, network, randomness, begun)
        yield StageFinished(stage.name, run.step, clock.seconds, losses)


class _StageRun:
    """One running stage: everything that changes from step to step."""

    def __init__(
        self,
        stage: Stage,
        network: UNet,
        cohort: Cohort,
        clock: Clock,
        randomness: Randomness,
        device: torch.device,
        ranks: Ranks = ALONE,
        *,
        begun: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.stage, self.network, self.clock = stage, network, clock
        self.randomness, self.device, self.ranks = randomness, device, ranks
        self._begun = begun or {}
        network.train()
        network.zero_grad(set_to_none=True)  # else clipping counts the last stage's
        self.teacher: UNet | None = None
        if stage.teacher == "snapshot":
            self.teacher = copy.deepcopy(network).requires_grad_(requires_grad=False)
        if stage.reinitialise:
            with randomness.scope():
                reinitialise(network)
            if begun:
                network.load_state_dict(begun)
        parameters = network.set_trainable(stage.trains)
        with randomness.scope():
            self.terms = [term.build(network).to(device) for term in stage.terms]
        self.modules = nn.ModuleList([network, *self.terms])
        heads = [p for term in self.terms for p in term.parameters()]
        parameters += [p for p in heads if p.requires_grad]
        self.optimiser = make_optimiser(stage.optimiser, parameters)
        self.average = Average(network, stage.ema) if stage.ema is not None else None
        views = [stage.view]
        self.labelled_slices = cohort.labelled_slices
        enough = stage.min_labelled <= self.labelled_slices < stage.max_labelled
        if stage.unlabelled_view is not None and enough:
            views.append(stage.unlabelled_view)
        self.streams = [Views(view, cohort, randomness, device) for view in views]
        self.losses: list[float] = []
        self._waiting: list[Tensor] = []  # losses that are still on the device
        self._reported = time.perf_counter()
        self.step, self.parts, self._parts_told = 0, 1, 1
        self._checkpoints: Checkpoints | None = None
        self._number = 0
        self._finished: tuple[FinishedStage, ...] = ()

    def steps(
        self, threads: MeasuredThreads | None
    ) -> Iterator[StepDone | MemoryShort]:
        """Train; when closed, leave the best weights in the network."""
        try:
            while self._goes_on():
                before = self.clock.seconds
                loss, dice = self._one_step()
                self._waiting.append(loss)
                self.clock.stop()
                self.clock.start()
                if threads is not None:
                    threads.after(self.clock.seconds - before)
                fraction = self.clock.fraction(self.step)
                if not self._reports(fraction):
                    continue
                self._collect()
                self.clock.stop()
                if self._checkpoints is not None and self._checkpoints.due:
                    self.save()
                try:
                    if self.parts != self._parts_told:
                        self._parts_told = self.parts
                        yield MemoryShort(self.stage.name, self.parts)
                    yield StepDone(
                        self.stage.name,
                        self.step,
                        fraction,
                        self.losses[-1],
                        float(dice),
                    )
                except GeneratorExit:
                    self.save()
                    raise
                self._reported = time.perf_counter()
                self.clock.start()
        finally:
            best = self._best()
            if best is not None:
                self.network.load_state_dict(best.state_dict())
            self.network.requires_grad_(requires_grad=True)

    def _goes_on(self) -> bool:
        """Whether there is more to do; all ranks go by the time of the first."""
        self.clock.seconds = self.ranks.agreed(self.clock.seconds)
        return self.clock.fraction(self.step) < 1.0

    def _best(self) -> UNet | None:
        """Return what is better than the weights of the last step, if anything is."""
        unfinished = self.clock.fraction(self.step) < 1.0
        if self.stage.reinitialise and self.teacher is not None and unfinished:
            return self.teacher  # new weights have not caught up yet
        if self.average is None or not self.stage.keeps_average or not self.step:
            return None
        return self.average.module

    def _reports(self, fraction: float) -> bool:
        """Whether to wait for the device and report progress after this step."""
        if not is_asynchronous(self.device):
            return True
        spent = time.perf_counter() - self._reported
        return spent > REPORT_SECONDS or fraction >= 1.0

    def _collect(self) -> None:
        """Read the losses of the steps since the last report."""
        found = torch.stack(self._waiting).tolist() if self._waiting else []
        self._waiting.clear()
        for loss in found:
            self.losses.append(_checked(loss, self.stage, len(self.losses) + 1))

    def _one_step(self) -> tuple[Tensor, Tensor]:
        """Take one step, in smaller parts where the device's memory runs short."""
        before = generator_state(self.randomness.numpy)
        queues = [list(views.queue) for views in self.streams]
        raw = [views.draw() for views in self.streams]
        drawn = generator_state(self.randomness.numpy)
        buffers = [buffer.clone() for buffer in self.modules.buffers()]
        while True:  # draw() has guards of its own; the clones are a few kilobytes
            try:
                loss, dice = self._try_step(raw)
            except (MemoryError, RuntimeError) as error:
                where = f" in stage {self.stage.name!r}"
                short = memory_error(error, self.device, where)
                if short is None:
                    raise
                self.optimiser.zero_grad(set_to_none=True)
                release(self.device)
                for buffer, old in zip(self.modules.buffers(), buffers, strict=True):
                    buffer.copy_(old)  # norms and heads had already seen the batch
                if self._is_at_an_end(raw):
                    for views, queue in zip(self.streams, queues, strict=True):
                        views.queue = queue
                    set_generator_state(self.randomness.numpy, before)
                    self.parts = 1  # the next device may hold more
                    if self.step:
                        self._collect()
                        self.save()
                    raise short from None
                raw = [
                    views.leave_device(part)
                    for views, part in zip(self.streams, raw, strict=True)
                ]
                self.parts *= 2
                set_generator_state(self.randomness.numpy, drawn)
                continue
            self.step += 1
            if self.average is not None:
                self.average.update(self.network)
            return loss, dice

    def _is_at_an_end(self, raw: Sequence[Batch]) -> bool:
        """Whether smaller parts cannot help; other ranks would not hear of them."""
        slices = len(raw[0].image) * self.stage.view.copies
        return self.parts >= slices or self.ranks.count > 1

    def _try_step(self, raw: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        fraction = self.clock.fraction(self.step)
        set_rate(self.optimiser, self.stage.optimiser, fraction)
        with self.randomness.scope():
            seen = self._seen(raw, fraction)
            terms = zip(self.stage.terms, self.terms, strict=True)
            with autocast(self.device):
                losses = [term.weight_at(fraction) * loss(seen) for term, loss in terms]
            loss = torch.stack(losses).sum()
            self.optimiser.zero_grad(set_to_none=True)
            seen.backward(loss)
            self.ranks.average_gradients(self.modules.parameters())
            nn.utils.clip_grad_norm_(self.modules.parameters(), GRADIENT_LIMIT)
            take_step(self.optimiser)
        dice = torch.tensor(math.nan)
        if seen.has_logits:
            own = slice(seen.own)
            dice = hard_dice(
                seen.logits[own].detach(), seen.target[own], seen.weight[own]
            )
        return loss.detach(), dice

    def _seen(self, raw: Sequence[Batch], fraction: float) -> Step:
        views = [
            stream.augmented(part)
            for stream, part in zip(self.streams, raw, strict=True)
        ]
        teacher = self.teacher
        if self.stage.teacher == "ema" and self.average is not None:
            teacher = self.average.module
        return Step(
            self.network,
            views[0],
            self.randomness.numpy,
            self.parts,
            unlabelled=views[1] if len(views) > 1 else (),
            teacher=teacher,
            fraction=fraction,
            labelled_slices=self.labelled_slices,
            ranks=self.ranks,
        )

    # -- checkpoints -----------------------------------------------------------

    def keep_in(
        self,
        checkpoints: Checkpoints | None,
        number: int,
        finished: tuple[FinishedStage, ...],
    ) -> None:
        """Write checkpoints from now on; this is stage `number`."""
        self._checkpoints = checkpoints
        self._number, self._finished = number, finished

    def save(self) -> None:
        """Write a checkpoint of the last step that was completed."""
        if self._checkpoints is None:
            return
        position = Position(
            format=FORMAT,
            identity=self._checkpoints.identity,
            stage=self._number,
            step=self.step,
            seconds=self.clock.seconds,
            parts=self.parts,
            loss=tuple(self.losses),
            queues=tuple(tuple(views.queue) for views in self.streams),
            numpy=generator_state(self.randomness.numpy),
            finished=self._finished,
            tensors=f"{self._number}-{self.step}.safetensors",
        )
        self._checkpoints.save(State(position, self._tensors()))

    def _tensors(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        named: dict[str, nn.Module | None] = {
            "network.": self.network,
            "average.": self.average,
            "teacher.": self.teacher,
        }
        named |= {f"head.{i}.": term.head for i, term in enumerate(self.terms)}
        for prefix, module in named.items():
            if module is not None:
                found |= {prefix + k: v for k, v in module.state_dict().items()}
        for index, values in self.optimiser.state_dict()["state"].items():
            found |= {f"optimiser.{index}.{k}": v for k, v in values.items()}
        found |= {f"random.{k}": v for k, v in self.randomness.states().items()}
        found |= {f"begun.{k}": v for k, v in self._begun.items()}
        return on_cpu(found)

    def restore(self, state: State) -> None:
        """Resume the stage from a checkpoint."""
        position = state.position
        self.network.load_state_dict(state.part("network."))
        if self.average is not None:
            self.average.load_state_dict(state.part("average."))
        if self.teacher is not None:
            self.teacher.load_state_dict(state.part("teacher."))
        for number, term in enumerate(self.terms):
            term.head.load_state_dict(state.part(f"head.{number}."))
        moments: dict[int, dict[str, Tensor]] = {}
        trained = [p for group in self.optimiser.param_groups for p in group["params"]]
        for name, tensor in state.part("optimiser.").items():
            index, _, key = name.partition(".")
            moment = tensor
            if tensor.ndim:  # fused optimisers want the order in memory of the weights
                moment = torch.empty_like(trained[int(index)]).copy_(tensor)
            moments.setdefault(int(index), {})[key] = moment
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict(whole | {"state": moments})
        self.randomness.set_states(state.part("random."))
        set_generator_state(self.randomness.numpy, position.numpy)
        for views, queue in zip(self.streams, position.queues, strict=True):
            views.go_on(queue)
        self.step = position.step
        self.parts = position.parts if self.ranks.count == 1 else 1
        self._parts_told = self.parts
        self.losses = list(position.loss)
        self.clock.seconds = position.seconds
        self.clock.start()


def _checked(loss: float, stage: Stage, step: int) -> float:
    if not math.isfinite(loss):
        raise InputError(
            f"Training diverged (loss = {loss} in stage {stage.name!r}, step {step}); "
            "lower the learning rate in the recipe's settings, check the images for "
            "extreme values, or choose another recipe."
        )
    return loss
