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

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.learning.labels import TrainingVolume
from napari_contrastseg.learning.planes import labelled_whole, other_axes
from napari_contrastseg.tasks.predict import Predicted, PredictRequest, predict
from napari_contrastseg.tasks.train import (
    Note,
    Progress,
    StageReport,
    TrainingBegan,
    identity_of,
    plan_of,
    train_along,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_contrastseg.learning.model import Model
    from napari_contrastseg.learning.predict import Prediction
    from napari_contrastseg.tasks.train import TrainRequest

TrainEvent = TrainingBegan | Note | Progress | StageReport
#: Part of the first network's length that those have which learn from completed labels.
SHARE = 1 / 3
#: Where minutes are given there is one network, unless each can take so many steps, by
#: the pixels that a computer works through in a minute.
LEAST_STEPS = 250
PIXELS_ON_CPU, PIXELS_ON_GPU = 15e6, 120e6


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
    axes = _axes(request)
    identity = identity_of(request)  # of all: the parts depend on the device
    if request.start is not None and request.start.others and len(axes) == 1:
        yield Note(
            "Only the network of the slice axis is trained this time; those of the "
            "other axes are left out. More minutes bring them back."
        )
    first: Model | None = None
    completing = len(axes) > 1 and not labelled_whole(request.volumes)
    lengths = [SHARE if completing and number else 1.0 for number in range(len(axes))]
    if _timed(request):
        lengths = [1.0] * len(axes)
    for number, axis in enumerate(axes):
        done, total = sum(lengths[:number]), sum(lengths)
        part = _part(request, axis, lengths[number], total)
        if first is not None and completing:
            part = yield from _completed(part, first, done / total)
        of = (number + 1, len(axes))
        within = (done / total, (done + lengths[number]) / total)
        model = None
        for event in _of_all(train_along(part, identity), of, within):
            if isinstance(event, TrainingBegan):
                model = event.model
                if first is not None:
                    continue
            yield replace(event, axis=axis) if isinstance(event, StageReport) else event
        if first is None:
            first = model
        elif model is not None:
            first.others.append(model)


def _axes(request: TrainRequest) -> tuple[int, ...]:
    """Axes along which networks are to learn, the slice axis first."""
    own = (request.axis,)
    plan, stages, _ = plan_of(request)
    if not plan.every_axis or all(stage.purpose != "fine-tune" for stage in stages):
        return own
    axes = own + other_axes(request.volumes, request.axis)
    minutes = _timed(request)
    short = minutes is not None and minutes < len(axes) * _least_minutes(request)
    return own if short else axes


def _timed(request: TrainRequest) -> float | None:
    """Minutes that the request's stages have, if they go by minutes."""
    _, stages, _ = plan_of(request)
    lengths = request.budget.lengths(stages)
    timed = [length.minutes for length in lengths if length.minutes is not None]
    return sum(timed) if timed else None


def _least_minutes(request: TrainRequest) -> float:
    """Minutes that a network needs to learn anything worth an average."""
    from napari_contrastseg.learning.device import pick_device  # noqa: PLC0415

    _, stages, _ = plan_of(request)
    shapes = [np.delete(v.volume.shape, request.axis) for v in request.volumes]
    sides = np.minimum(np.median(shapes, axis=0), request.largest)
    rows, columns = (int(side) for side in sides)
    pixels = stages[-1].view.batch_for(rows, columns) * rows * columns
    on_cpu = pick_device(request.device).type == "cpu"
    return LEAST_STEPS * pixels / (PIXELS_ON_CPU if on_cpu else PIXELS_ON_GPU)


def _part(
    request: TrainRequest, axis: int, length: float, total: float
) -> TrainRequest:
    """Make the request for one of the axes."""
    start, keep = request.start, request.keep
    if start is not None:
        start = start.along(axis) or (start if axis == request.axis else None)
    if keep is not None and axis != request.axis:
        keep = keep / f"axis-{axis}"
    return replace(
        request,
        axis=axis,
        budget=request.budget.part(length / total),
        start=start,
        keep=keep,
        share=length,
    )


def _completed(
    request: TrainRequest, model: Model, so_far: float
) -> Generator[Progress, None, TrainRequest]:
    """Fill in what nobody labelled of volumes that are labelled in part."""
    wanted = [entry for entry in request.volumes if entry.target is not None]
    volumes = tuple(entry.volume for entry in wanted)
    asked = PredictRequest(model, volumes, request.device, request.spare_core)
    found: list[TrainingVolume] = []
    for event in predict(asked):
        if isinstance(event, Predicted):
            found.append(completed(wanted[len(found)], event.prediction))
        else:
            yield Progress("complete labels", so_far)
    filled = iter(found)
    entries = [v if v.target is None else next(filled) for v in request.volumes]
    slices = model.card.training["labelled_slices"]
    return replace(request, volumes=entries, labelled_slices=slices)


def completed(entry: TrainingVolume, guess: Prediction) -> TrainingVolume:
    """Give voxels that no person labelled the predicted class.

    Its weight rises from 0 at a confidence of one half to 1.
    """
    assert entry.target is not None
    target = np.empty(entry.target.shape, np.int16)
    weight = np.empty(target.shape, np.float32)
    for index, plane in enumerate(entry.target):
        known = plane >= 0
        if entry.weight is not None:
            known &= entry.weight[index] >= 1
        sure = guess.confidence[index].astype(np.float32)
        target[index] = np.where(known, plane, guess.labels[index])
        weight[index] = np.where(known, 1.0, np.clip(2 * sure - 1, 0.0, 1.0))
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
