"""Plan of a run's minutes: how much is prediction, and which stages are worth it.

Minutes mean the time until the answer is there. They are parted before training begins,
by the pace that was measured on this computer, and kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.slice_order import slice_order
from napari_contrastseg.learning.plan.pace import (
    GUESS_FOR_CPU,
    GUESS_FOR_GPU,
    Workload,
    step_pixels,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_contrastseg.learning.plan.pace import Pace
    from napari_contrastseg.learning.plan.stage import Budget, Plan, Stage
    from napari_contrastseg.tasks.requests import TrainRequest

    #: Finds the pace of this computer at a workload.
    Measure = Callable[[Workload], Pace]

#: Steps that a network needs to learn anything worth an average.
LEAST_STEPS: Final = 250
#: Most of the minutes that predictions are given: where nothing was learned there is
#: nothing to wait for.
MOST_PREDICTION: Final = 0.5


@dataclass(frozen=True)
class StageLeftOut:
    """A stage that is left out, with the seconds and steps it would have had."""

    name: str
    seconds: float
    steps: int
    needs: int


@dataclass(frozen=True)
class Preparation:
    """What is worked out before the first step, and with every prediction.

    Attributes
    ----------
    seconds : float
        Spent by now.
    joining : float
        Seconds in which interpolation is joined with one prediction of all volumes.
    """

    seconds: float = 0.0
    joining: float = 0.0


@dataclass(frozen=True)
class TimePlan:
    """How long steps and predictions of a request take on this computer.

    Attributes
    ----------
    pace : Pace
    measured : bool
        Whether the pace was measured on this computer; else it is a guess.
    rows, columns : int
        Of a slice, in the network's pixels.
    slices : int
        How many a person labelled.
    prediction : float
        Seconds in which one network predicts all volumes once.
    proposes : bool
        Whether the minutes hold the prediction of the volumes as well.
    preparation : Preparation
    """

    pace: Pace
    measured: bool
    rows: int
    columns: int
    slices: int
    prediction: float
    proposes: bool
    preparation: Preparation = Preparation()

    def step_seconds(self, stage: Stage) -> float:
        """Estimate how long a step of a stage takes."""
        pixels = step_pixels(stage, self.rows, self.columns, self.slices)
        return pixels / self.pace.training

    def in_steps(
        self, budget: Budget, stages: Sequence[Stage], labelled: int, slices: int
    ) -> Budget:
        """Turn epochs of stages into steps, for slices along one axis."""
        return budget.in_steps(
            lambda s: s.view.epoch(self.rows, self.columns, labelled, slices), stages
        )

    def least_minutes(self, stage: Stage) -> float:
        """Minutes in which a network learns anything worth an average."""
        return LEAST_STEPS * self.step_seconds(stage) / 60

    def beside_training(self, networks: int, *, completes: bool) -> float:
        """Seconds of the minutes in which nothing is trained.

        What is worked out before comes first. Each network says something of the
        proposal; and where labels are completed, all so far do that before the next one
        begins. Interpolation is joined with what they say together.
        """
        completing = sum(range(networks)) if completes else 0
        seconds = self.prediction * (completing + (networks if self.proposes else 0))
        joined = (networks - 1 if completes else 0) + self.proposes
        return seconds + self.preparation.joining * joined + self.preparation.seconds

    def answering(self, networks: int) -> float:
        """Seconds from the last step to the answer."""
        return self.prediction * networks + self.preparation.joining

    def training_seconds(self, budget: Budget, stages: Sequence[Stage]) -> float:
        """Estimate how long stages take."""
        lengths = zip(stages, budget.lengths(stages), strict=True)
        return sum(
            60 * length.minutes
            if length.minutes is not None
            else (length.steps or 0) * self.step_seconds(stage)
            for stage, length in lengths
        )

    def steps(self, budget: Budget, stages: Sequence[Stage]) -> int | None:
        """Count the steps that the minutes hold; None where that is a guess."""
        if not self.measured:
            return None
        lengths = zip(stages, budget.lengths(stages), strict=True)
        return sum(
            int(60 * (length.minutes or 0) / self.step_seconds(stage))
            for stage, length in lengths
        )

    def worthwhile(
        self, budget: Budget, stages: Sequence[Stage]
    ) -> tuple[Budget, tuple[StageLeftOut, ...]]:
        """Leave out pretraining that would get too few steps before fine-tuning."""
        left_out: list[StageLeftOut] = []
        if stages[-1].purpose != "fine-tune":
            return budget, ()
        for number, stage in enumerate(stages[:-1]):
            minutes = budget.lengths(stages)[number].minutes
            if minutes is None:
                continue
            steps = int(60 * minutes / self.step_seconds(stage))
            if steps < stage.least_steps:
                found = StageLeftOut(stage.name, 60 * minutes, steps, stage.least_steps)
                left_out.append(found)
                budget = budget.without(stage)
        return budget, tuple(left_out)

    def with_time_for_unlabelled(
        self, budget: Budget, stages: Sequence[Stage]
    ) -> tuple[Stage, ...]:
        """Leave out slices without labels where these leave too few steps to labels."""
        lengths = zip(stages, budget.lengths(stages), strict=True)
        return tuple(
            replace(stage, unlabelled_view=None)
            if length.minutes is not None
            and stage.min_labelled <= self.slices < stage.max_labelled
            and 60 * length.minutes / self.step_seconds(stage)
            < stage.least_unlabelled_steps
            else stage
            for stage, length in lengths
        )


def time_plan(
    request: TrainRequest,
    plan: Plan,
    stages: Sequence[Stage],
    slices: int,
    *,
    on_cpu: bool,
    measure: Measure | None,
    preparation: Preparation,
) -> TimePlan:
    """Find the pace of the computer: measured where minutes are to be spent."""
    volumes = [entry.volume for entry in request.volumes]
    inputs = input_spec(volumes, 0, plan.neighbours, plan.coarser)
    shapes = [slice_order(v, 0, inputs.frame).of_slice(v.shape) for v in volumes]
    sides = np.minimum(np.median(shapes, axis=0) / plan.coarser, plan.largest)
    rows, columns = (max(1, int(side)) for side in sides)
    pace = GUESS_FOR_CPU if on_cpu else GUESS_FOR_GPU
    timed = any(n.minutes is not None for n in request.budget.lengths(stages))
    if timed and measure is not None:
        batch = stages[-1].view.batch_for(rows, columns)
        classes = len(request.classes)
        work = Workload(plan.network, inputs.planes, classes, batch, rows, columns)
        pace = measure(work)
    views = 1 + len(inputs.mirror) if plan.mirror_at_test else 1
    pixels = sum(math.prod(volume.shape) for volume in volumes) / plan.coarser**2
    return TimePlan(
        pace=pace,
        measured=timed and measure is not None,
        rows=rows,
        columns=columns,
        slices=slices,
        prediction=views * pixels / pace.prediction,
        proposes=request.proposes,
        preparation=preparation,
    )


def less_prediction(budget: Budget, seconds: float) -> Budget:
    """Take the seconds of predictions from the minutes, half of these at most."""
    if budget.minutes is None:
        return budget
    minutes = budget.minutes - min(seconds / 60, MOST_PREDICTION * budget.minutes)
    return replace(budget, minutes=minutes)
