"""Train one network, of slices along one axis: from a resolved request to events."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_contrastseg.io.json import to_plain
from napari_contrastseg.learning.models.card import ModelCard
from napari_contrastseg.learning.models.voxel_size import recorded
from napari_contrastseg.learning.training.events import (
    MemoryShort,
    StageFinished,
    StepDone,
)
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.rank_processes import other_ranks
from napari_contrastseg.tasks.time_left import Estimate

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import torch

    from napari_contrastseg.learning.data.targets import TrainingVolume
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.runtime.ranks import Ranks
    from napari_contrastseg.learning.runtime.rng import Randomness
    from napari_contrastseg.learning.training.checkpoint import Checkpoints
    from napari_contrastseg.learning.training.events import RunnerEvent
    from napari_contrastseg.tasks.resolved import AxisRun, ResolvedTraining

AxisEvent = TrainingBegan | Note | Progress | StageReport


def train_axis(
    run: ResolvedTraining,
    part: AxisRun,
    volumes: Sequence[TrainingVolume],
    pretraining: Sequence[TrainingVolume] | None = None,
) -> Generator[AxisEvent, None, None]:
    """Train the network of one axis, on one device or several; as `tasks.train.train`.

    Parameters
    ----------
    run : ResolvedTraining
    part : AxisRun
        Its part for this axis.
    volumes : sequence of TrainingVolume
        The request's, or these with their labels completed.
    pretraining : sequence of TrainingVolume, optional
        As pretraining sees them, where that differs.
    """
    from napari_contrastseg.learning.runtime.device import pick_devices  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.ranks import ALONE  # noqa: PLC0415

    request = run.request
    devices = pick_devices(request.device, request.devices)
    if len(devices) == 1:
        yield from _trained(ALONE, devices[0], run, part, volumes, pretraining)
        return
    theirs = replace(run, request=replace(request, ours=_never))
    work = (theirs, part, volumes, pretraining)
    with other_ranks(_work, work, devices) as ranks:
        yield from _trained(ranks, devices[0], run, part, volumes, pretraining)


def _never() -> bool:
    """Checkpoints are not a rank's to write that does not lead."""
    return False


def _work(
    ranks: Ranks,
    device: torch.device,
    run: ResolvedTraining,
    part: AxisRun,
    volumes: Sequence[TrainingVolume],
    pretraining: Sequence[TrainingVolume] | None,
) -> None:
    """Take part in a training as one rank; the events are those of rank 0."""
    for _ in _trained(ranks, device, run, part, volumes, pretraining):
        pass


def _trained(
    ranks: Ranks,
    device: torch.device,
    run: ResolvedTraining,
    part: AxisRun,
    volumes: Sequence[TrainingVolume],
    pretraining: Sequence[TrainingVolume] | None,
) -> Generator[AxisEvent, None, None]:
    import torch

    from napari_contrastseg.learning.data.cohort import Cohort  # noqa: PLC0415
    from napari_contrastseg.learning.models.model import Model  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        leave_a_core,
        prepare,
        release,
    )
    from napari_contrastseg.learning.runtime.rng import Randomness  # noqa: PLC0415
    from napari_contrastseg.learning.training.runner import run_stages  # noqa: PLC0415

    request = run.request
    if request.spare_core and ranks.count == 1:
        leave_a_core()
    randomness, checkpoints = Randomness(request.seed, device), _checkpoints(run, part)
    for text in part.notes:
        yield Note(text)
    network = yield from _network(run, part, randomness, checkpoints)

    def cohort_of(volumes: Sequence[TrainingVolume]) -> Cohort:
        return Cohort(
            volumes,
            [c.id for c in request.classes],
            part.inputs,
            divisor=network.divisor,
            largest=run.plan.largest,
            labelled_slices=part.labelled_slices,
            device=device,
        )

    cohort = cohort_of(volumes)
    before = cohort if pretraining is None else cohort_of(pretraining)
    prepare(network, device)
    model = Model(_card(run, part), network)
    yield TrainingBegan(model, *_said(device, ranks.count))
    events = run_stages(
        part.stages,
        network,
        cohort,
        part.budget,
        randomness,
        device,
        checkpoints,
        pretraining=before,
        shared=request.spare_core,
        ranks=ranks,
        pretrained=part.start is not None and not part.start.card.known,
    )
    try:
        yield from _with_progress(events, part)
    finally:
        cohort.close()
        before.close()
        prepare(network.eval(), torch.device("cpu"))
        release(device)


