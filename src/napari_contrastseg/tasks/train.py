"""Training along one axis after the other: what `train` is to everyone else.

::

    slice axis --> model --> the next axis --> model.others --> the last one
                     |            ^                   |           ^
                     +- completes-+                   +-completes-+

Single labelled slices are lines to a network of another axis. There the networks so far
first complete the labelled volumes; what a person labelled stays. A third of the first
network's length is enough for each of the others then.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.slice_axes import (
    ENOUGH,
    labelled_voxels,
    labelled_whole,
    obstacle,
)
from napari_contrastseg.learning.data.targets import (
    REJECTED,
    TrainingVolume,
    check_labels,
)
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.predict import Predicted, PredictRequest, predict
from napari_contrastseg.tasks.resolve import plan_of
from napari_contrastseg.tasks.train_axis import identity_of, train_along

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.models.predict import Prediction
    from napari_contrastseg.tasks.requests import TrainRequest

TrainEvent = TrainingBegan | Note | Progress | StageReport
#: Part of the first network's length that those have which learn from completed labels.
SHARE = 1 / 3
#: Part of a network's progress that completing the labels takes.
COMPLETING = 0.1
#: Where minutes are given there is one network, unless each can take so many steps, by
#: the pixels that a computer works through in a minute.
LEAST_STEPS = 250
PIXELS_ON_CPU, PIXELS_ON_GPU = 15e6, 120e6
_LEFT_OUT = (
    "Only the network of the slice axis is trained this time; those of the other axes "
    "are left out."
)
_WHY = {
    "time": "More minutes bring them back.",
    "few slices": f"They come back with {ENOUGH} labelled slices.",
    "shape": "Volumes with long voxels, few slices or very many have that one alone.",
}


def train(request: TrainRequest) -> Generator[TrainEvent, None, None]:
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
    from napari_contrastseg.learning.runtime.device import memory_error  # noqa: PLC0415

    identity = identity_of(request)  # of all: the parts depend on the device
    request = _settled(request)
    axes, why = _axes(request)
    if why and request.start is not None and request.start.others:
        yield Note(f"{_LEFT_OUT} {_WHY[why]}")
    lengths = _lengths(request, len(axes))
    ends = np.cumsum([0.0, *lengths]) / sum(lengths)
    first: Model | None = None
    for number, axis in enumerate(axes):
        model = None
        share = lengths[number] / sum(lengths)
        events = _along(request, axis, first, lengths[number], share, identity)
        within = (float(ends[number]), float(ends[number + 1]))
        try:
            for event in _of_all(events, (number + 1, len(axes)), within):
                if isinstance(event, TrainingBegan):
                    model = event.model
                    if first is not None:
                        continue
                yield event
        except (InputError, MemoryError, RuntimeError) as error:
            said = error if isinstance(error, InputError) else memory_error(error)
            if first is None or said is None:
                raise
            yield Note(f"{_LEFT_OUT} ({said})")
            return
        if first is None:
            first = model
        elif model is not None:
            first.others.append(model)


def _settled(request: TrainRequest) -> TrainRequest:
    """See that there are labels, and choose what the settings leave to them.

    A network that goes on keeps its pixels, unless new labels need finer ones.
    """
    plan, stages, settings = plan_of(request)
    if any(stage.view.slices == "labelled" for stage in stages):
        check_labels(request.volumes)
    if plan.coarser:
        return request
    from napari_contrastseg.learning.data.pixel_size import coarseness  # noqa: PLC0415

    volumes, axis = request.volumes, request.axis
    several = plan.every_axis and not obstacle(volumes, axis, len(request.classes))
    chosen = coarseness(volumes, axis, every_axis=several)
    if request.start is not None:
        chosen = min(chosen, request.start.card.settings.get("coarser") or 1.0)
    return replace(request, settings=replace(settings, coarser=chosen))


def _axes(request: TrainRequest) -> tuple[tuple[int, ...], str]:
    """Axes to learn along, the slice axis first; why that is the only one, if it is."""
    own = (request.axis,)
    plan, stages, _ = plan_of(request)
    if not plan.every_axis or all(stage.purpose != "fine-tune" for stage in stages):
        return own, ""
    why = obstacle(request.volumes, request.axis, len(request.classes))
    if why is not None:
        return own, why
    axes = own + tuple(axis for axis in range(3) if axis != request.axis)
    minutes = _timed(request)
    short = minutes is not None and minutes < len(axes) * _least_minutes(request)
    return (own, "time") if short else (axes, "")


def _lengths(request: TrainRequest, axes: int) -> list[float]:
    """How long each network learns, in the length of the first."""
    _, stages, _ = plan_of(request)
    budget = request.budget
    asked = (budget.steps or budget.minutes) is not None
    asked = asked or any(own.stage == stages[-1].name for own in budget.stages)
    if asked or axes == 1 or labelled_whole(request.volumes):
        return [1.0] * axes
    return [1.0] + [SHARE] * (axes - 1)


def _timed(request: TrainRequest) -> float | None:
    """Minutes that the request's stages have, if fine-tuning goes by minutes."""
    _, stages, _ = plan_of(request)
    lengths = request.budget.lengths(stages)
    if lengths[-1].minutes is None:
        return None
    return sum(length.minutes or 0.0 for length in lengths)


