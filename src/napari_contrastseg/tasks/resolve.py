"""Resolve a training request: recipe, stages, pixel size, slice axes, budgets, notes.

::

    TrainRequest --resolve--> ResolvedTraining --train--> events
    what is asked for         what will be done, in the minutes that there are

Everything that follows from a request and its labels is decided here, once; training
reads it. Free of torch until a recipe's terms are made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.volume import spacing_note
from napari_contrastseg.learning.data.slice_axes import (
    ENOUGH,
    ENOUGH_WITH_INTERPOLATION,
    Obstacle,
    count_labelled_slices,
    input_spec,
    labelled_whole,
    obstacle,
)
from napari_contrastseg.learning.data.targets import (
    check_labels,
    has_labels,
    labelled_values,
)
from napari_contrastseg.learning.plan.stage import stages_of
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.fingerprint import fingerprint
from napari_contrastseg.tasks.interpolation import interpolates_most
from napari_contrastseg.tasks.pace import HOLDS, PACES
from napari_contrastseg.tasks.preparation import prepared
from napari_contrastseg.tasks.time_plan import Preparation, less_prediction, time_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_contrastseg.learning.data.input_spec import InputSpec
    from napari_contrastseg.learning.models.card import ModelClass
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.plan.pace import Pace, Workload
    from napari_contrastseg.learning.plan.stage import Budget, Plan, Stage
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.time_plan import Measure, StageLeftOut, TimePlan

#: Length of fine-tuning on completed labels, in that of the first network.
SHARE = 1 / 3
#: Said where networks of other axes, which there were before, are not trained.
ONE_AXIS_ONLY = (
    "Only the network of the slice axis is trained this time; those of the other axes "
    "are left out."
)
_SHAPE = "Volumes with long voxels, few slices or very many have that one alone."
_OTHER_NETWORK = (
    "The weights so far are of another network or other channels; training starts over."
)
_LEARNED = (
    "The network begins with what it has learned from the images alone, so that stage "
    "{} is left out."
)


class LabelSource(StrEnum):
    """Where the labels that a network learns from come from."""

    PERSON = "labelled by a person"
    FIRST_NETWORK = "completed by the first network"


@dataclass(frozen=True, eq=False)
class AxisRun:
    """The training of one network, of slices along one axis.

    Attributes
    ----------
    axis : int
        0 for slices along each volume's slice axis, 1 and 2 for the others.
    share : float
        Part that this network has of the length of all.
    labels : LabelSource
    labelled_slices : int
        How many a person labelled; stages are as long as that many deserve.
    budget : Budget
        With this network's part of the minutes.
    inputs : InputSpec
        Channels and pixel size of the network.
    start : Model, optional
        Weights that training continues; without, the network begins from random ones.
    stages : tuple of Stage
        Those that are run, each with its length.
    notes : tuple of str
        What a person should know when this training begins.
    learned : tuple of int
        Ids of the classes that its model will know: those that are labelled, and what
        `start` knew.
    left_out : tuple of StageLeftOut
        Stages that the minutes hold too few steps of; they take no time.
    steps : int or None
        How many steps the minutes hold, where the pace was measured.
    """

    axis: int
    share: float
    labels: LabelSource
    labelled_slices: int
    budget: Budget
    inputs: InputSpec
    start: Model | None
    stages: tuple[Stage, ...]
    notes: tuple[str, ...]
    learned: tuple[int, ...]
    left_out: tuple[StageLeftOut, ...] = ()
    steps: int | None = None


@dataclass(frozen=True, eq=False)
class ResolvedTraining:
    """What a request will do.

    Attributes
    ----------
    request : TrainRequest
    settings : object
        The recipe's, with the pixel size (`coarser`) chosen.
    plan : Plan
        Of these settings.
    stages : tuple of Stage
        The plan's that were asked for; each network's own are in `AxisRun.stages`.
    axes : tuple of AxisRun
        One a network, the slice axis first.
    left_out : Obstacle, optional
        Why the networks of other axes that the recipe wants are not trained.
    enough : int
        Labelled slices from which on there are networks of other axes.
    minutes_for_all : float, optional
        Minutes from which on there is a network of every axis, where time decides.
    notes : tuple of str
        What a person should know before all begins.
    training_seconds, prediction_seconds : float
        Estimated, by the pace of this computer where it was measured.
    """

    request: TrainRequest
    settings: Any
    plan: Plan
    stages: tuple[Stage, ...]
    axes: tuple[AxisRun, ...]
    left_out: Obstacle | None = None
    enough: int = ENOUGH
    minutes_for_all: float | None = None
    notes: tuple[str, ...] = ()
    training_seconds: float = 0.0
    prediction_seconds: float = 0.0

    @cached_property
    def identity(self) -> str:
        """Fingerprint of what was asked for, before anything is chosen.

        The choices depend on the device. It reads images and labels, which takes a
        while: a run needs it, a look at what will be done does not.
        """
        return fingerprint(self.request, _settings_asked(self.request), self.stages)


def resolve_here(
    request: TrainRequest, oldest: float = HOLDS, *, begins: bool = True
) -> ResolvedTraining:
    """Resolve a request for this computer, with the device that it asks for.

    Where minutes are to be spent, some training steps are timed before, which takes a
    few seconds, unless that was done within the `oldest` seconds. Where training
    `begins` now, what it needs first is worked out, too: the minutes began with it.

    Raises
    ------
    InputError
        As `resolve` does, or there is no such device.
    """
    began = time.perf_counter()
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        pick_device,
        use_all_cores,
    )

    device = pick_device(request.device)

    def measure(work: Workload) -> Pace:
        if request.spare_core:  # a click just now is not work that goes on
            use_all_cores()
        return PACES.of(work, device, oldest)

    def prepare() -> Preparation:
        return prepared(request, began)

    return resolve(
        request,
        on_cpu=device.type == "cpu",
        measure=measure,
        prepare=prepare if begins else Preparation,
    )


def resolve(
    request: TrainRequest,
    *,
    on_cpu: bool,
    measure: Measure | None = None,
    prepare: Callable[[], Preparation] = Preparation,
) -> ResolvedTraining:
    """Decide everything that follows from a request and its labels.

    Parameters
    ----------
    request : TrainRequest
    on_cpu : bool
        Whether the device is a CPU, where the same minutes hold fewer steps.
    measure : callable, optional
        Finds the pace of the computer, where minutes are to be spent; else guessed.
    prepare : callable
        Works out what training needs first, where minutes are to be spent.

    Raises
    ------
    InputError
        There is no such recipe, preset or stage, nothing of it is to be run, too
        little is labelled, or the images do not go together.
    """
    settings, plan, stages = _recipe(request)
    if any(stage.view.slices == "labelled" for stage in stages):
        check_labels(request.volumes)
    labels = _Labels.of(request, every_axis=plan.every_axis)
    blocked = _obstacle(request, labels) if plan.every_axis else None
    timed = _minutes(request.budget, stages) is not None
    preparation = prepare() if timed else Preparation()

    def planned(plan: Plan) -> TimePlan:
        return time_plan(
            request,
            plan,
            stages,
            labels.slices,
            on_cpu=on_cpu,
            measure=measure,
            preparation=preparation,
        )

    asked = plan
    plan = _with_pixels(request, asked, every_axis=plan.every_axis and blocked is None)
    times = planned(plan)
    axes, left_out, minutes = _axes(request, plan, stages, blocked, labels, times)
    if left_out == Obstacle.TIME:
        plan = _with_pixels(request, asked, every_axis=False)
        times = planned(plan)
    run = ResolvedTraining(
        request=request,
        settings=replace(settings, coarser=plan.coarser),
        plan=plan,
        stages=stages,
        axes=(),
        left_out=left_out,
        enough=labels.enough,
        minutes_for_all=minutes,
        notes=_notes(request, left_out, labels.enough),
    )
    parts = _axis_runs(run, axes, labels, times)
    return replace(
        run,
        axes=parts,
        notes=(*run.notes, *_unlabelled(request, parts[0])),
        training_seconds=sum(
            times.training_seconds(part.budget, part.stages) for part in parts
        ),
        prediction_seconds=times.answering(len(axes)),
    )


@dataclass(frozen=True)
class _Labels:
    """What is labelled: classes; slices along the slice axis; whether whole volumes.

    So many slices are `enough` to complete the volumes for the other axes.
    """

    classes: frozenset[int]
    slices: int
    whole: bool
    enough: int

    @classmethod
    def of(cls, request: TrainRequest, *, every_axis: bool) -> _Labels:
        """Look through the labels; whole volumes matter to other axes alone."""
        slices = count_labelled_slices(request.volumes)
        helped = every_axis and interpolates_most(request)
        ids = {entry.id for entry in request.classes}
        return cls(
            frozenset(labelled_values(request.volumes) & ids),
            slices,
            every_axis and labelled_whole(request.volumes),
            ENOUGH_WITH_INTERPOLATION if helped else ENOUGH,
        )


def _settings_asked(request: TrainRequest) -> Any:
    """Find the settings that are asked for, as they were before any choice."""
    return request.settings or settings_of(recipe_named(request.recipe), request.preset)


def _recipe(request: TrainRequest) -> tuple[Any, Plan, tuple[Stage, ...]]:
    """Find the settings that are asked for, their plan, and the stages to run."""
    recipe = recipe_named(request.recipe)
    settings = _settings_asked(request)
    plan = recipe.plan(settings)
    stages = stages_of(plan, request.purposes)
    if any(stage.needs_labels for stage in stages) and not has_labels(request.volumes):
        stages = tuple(stage for stage in stages if not stage.needs_labels)
    if not stages:
        raise InputError(
            f"Recipe {recipe.name} has no pretraining stage; press Fine-tune, or "
            "choose another recipe."
        )
    request.budget.check(stages)
    return settings, plan, stages


def _obstacle(request: TrainRequest, labels: _Labels) -> Obstacle | None:
    return obstacle(
        request.volumes,
        len(request.classes),
        slices=labels.slices,
        whole=labels.whole,
        enough=labels.enough,
    )


def _with_pixels(request: TrainRequest, plan: Plan, *, every_axis: bool) -> Plan:
    """Choose the pixel size where the recipe leaves it to the labels."""
    if plan.coarser:
        return plan
    return replace(plan, coarser=_pixel_size(request, every_axis=every_axis))


def _pixel_size(request: TrainRequest, *, every_axis: bool) -> float:
    """Choose the pixel size that the recipe leaves to the labels.

    A network that goes on keeps its pixels, unless new labels need finer ones.
    """
    from napari_contrastseg.learning.data.pixel_size import coarseness  # noqa: PLC0415

    chosen = coarseness(request.volumes, every_axis=every_axis)
    start = request.start
    if start is not None and not _only_of_images(start, request.recipe):
        before: float = start.card.settings.get("coarser") or 1.0
        chosen = min(chosen, before)
    return chosen


def _axes(
    request: TrainRequest,
    plan: Plan,
    stages: Sequence[Stage],
    blocked: Obstacle | None,
    labels: _Labels,
    times: TimePlan,
) -> tuple[list[int], Obstacle | None, float | None]:
    """Choose the axes, the slice axis first.

    With them comes why it is the only one, where the recipe wants more, and the minutes
    that all need, where time decides.
    """
    own = [0]
    if not plan.every_axis or all(stage.purpose != "fine-tune" for stage in stages):
        return own, None, None
    if blocked is not None:
        return own, blocked, None
    every = [0, 1, 2]
    given = _minutes(request.budget, stages)
    if given is None:
        return every, None, None
    beside = times.beside_training(len(every), completes=not labels.whole)
    needed = len(every) * times.least_minutes(stages[-1]) + beside / 60
    if given < needed:
        return own, Obstacle.TIME, needed
    return every, None, needed


def _minutes(budget: Budget, stages: Sequence[Stage]) -> float | None:
    """Minutes that the stages have; None where fine-tuning goes by steps."""
    lengths = budget.lengths(stages)
    if lengths[-1].minutes is None:
        return None
    return sum(length.minutes or 0.0 for length in lengths)


def _notes(
    request: TrainRequest, left_out: Obstacle | None, enough: int
) -> tuple[str, ...]:
    """Say that networks which there are will not be trained further."""
    if left_out is None or request.start is None or not request.start.others:
        return ()
    remedies = {
        Obstacle.FEW_LABELS: f"They come back with {enough} labelled slices.",
        Obstacle.TIME: "More minutes bring them back.",
    }
    return (f"{ONE_AXIS_ONLY} {remedies.get(left_out, _SHAPE)}",)


def _axis_runs(
    run: ResolvedTraining, axes: Sequence[int], labels: _Labels, times: TimePlan
) -> tuple[AxisRun, ...]:
    """Resolve the training of each network.

    Single labelled slices are lines to a network of another axis: it learns from labels
    that are completed, for a third of the length that the recipe has for the first.
    """
    asked = run.request.budget.sets(run.stages[-1])
    others = 1.0 if asked or labels.whole else SHARE
    lengths = [1.0] + [others] * (len(axes) - 1)
    beside = times.beside_training(len(axes), completes=not labels.whole)
    budget = less_prediction(run.request.budget, beside)
    spent = replace(run, request=replace(run.request, budget=budget))
    return tuple(
        _axis_run(spent, axis, labels, length, length / sum(lengths), times)
        for axis, length in zip(axes, lengths, strict=True)
    )


def _axis_run(
    run: ResolvedTraining,
    axis: int,
    labels: _Labels,
    length: float,
    share: float,
    times: TimePlan,
) -> AxisRun:
    """Resolve the training of one network, `length` times as long as the first's."""
    request, plan = run.request, run.plan
    volumes = [entry.volume for entry in request.volumes]
    before = _weights_before(request, axis)
    frame = before.card.input.frame if before is not None else None
    inputs = replace(
        input_spec(volumes, axis, plan.neighbours, plan.coarser, frame),
        slices=request.slices,
    )
    completed = axis != 0 and not labels.whole
    slices = labels.slices
    if axis != 0 and labels.whole:
        slices = count_labelled_slices(request.volumes, axis)
    fits = before is not None and before.is_compatible(plan.network, inputs)
    known = before.card.known if before is not None and fits else frozenset()
    stages, learned = run.stages, None
    if fits and "fine-tune" in request.purposes:
        stages, learned = _going_on(stages, before, request, labels.classes)
    stages = tuple(
        stage.for_slices(slices, length, completed=completed) for stage in stages
    )
    budget, left_out = times.worthwhile(request.budget.part(share), stages)
    notes = [] if before is None or fits else [_OTHER_NETWORK]
    notes += [] if learned is None else [learned]
    notes += [_too_short(stage) for stage in left_out]
    odd = spacing_note(volumes, axis)
    return AxisRun(
        axis=axis,
        share=share,
        labels=LabelSource.FIRST_NETWORK if completed else LabelSource.PERSON,
        labelled_slices=slices,
        budget=budget,
        inputs=inputs,
        start=before if fits else None,
        stages=stages,
        notes=(*notes, odd) if odd is not None else tuple(notes),
        learned=_learned(request, stages, labels.classes, known),
        left_out=left_out,
        steps=times.steps(budget, stages),
    )


