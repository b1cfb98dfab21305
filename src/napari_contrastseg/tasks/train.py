"""Training as a task: a frozen request in, events out."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json_file import plain
from napari_contrastseg.io.volume import spacing_note
from napari_contrastseg.learning.card import ModelCard
from napari_contrastseg.learning.labels import check_labels
from napari_contrastseg.learning.planes import input_spec, other_axes
from napari_contrastseg.learning.stage import Budget, stages_of
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from napari_contrastseg.learning.card import ModelClass
    from napari_contrastseg.learning.labels import TrainingVolume
    from napari_contrastseg.learning.model import Model
    from napari_contrastseg.learning.stage import Plan, Purpose, Stage

#: Longest side of the patches trained on, by default.
LARGEST_PATCH = 256
#: Minutes that each axis has where time is given; with less, one network has it all.
MINUTES_ON_CPU, MINUTES_ON_GPU = 4.0, 0.5
#: Slices of each image that a request's fingerprint looks at.
LOOKS = 8


@dataclass(frozen=True, eq=False)
class TrainRequest:
    """All that training needs, frozen.

    Attributes
    ----------
    volumes : sequence of TrainingVolume
        Labelled ones and, for pretraining, unlabelled ones.
    classes : tuple of ModelClass
    axis : int
        Slice axis in canonical order.
    recipe, preset : str
    settings : object, optional
        A recipe's settings, in place of the preset's.
    purposes : tuple
        Which of the recipe's stages to run. Asked for both, training that continues
        `start` only fine-tunes.
    start : Model, optional
        Weights to begin from. Classes may have come or gone since; with another
        network or other channels training begins anew, and a Note says so. So do
        axes of which it has no network.
    keep : Path, optional
        Folder for checkpoints. A run that finds one of the very same request there
        goes on from it; when all is done the folder is for the caller to delete.
    ours : callable
        Whether `keep` is still ours to write; asked in the training's thread.
    """

    volumes: Sequence[TrainingVolume]
    classes: tuple[ModelClass, ...]
    axis: int
    recipe: str
    preset: str = "sound"
    settings: Any = None
    purposes: tuple[Purpose, ...] = ("pretrain", "fine-tune")
    budget: Budget = field(default_factory=Budget)
    device: str = "auto"
    seed: int = 0
    start: Model | None = None
    largest: int = LARGEST_PATCH
    spare_core: bool = False
    keep: Path | None = None
    ours: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class TrainingBegan:
    """The model that is being trained, in place.

    Whenever the task ends, its network holds the best weights so far.

    Attributes
    ----------
    device, about : str
        Where it is trained, and that in words, with the memory that is free.
    """

    model: Model
    device: str
    about: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a task is.

    Attributes
    ----------
    stage : str
    fraction : float
        Of the whole task, 0 to 1.
    eta : float or None
        Seconds that are left, estimated.
    loss, dice : float or None
    """

    stage: str
    fraction: float
    eta: float | None = None
    loss: float | None = None
    dice: float | None = None


@dataclass(frozen=True)
class Note:
    """Something a person should know; the task goes on."""

    text: str


@dataclass(frozen=True)
class StageReport:
    """A stage that is over."""

    name: str
    steps: int
    seconds: float
    loss: tuple[float, ...]
    axis: int | None = None


def plan_of(request: TrainRequest) -> tuple[Plan, tuple[Stage, ...], Any]:
    """Resolve recipe and preset; returns the plan, the stages to run, the settings.

    Raises
    ------
    InputError
        There is no such recipe or preset, or nothing of it is to be run.
    """
    recipe = recipe_named(request.recipe)
    settings = request.settings or settings_of(recipe, request.preset)
    plan = recipe.plan(settings)
    stages = stages_of(plan, request.purposes)
    if not stages:
        raise InputError(
            f"Recipe {recipe.name} has no pretraining stage; press Fine-tune, or "
            "choose another recipe."
        )
    request.budget.check(stages)
    return plan, stages, settings


