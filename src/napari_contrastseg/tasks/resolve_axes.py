"""Resolve the training of one network: where it begins, its stages, its minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.volume import spacing_note
from napari_contrastseg.learning.data.slice_axes import (
    ENOUGH,
    ENOUGH_WITH_INTERPOLATION,
    count_labelled_slices,
    input_spec,
    labelled_whole,
)
from napari_contrastseg.learning.data.targets import labelled_values
from napari_contrastseg.tasks.interpolation import interpolates_most
from napari_contrastseg.tasks.resolved import AxisRun, LabelSource
from napari_contrastseg.tasks.time_plan import less_prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.learning.models.card import ModelClass
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.plan.stage import Stage
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.resolved import ResolvedTraining
    from napari_contrastseg.tasks.time_plan import StageLeftOut, TimePlan

#: Length of fine-tuning on completed labels, in that of the first network.
SHARE = 1 / 3
_OTHER_NETWORK = (
    "The weights so far are of another network or other channels; training starts over."
)
_NO_UNLABELLED = (
    "No time for slices without labels: with them too few steps would be left to the "
    "labels on this computer, so that it learns from labels alone."
)
_LEARNED = (
    "The network begins with what it has learned from the images alone, so that stage "
    "{} is left out."
)


@dataclass(frozen=True)
class Labelled:
    """What is labelled: classes; slices along the slice axis; whether whole volumes.

    So many slices are `enough` to complete the volumes for the other axes.
    """

    classes: frozenset[int]
    slices: int
    whole: bool
    enough: int

    @classmethod
    def of(cls, request: TrainRequest, *, every_axis: bool) -> Labelled:
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


def axis_runs(
    run: ResolvedTraining, axes: Sequence[int], labels: Labelled, times: TimePlan
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
    labels: Labelled,
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
    every = sum(volume.shape[volume.axis_of(axis)] for volume in volumes)
    asked = times.in_steps(request.budget.part(share), stages, slices, every)
    budget, left_out = times.worthwhile(asked, stages)
    with_unlabelled, stages = stages, times.with_time_for_unlabelled(budget, stages)
    notes = [] if before is None or fits else [_OTHER_NETWORK]
    notes += [] if learned is None else [learned]
    notes += [_too_short(stage) for stage in left_out]
    notes += [_NO_UNLABELLED] if stages != with_unlabelled else []
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
    if only_of_images(before, request.recipe):
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
        f"No time for {stage.name!r}, which is left out: its {time} would hold "
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


def _weights_before(request: TrainRequest, axis: int) -> Model | None:
    """Find the model that a network of this axis may go on from.

    The one of the slice axis is of use for other slices, too; those of the other axes
    are where the slices are the same.
    """
    if request.start is None or axis == 0:
        return request.start
    same = request.start.card.input.slices == request.slices
    return request.start.along(axis) if same else None


def only_of_images(model: Model | None, recipe: str) -> bool:
    """Whether a network has done the stages of a recipe that need no labels, alone."""
    if model is None or model.card.recipe != recipe:
        return False
    return model.card.training.get("labelled_slices") == 0