def _going_on(
    stages: tuple[Stage, ...],
    before: Model | None,
    request: TrainRequest,
    labelled: frozenset[int],
) -> tuple[tuple[Stage, ...], str | None]:
    """Leave out what the weights have learned; say so where that was without labels."""
    if _only_of_images(before, request.recipe):
        rest = tuple(s for s in stages if s.purpose == "fine-tune" or s.needs_labels)
        names = ", ".join(repr(stage.name) for stage in stages if stage not in rest)
        return rest, _LEARNED.format(names) if names else None
    rest = tuple(stage for stage in stages if stage.purpose == "fine-tune")
    learned = before.card.known if before is not None else frozenset()
    if _knows(before, request.classes) and labelled <= learned:
        rest = tuple(stage.continued() for stage in rest)
    return rest, None


def _too_short(stage: StageLeftOut) -> str:
    """Say why a stage is left out, and what becomes of its time."""
    time = plural(round(stage.seconds), "second")
    return (
        f"Stage {stage.name!r} is left out: its {time} would hold "
        f"{plural(stage.steps, 'step')} on this computer, and fewer than "
        f"{stage.needs} teach little; the time goes to the labels."
    )


def _knows(model: Model | None, classes: Sequence[ModelClass]) -> bool:
    """Whether a network has an output for all these classes already."""
    known = {entry.id for entry in model.card.classes} if model is not None else set()
    return known.issuperset(entry.id for entry in classes)