def train(
    request: TrainRequest,
) -> Generator[TrainingBegan | Note | Progress | StageReport, None, None]:
    """Train a network as requested, and those of other axes that the recipe wants.

    Those come after; the model has them when they are done, each for itself.

    Yields
    ------
    TrainingBegan once, Progress after every step, StageReport after every stage.

    Raises
    ------
    InputError
        Nothing or a single class is labelled, or an image cannot be used.
    """
    axes = _axes(request)
    identity = identity_of(request)  # of all: the parts depend on the device
    if request.start is not None and request.start.others and len(axes) == 1:
        yield Note(
            "Only the network of the slice axis is trained this time; those of the "
            "other axes are left out. More minutes, or volumes labelled whole, bring "
            "them back."
        )
    first: Model | None = None
    for number, axis in enumerate(axes):
        began = time.perf_counter()
        model: Model | None = None
        for event in _train_along(_part(request, axis, len(axes)), identity):
            if isinstance(event, TrainingBegan):
                model = event.model
                if first is None:
                    yield event
            elif isinstance(event, Progress):
                spent = time.perf_counter() - began
                yield _of_all(event, number, len(axes), spent)
            elif isinstance(event, StageReport):
                yield replace(event, axis=axis)
            else:
                yield event
        if first is None:
            first = model
        elif model is not None:
            first.others.append(model)


def _axes(request: TrainRequest) -> tuple[int, ...]:
    """Axes along which networks are to learn, the slice axis first."""
    from napari_contrastseg.learning.device import pick_device  # noqa: PLC0415

    own = (request.axis,)
    plan, stages, _ = plan_of(request)
    if not plan.every_axis or all(stage.purpose != "fine-tune" for stage in stages):
        return own
    axes = own + other_axes(request.volumes, request.axis)
    timed = [length.minutes for length in request.budget.lengths(stages)]
    on_cpu = pick_device(request.device).type == "cpu"
    needed = MINUTES_ON_CPU if on_cpu else MINUTES_ON_GPU
    minutes = sum(m for m in timed if m is not None)
    short = any(m is not None for m in timed) and minutes < needed * len(axes)
    return own if short else axes


def _part(request: TrainRequest, axis: int, parts: int) -> TrainRequest:
    """Make the request for one of the axes."""
    start, keep = request.start, request.keep
    if start is not None:
        start = start.along(axis) or (start if axis == request.axis else None)
    if keep is not None and axis != request.axis:
        keep = keep / f"axis-{axis}"
    budget = request.budget.shared_by(parts)
    return replace(request, axis=axis, budget=budget, start=start, keep=keep)


def _of_all(progress: Progress, number: int, parts: int, spent: float) -> Progress:
    """Turn the progress along one of the axes into that of all."""
    if parts == 1:
        return progress
    eta = progress.eta
    if eta is not None:
        eta += (spent + eta) * (parts - 1 - number)
    stage = f"{progress.stage} ({number + 1} of {parts} axes)"
    fraction = (number + progress.fraction) / parts
    return replace(progress, stage=stage, fraction=fraction, eta=eta)


