"""Forecast of a training in a sentence or two: networks, length, axes left out.

Free of torch until a request is resolved.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.learning.data.slice_axes import (
    LEAST,
    LONGEST,
    Obstacle,
    elongation,
)
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.resolved import LabelSource

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.resolved import ResolvedTraining


def forecast(request: TrainRequest) -> Generator[Progress | str, None, None]:
    """Say what a request would do, or why it cannot be done: a task for a thread."""
    for _ in request.volumes:  # each is worked out when asked for
        yield Progress("preparing", 0.0)
    try:
        found = describe(resolve_here(request, oldest=math.inf, begins=False))
    except InputError as error:
        found = str(error)
    yield found


def describe(run: ResolvedTraining) -> str:
    """Say what will be trained: networks, length, axes left out, pixel size."""
    words = [f"{plural(len(run.axes), 'network')}, {_length(run)}"]
    if all(stage.purpose == "pretrain" for stage in run.stages):
        words[0] += " of pretraining"
    if run.axes[0].start is not None:
        words[0] += ", going on from the weights so far"
    if run.axes[-1].labels == LabelSource.FIRST_NETWORK:
        words.append("the first completes the labels for the others")
    words += [
        f"stage {stage.name!r} is left out because its time would hold "
        f"{plural(stage.steps, 'step')} and it needs {stage.needs}"
        for stage in run.axes[0].left_out
    ]
    if run.left_out is not None:
        words.append(f"the other axes are left out because {_reason(run)}")
    sentences = "; ".join(words) + "."
    if run.plan.coarser != 1:
        sentences += (
            f" A pixel of the network is {run.plan.coarser:g} times as long as the "
            "image's."
        )
    return sentences


def _length(run: ResolvedTraining) -> str:
    """Say how long all stages of all networks take: steps, minutes, or both."""
    lengths = [
        length for part in run.axes for length in part.budget.lengths(part.stages)
    ]
    steps = sum(length.steps or 0 for length in lengths)
    minutes = sum(length.minutes or 0.0 for length in lengths)
    found = [plural(steps, "step")] if steps else []
    if minutes:
        predicting = run.prediction_seconds / 60 if run.request.proposes else 0.0
        found.append(_duration(minutes + predicting) + _within_minutes(run))
    return " and ".join(found) or "no steps"


def _within_minutes(run: ResolvedTraining) -> str:
    """Say what the minutes hold, where steps were timed on this computer."""
    counts = [part.steps for part in run.axes if part.steps is not None]
    if not counts:
        return ""
    found = f": some {plural(int(float(f'{sum(counts):.2g}')), 'step')}"
    if run.request.proposes:
        found += f", then {_duration(run.prediction_seconds / 60)} of prediction"
    return found


def _duration(minutes: float) -> str:
    if minutes < 1:
        return f"about {plural(max(1, round(60 * minutes)), 'second')}"
    return f"about {plural(round(minutes, 1), 'minute')}"


def _reason(run: ResolvedTraining) -> str:
    """Say why there are no networks of the other axes, with the value that decides."""
    volumes = [entry.volume for entry in run.request.volumes]
    match run.left_out:
        case Obstacle.STACK:
            return "images of a stack are not neighbours"
        case Obstacle.LONG_VOXELS:
            longest = max(elongation(volume) for volume in volumes)
            return (
                f"voxels are long ({longest:.3g} times their shortest side, at most "
                f"{LONGEST:g})"
            )
        case Obstacle.FEW_VOXELS:
            return f"a volume has fewer than {LEAST} voxels along an axis"
        case Obstacle.MEMORY:
            return "the volumes are too large to average predictions in memory"
        case Obstacle.FEW_LABELS:
            there = run.axes[0].labelled_slices
            return f"they need {run.enough} labelled slices (there are {there})"
        case _:
            assert run.minutes_for_all is not None
            needed = math.ceil(10 * run.minutes_for_all) / 10
            return f"they need {plural(needed, 'minute')}"
