"""Training along one axis after the other: what `train` is to everyone else.

::

    slice axis --> model --> the next axis --> model.others --> the last one
                     |            ^                   |           ^
                     +- completes-+                   +-completes-+

Single labelled slices are lines to a network of another axis. There the networks so far
first complete the labelled volumes; what a person labelled stays.
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
#: Minutes that each axis has where time is given; with less, one network has it all.
MINUTES_ON_CPU, MINUTES_ON_GPU = 4.0, 0.5


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
    for number, axis in enumerate(axes):
        part = _part(request, axis, len(axes))
        if first is not None and not labelled_whole(request.volumes):
            part = yield from _completed(part, first, number / len(axes))
        model = None
        for event in _of_all(train_along(part, identity), number, len(axes)):
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
    events: Generator[TrainEvent, None, None], number: int, parts: int
) -> Generator[TrainEvent, None, None]:
    """Turn the progress along one of the axes into that of all."""
    began = time.perf_counter()
    for event in events:
        if parts == 1 or not isinstance(event, Progress):
            yield event
            continue
        eta = event.eta
        if eta is not None:
            eta += (time.perf_counter() - began + eta) * (parts - 1 - number)
        stage = f"{event.stage} ({number + 1} of {parts} axes)"
        fraction = (number + event.fraction) / parts
        yield replace(event, stage=stage, fraction=fraction, eta=eta)