def _train_along(
    request: TrainRequest, identity: str
) -> Generator[TrainingBegan | Note | Progress | StageReport, None, None]:
    import torch

    from napari_contrastseg.learning import model as models  # noqa: PLC0415
    from napari_contrastseg.learning.checkpoint import (  # noqa: PLC0415
        Checkpoints,
    )
    from napari_contrastseg.learning.device import (  # noqa: PLC0415
        describe_device,
        leave_a_core,
        pick_device,
        prepare,
        release,
    )
    from napari_contrastseg.learning.randomness import Randomness  # noqa: PLC0415
    from napari_contrastseg.learning.runner import run_stages  # noqa: PLC0415
    from napari_contrastseg.learning.slices import Cohort  # noqa: PLC0415

    plan, stages, settings = plan_of(request)
    supervised = any(stage.view.slices == "labelled" for stage in stages)
    if supervised:
        check_labels(request.volumes)
    device = pick_device(request.device)
    if request.spare_core:
        leave_a_core()
    inputs = input_spec(
        [v.volume for v in request.volumes], request.axis, plan.neighbours
    )
    randomness = Randomness(request.seed, device)
    with randomness.scope():
        network = models.build_network(plan.network, inputs, len(request.classes))
    begun = request.start is not None and models.continues(request.start, network)
    if request.start is not None and begun:
        models.take_over(request.start, network, request.classes)
        if "fine-tune" in request.purposes:
            stages = stages_of(plan, ("fine-tune",))
    elif request.start is not None:
        yield Note(
            "The weights so far are of another network or other channels; training "
            "begins anew."
        )
    cohort = Cohort(
        request.volumes,
        [c.id for c in request.classes],
        inputs,
        divisor=network.divisor,
        largest=request.largest,
        device=device,
    )
    stages = tuple(stage.for_slices(cohort.with_truth) for stage in stages)
    card = ModelCard(
        recipe=request.recipe,
        preset=request.preset,
        settings=plain(settings),
        classes=request.classes,
        input=inputs,
        network=plan.network,
        mirror_at_test=plan.mirror_at_test,
        seed=request.seed,
        training={
            "continued": begun,
            "labelled_slices": cohort.with_truth,
        },
    )
    odd = spacing_note([v.volume for v in request.volumes], request.axis)
    if odd is not None:
        yield Note(odd)
    prepare(network, device)
    model = models.Model(card, network)
    yield TrainingBegan(model, str(device), describe_device(device))
    checkpoints = None
    if request.keep is not None:
        checkpoints = Checkpoints(request.keep, identity, request.ours)
    try:
        yield from _with_progress(
            run_stages(
                stages,
                network,
                cohort,
                request.budget,
                randomness,
                device,
                checkpoints,
            ),
            stages,
            request.budget,
        )
    finally:
        cohort.close()
        prepare(network.eval(), torch.device("cpu"))
        release(device)


def identity_of(request: TrainRequest) -> str:
    """Give a fingerprint of all that decides the weights; the device is free."""
    digest = hashlib.blake2b(digest_size=16)
    _, stages, settings = plan_of(request)
    about = [
        request.recipe,
        str(plain(settings)),
        [stage.name for stage in stages],
        [c.id for c in request.classes],
        [request.axis, request.seed, request.largest],
        plain(request.budget),
    ]
    digest.update(json.dumps(about, default=str).encode())
    if request.start is not None:
        for tensor in request.start.network.state_dict().values():
            digest.update(tensor.cpu().numpy().tobytes())
    for entry in request.volumes:
        volume = entry.volume
        shapes = [(c.shape, str(c.dtype)) for c in volume.data]
        digest.update(f"{volume.id!a} {shapes} {volume.affine.tolist()}".encode())
        for index in np.linspace(0, volume.shape[0] - 1, LOOKS).astype(int):
            digest.update(volume.slice(0, int(index)).tobytes())
        for array in (entry.target, entry.weight):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _with_progress(
    events: Generator[Any, None, None] | Any,
    stages: Sequence[Stage],
    budget: Budget,
) -> Generator[Progress | StageReport | Note, None, None]:
    """Turn the runner's events into progress over all stages, with an estimate."""
    estimate = Estimate(stages, budget)
    try:
        for event in events:
            if hasattr(event, "parts"):
                yield Note(
                    "The device's memory ran short; each batch is worked through in "
                    f"{event.parts} parts from now on."
                )
            elif hasattr(event, "fraction"):
                fraction, eta = estimate.after(event.fraction, time.perf_counter())
                dice = None if np.isnan(event.dice) else event.dice
                yield Progress(event.stage, fraction, eta, event.loss, dice)
            elif hasattr(event, "seconds"):
                estimate.next_stage()
                yield StageReport(event.stage, event.steps, event.seconds, event.loss)
    finally:
        events.close()