def _learned(
    request: TrainRequest,
    stages: Sequence[Stage],
    labelled: frozenset[int],
    known: frozenset[int],
) -> tuple[int, ...]:
    """List the classes that a network knows when its stages are done."""
    if any(stage.purpose == "fine-tune" for stage in stages):
        known |= labelled
    return tuple(entry.id for entry in request.classes if entry.id in known)


def _unlabelled(request: TrainRequest, part: AxisRun) -> list[str]:
    """Say which classes will not be predicted, for nobody has labelled them."""
    if all(stage.purpose != "fine-tune" for stage in part.stages):
        return []
    return [
        f"Class {entry.name!r} has no label yet, so it is not predicted; paint it on "
        "a slice, or delete it."
        for entry in request.classes
        if entry.id not in part.learned
    ]


def _weights_before(request: TrainRequest, axis: int) -> Model | None:
    """Find the model that a network of this axis may go on from.

    The one of the slice axis is of use for other slices, too; those of the other axes
    are where the slices are the same.
    """
    if request.start is None or axis == 0:
        return request.start
    same = request.start.card.input.slices == request.slices
    return request.start.along(axis) if same else None


def _only_of_images(model: Model | None, recipe: str) -> bool:
    """Whether a network has done the stages of a recipe that need no labels, alone."""
    if model is None or model.card.recipe != recipe:
        return False
    return model.card.training.get("labelled_slices") == 0
