"""The `train` task: one network per slice axis, from a resolved request to events.

::

    slice axis --> model --> the next axis --> model.others --> the last one
                     |            ^                   |           ^
                     +- completes-+                   +-completes-+

Single labelled slices are lines to a network of another axis. There the networks so far
first complete the labelled volumes; what a person labelled stays.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.intensities import fill_note
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.data.slice_axes import labelled_voxels
from napari_contrastseg.learning.data.targets import REJECTED, TrainingVolume
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.interpolation import joins_of
from napari_contrastseg.tasks.predict import (
    KnownElsewhere,
    Predicted,
    PredictRequest,
    predict,
)
from napari_contrastseg.tasks.resolve import ONE_AXIS_ONLY
from napari_contrastseg.tasks.resolved import LabelSource
from napari_contrastseg.tasks.time_plan import LEAST_STEPS
from napari_contrastseg.tasks.train_axis import train_axis
from napari_contrastseg.tasks.weak_labels import taught

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.models.predict import Prediction
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.resolved import AxisRun, ResolvedTraining
    from napari_contrastseg.tasks.weak_labels import Taught

TrainEvent = TrainingBegan | Note | Progress | StageReport
#: Part of a network's progress that completing the labels takes.
COMPLETING = 0.1
#: Said where the computer has become too slow for what was planned.
_SLOWER = (
    "The computer has become slower since its steps were timed; networks of other "
    "axes, which would learn too little in their minutes, are left out."
)


def train(run: ResolvedTraining) -> Generator[TrainEvent, None, None]:
    """Train a network along the slice axis, and then those of other axes.

    The model has these when they are done, each for itself. One that fails ends the
    training with a Note: what was learned before stays.

    Yields
    ------
    TrainingBegan once, Progress after every step, StageReport after every stage.

    Raises
    ------
    InputError
        An image or a file of weights cannot be used, or the loss is not a number.
    DeviceMemoryError
        The device's memory ran out.
    """
    from napari_contrastseg.learning.runtime.device import memory_error  # noqa: PLC0415

    for text in (*run.notes, *_fill_notes(run.request)):
        yield Note(text)
    learned, labels = _Learned(), taught(run.request)
    for number, part in enumerate(run.axes):
        if learned.is_too_slow_for(part):
            yield Note(_SLOWER)
            return
        try:
            for event in _in_all(_along(run, part, learned.first, labels), run, number):
                if learned.take(event):
                    yield event
        except (InputError, MemoryError, RuntimeError) as error:
            said = error if isinstance(error, InputError) else memory_error(error)
            if learned.first is None or said is None:
                raise
            yield Note(f"{ONE_AXIS_ONLY} ({said})")
            return
        learned.keep()


def _fill_notes(request: TrainRequest) -> Generator[str, None, None]:
    """Say which volumes have fill values, which are not learned from."""
    for entry in request.volumes:
        note = fill_note(entry.volume, entry.volume.axis)
        if note is not None:
            yield note


class _Learned:
    """The networks so far, and how long the latest stage took."""

    def __init__(self) -> None:
        self.first: Model | None = None
        self._model: Model | None = None
        self._latest: StageReport | None = None

    def take(self, event: TrainEvent) -> bool:
        """Take in what a network's training says; returns whether others shall hear it.

        They are given the model of the slice axis alone.
        """
        if isinstance(event, TrainingBegan):
            self._model = event.model
            return self.first is None
        if isinstance(event, StageReport):
            self._latest = event
        return True

    def keep(self) -> None:
        """Keep the network that has been trained, beside the first one."""
        if self.first is None:
            self.first = self._model
        elif self._model is not None:
            self.first.others.append(self._model)
        self._model = None

    def is_too_slow_for(self, part: AxisRun) -> bool:
        """Whether a network's minutes hold half of the least steps at the last pace."""
        minutes = part.budget.lengths(part.stages)[-1].minutes
        latest = self._latest
        if minutes is None or latest is None or not latest.steps:
            return False
        return 60 * minutes * latest.steps < LEAST_STEPS / 2 * latest.seconds


def _along(
    run: ResolvedTraining, part: AxisRun, first: Model | None, labels: Taught | None
) -> Generator[TrainEvent, None, None]:
    """Train the network of one axis, on completed labels where these are wanted."""
    volumes, done, pretraining = run.request.volumes, 0.0, None
    if labels is not None and part.axis == 0:
        volumes, pretraining = labels.volumes, labels.pretraining
    if part.labels == LabelSource.FIRST_NETWORK and first is not None:
        volumes, done = list(volumes), COMPLETING
        joins = joins_of(run.request) if labels is not None else {}
        for event in _complete(volumes, run.request, first, joins):
            yield replace(event, fraction=done * event.fraction)
    for found in train_axis(run, part, volumes, pretraining):
        if isinstance(found, StageReport):
            yield replace(found, axis=part.axis)
        elif isinstance(found, Progress):
            yield replace(found, fraction=done + (1 - done) * found.fraction)
        else:
            yield found


def _complete(
    volumes: list[TrainingVolume],
    request: TrainRequest,
    model: Model,
    joins: Mapping[str, KnownElsewhere],
) -> Generator[Progress, None, None]:
    """Fill in, in place, what nobody labelled of volumes that are labelled in part."""
    places = [
        place
        for place, entry in enumerate(volumes)
        if 0 < labelled_voxels(entry) < math.prod(entry.volume.shape)
    ]
    images = tuple(volumes[place].volume for place in places)
    asked = PredictRequest(
        model, images, request.device, request.spare_core, joins=joins
    )
    left = iter(places)
    for event in predict(asked):
        if isinstance(event, Predicted):
            place = next(left)
            volumes[place] = completed(volumes[place], event.prediction)
        elif isinstance(event, Progress):
            yield replace(event, stage="complete labels", eta=None)


def completed(entry: TrainingVolume, guess: Prediction) -> TrainingVolume:
    """Give voxels of which nothing is known the predicted class.

    Its weight rises from 0 at a confidence of one half to 1. What a person labelled
    stays, and so do pseudo-labels that have earned a weight; nothing is guessed where a
    person has refused a proposal.
    """
    assert entry.target is not None
    target = zeros(entry.target.shape, np.int16)
    weight = zeros(target.shape, np.float32)
    for key in small_blocks(target.shape):
        known = entry.target[key]
        mine = np.ones(known.shape, np.float32)
        if entry.weight is not None:
            mine = entry.weight[key]
        stays = (known == REJECTED) | ((known >= 0) & (mine > 0))
        sure = np.clip(2 * guess.confidence[key].astype(np.float32) - 1, 0, 1)
        target[key] = np.where(stays, known, guess.labels[key])
        weight[key] = np.where(stays, mine, sure)
    return TrainingVolume(entry.volume, target, weight)


def _in_all(
    events: Iterable[TrainEvent], run: ResolvedTraining, number: int
) -> Generator[TrainEvent, None, None]:
    """Turn the progress of one of the networks into that of all."""
    began = time.perf_counter()
    count = len(run.axes)
    ends = np.cumsum([0.0, *(part.share for part in run.axes)])
    low, high = (float(end / ends[-1]) for end in ends[number : number + 2])
    for event in events:
        if count == 1 or not isinstance(event, Progress):
            yield event
            continue
        eta = event.eta
        if eta is not None:
            whole = time.perf_counter() - began + eta
            eta += whole * (1 - high) / (high - low)
        stage = f"{event.stage} ({number + 1} of {count} axes)"
        fraction = low + (high - low) * event.fraction
        yield replace(event, stage=stage, fraction=fraction, eta=eta)
