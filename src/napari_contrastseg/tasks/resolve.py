"""Resolve a training request: recipe, stages, pixel size, slice axes, budgets, notes.

::

    TrainRequest --resolve--> ResolvedTraining --train--> events
    what is asked for         what will be done, in the minutes that there are

Everything that follows from a request and its labels is decided here, once; training
reads it. Free of torch until a recipe's terms are made.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.slice_axes import (
    Obstacle,
    obstacle,
)
from napari_contrastseg.learning.data.targets import (
    check_labels,
    has_labels,
)
from napari_contrastseg.learning.plan.stage import stages_of
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.tasks.pace import HOLDS, PACES
from napari_contrastseg.tasks.preparation import prepared
from napari_contrastseg.tasks.resolve_axes import Labelled, axis_runs, only_of_images
from napari_contrastseg.tasks.resolved import ResolvedTraining, settings_asked
from napari_contrastseg.tasks.time_plan import Preparation, time_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_contrastseg.learning.plan.pace import Pace, Workload
    from napari_contrastseg.learning.plan.stage import Budget, Plan, Stage
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.resolved import AxisRun
    from napari_contrastseg.tasks.time_plan import Measure, TimePlan

#: Said where networks of other axes, which there were before, are not trained.
ONE_AXIS_ONLY = (
    "Only the network of the slice axis is trained this time; those of the other axes "
    "are left out."
)
_SHAPE = "Volumes with long voxels, few slices or very many have that one alone."


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
        As `resolve` does, or there are no such devices.
    """
    began = time.perf_counter()
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        pick_devices,
        use_all_cores,
    )

    device = pick_devices(request.device, request.devices)[0]

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
    labels = Labelled.of(request, every_axis=plan.every_axis)
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
    parts = axis_runs(run, axes, labels, times)
    return replace(
        run,
        axes=parts,
        notes=(*run.notes, *_unlabelled(request, parts[0])),
        training_seconds=sum(
            times.training_seconds(part.budget, part.stages) for part in parts
        ),
        prediction_seconds=times.answering(len(axes)),
    )


def _recipe(request: TrainRequest) -> tuple[Any, Plan, tuple[Stage, ...]]:
    """Find the settings that are asked for, their plan, and the stages to run."""
    recipe = recipe_named(request.recipe)
    settings = settings_asked(request)
    plan = recipe.plan(settings)
    stages = stages_of(plan, request.purposes)
    if any(stage.needs_labels for stage in stages) and not has_labels(request.volumes):
        stages = tuple(stage for stage in stages if not stage.needs_labels)
    if not stages:
        raise InputError(
            f"Recipe {recipe.name} has no pretraining stage; fine-tune alone, "
            "or choose another recipe."
        )
    request.budget.check(stages)
    tuning = [stage for stage in stages if stage.purpose == "fine-tune"]
    if tuning and not any(
        request.budget.sets(s) or s.for_slices(1).steps for s in tuning
    ):
        raise InputError(
            "steps: 0 leaves out the only training on labels, and the network would "
            "guess; give at least 1, or --steps or --minutes."
        )
    return settings, plan, stages


def _obstacle(request: TrainRequest, labels: Labelled) -> Obstacle | None:
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
    if start is not None and not only_of_images(start, request.recipe):
        before: float = start.card.settings.get("coarser") or 1.0
        chosen = min(chosen, before)
    return chosen


def _axes(
    request: TrainRequest,
    plan: Plan,
    stages: Sequence[Stage],
    blocked: Obstacle | None,
    labels: Labelled,
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