def _least_minutes(request: TrainRequest) -> float:
    """Minutes that a network needs to learn anything worth an average."""
    from napari_contrastseg.learning.runtime.device import pick_device  # noqa: PLC0415

    plan, stages, _ = plan_of(request)
    shapes = [np.delete(v.volume.shape, request.axis) for v in request.volumes]
    sides = np.minimum(np.median(shapes, axis=0) / plan.coarser, request.largest)
    rows, columns = (int(side) for side in sides)
    pixels = stages[-1].view.batch_for(rows, columns) * rows * columns
    on_cpu = pick_device(request.device).type == "cpu"
    return LEAST_STEPS * pixels / (PIXELS_ON_CPU if on_cpu else PIXELS_ON_GPU)


def _along(
    request: TrainRequest,
    axis: int,
    first: Model | None,
    length: float,
    share: float,
    identity: str,
) -> Generator[TrainEvent, None, None]:
    """Train the network of one axis, on completed labels where these are wanted."""
    part, labelled = _part(request, axis, share), None
    if first is not None and not labelled_whole(request.volumes):
        labelled = first.card.training["labelled_slices"]
        for event in _completed(part, first):
            if isinstance(event, Progress):
                yield replace(event, fraction=COMPLETING * event.fraction)
            else:
                part = replace(part, volumes=event)
    for found in train_along(part, identity, labelled_slices=labelled, share=length):
        if isinstance(found, StageReport):
            yield replace(found, axis=axis)
        elif isinstance(found, Progress) and labelled is not None:
            done = COMPLETING + (1 - COMPLETING) * found.fraction
            yield replace(found, fraction=done)
        else:
            yield found


def _part(request: TrainRequest, axis: int, share: float) -> TrainRequest:
    """Make the request for one of the axes, with its share of the minutes."""
    start, keep = request.start, request.keep
    if start is not None:
        start = start.along(axis) or (start if axis == request.axis else None)
    if keep is not None and axis != request.axis:
        keep = keep / f"axis-{axis}"
    budget = request.budget.part(share)
    return replace(request, axis=axis, budget=budget, start=start, keep=keep)


def _completed(
    request: TrainRequest, model: Model
) -> Generator[Progress | list[TrainingVolume], None, None]:
    """Fill in what nobody labelled of volumes that are labelled in part."""
    entries = list(request.volumes)
    places = [
        place
        for place, entry in enumerate(entries)
        if 0 < labelled_voxels(entry) < math.prod(entry.volume.shape)
    ]
    volumes = tuple(entries[place].volume for place in places)
    asked = PredictRequest(model, volumes, request.device, request.spare_core)
    left = iter(places)
    for event in predict(asked):
        if isinstance(event, Predicted):
            place = next(left)
            entries[place] = completed(entries[place], event.prediction)
        else:
            yield replace(event, stage="complete labels", eta=None)
    yield entries


def completed(entry: TrainingVolume, guess: Prediction) -> TrainingVolume:
    """Give voxels of which nothing is known the predicted class.

    Its weight rises from 0 at a confidence of one half to 1. What a person labelled
    stays, and so do pseudo-labels that have earned a weight; nothing is guessed where a
    person has refused a proposal.
    """
    assert entry.target is not None
    target = np.empty(entry.target.shape, np.int16)
    weight = np.empty(target.shape, np.float32)
    for index, plane in enumerate(entry.target):
        mine = np.ones(plane.shape, np.float32)
        if entry.weight is not None:
            mine = entry.weight[index]
        stays = (plane == REJECTED) | ((plane >= 0) & (mine > 0))
        sure = np.clip(2 * guess.confidence[index].astype(np.float32) - 1, 0, 1)
        target[index] = np.where(stays, plane, guess.labels[index])
        weight[index] = np.where(stays, mine, sure)
    return TrainingVolume(entry.volume, target, weight)


def _of_all(
    events: Generator[TrainEvent, None, None],
    of: tuple[int, int],
    within: tuple[float, float],
) -> Generator[TrainEvent, None, None]:
    """Turn the progress along one of the axes into that of all."""
    began = time.perf_counter()
    low, high = within
    for event in events:
        if of[1] == 1 or not isinstance(event, Progress):
            yield event
            continue
        eta = event.eta
        if eta is not None:
            whole = time.perf_counter() - began + eta
            eta += whole * (1 - high) / (high - low)
        stage = f"{event.stage} ({of[0]} of {of[1]} axes)"
        fraction = low + (high - low) * event.fraction
        yield replace(event, stage=stage, fraction=fraction, eta=eta)