def _said(device: torch.device, count: int) -> tuple[str, str]:
    """Name and description of what computes."""
    from napari_contrastseg.learning.runtime.device import describe_device  # noqa: PLC0415

    about = describe_device(device)
    if count == 1:
        return str(device), about
    return f"{count} x {device.type}", f"{count} x {about}"


def _checkpoints(run: ResolvedTraining, part: AxisRun) -> Checkpoints | None:
    """Open the folder where this network's checkpoints are kept, if they are."""
    from napari_contrastseg.learning.training.checkpoint import Checkpoints  # noqa: PLC0415

    request = run.request
    if request.keep is None:
        return None
    own = part.axis == 0
    folder = request.keep if own else request.keep / f"other-{part.axis}"
    return Checkpoints(folder, run.identity, request.ours)


def _network(
    run: ResolvedTraining,
    part: AxisRun,
    randomness: Randomness,
    checkpoints: Checkpoints | None,
) -> Generator[Note, None, UNet]:
    """Build the network, with the weights that its training begins from."""
    from napari_contrastseg.learning.models.model import (  # noqa: PLC0415
        build_network,
        copy_weights,
    )
    from napari_contrastseg.learning.networks.pretrained import load_encoder  # noqa: PLC0415

    plan, classes = run.plan, run.request.classes
    with randomness.scope():
        network = build_network(plan.network, part.inputs, len(classes))
    if part.start is not None:
        copy_weights(part.start, network, classes)
        return network
    path = plan.encoder_weights
    if path and (checkpoints is None or checkpoints.load() is None):
        load_encoder(path, network)
        yield Note(f"The encoder begins with the weights in {path}.")
    return network


def _card(run: ResolvedTraining, part: AxisRun) -> ModelCard:
    """Record how the model is made."""
    request, plan = run.request, run.plan
    return ModelCard(
        recipe=request.recipe,
        preset=request.preset,
        settings=to_plain(run.settings),
        classes=request.classes,
        input=part.inputs,
        network=plan.network,
        mirror_at_test=plan.mirror_at_test,
        seed=request.seed,
        learned=part.learned,
        training={
            "continued": part.start is not None,
            "labelled_slices": part.labelled_slices,
            **recorded([entry.volume for entry in request.volumes]),
        },
    )


def _with_progress(
    events: Generator[RunnerEvent, None, None], part: AxisRun
) -> Generator[Progress | StageReport | Note, None, None]:
    """Turn the runner's events into progress over all stages, with an estimate."""
    estimate = Estimate(part.stages, part.budget)
    purposes = {stage.name: stage.purpose for stage in part.stages}
    try:
        for event in events:
            match event:
                case StepDone():
                    done, eta = estimate.after(event.fraction, time.perf_counter())
                    dice = None if math.isnan(event.dice) else event.dice
                    yield Progress(event.stage, done, eta, event.loss, dice)
                case StageFinished():
                    estimate.next_stage()
                    yield StageReport(
                        name=event.stage,
                        steps=event.steps,
                        seconds=event.seconds,
                        loss=event.loss,
                        purpose=purposes[event.stage],
                    )
                case MemoryShort():
                    yield Note(
                        "The device's memory ran short; each batch is worked through "
                        f"in {event.parts} parts from now on."
                    )
    finally:
        events.close()
