"""The pace of this computer is measured when it is needed, and remembered a while."""

from __future__ import annotations

import torch

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.pace import Pace, Workload
from napari_contrastseg.learning.training.pace import WHOLE_STEP, measure_pace
from napari_contrastseg.tasks.pace import HOLDS, Paces

CPU = torch.device("cpu")
WORK = Workload(NetworkSpec(widths=(4, 8)), 3, 2, 4, 20, 24)


class Clock:
    """A clock that goes on by itself, or when it is told to."""

    def __init__(self, each: float = 0.0) -> None:
        self.time, self._each = 100.0, each

    def __call__(self) -> float:
        self.time += self._each
        return self.time


def test_the_pace_is_measured_again_when_it_is_old() -> None:
    clock, measured = Clock(), iter(Pace(n, n) for n in range(1, 9))
    paces = Paces(lambda *_: next(measured), clock)
    assert paces.of(WORK, CPU).training == 1
    clock.time += HOLDS
    assert paces.of(WORK, CPU).training == 1
    clock.time += 1
    assert paces.of(WORK, CPU, oldest=1e9).training == 1, "a forecast takes any"
    assert paces.of(WORK, CPU).training == 2
    wider = Workload(WORK.network, 3, 2, 8, 20, 24)
    assert paces.of(wider, CPU).training == 3


def test_steps_are_timed_by_the_clock() -> None:
    """Two looks at the clock a step: the pace is what lies between them."""
    state = torch.get_rng_state()
    pace = measure_pace(WORK, CPU, Clock(each=0.25))
    assert torch.equal(state, torch.get_rng_state()), "a run's randomness is its own"
    pixels = WORK.batch * WORK.rows * WORK.columns
    assert pace.training == pixels / (WHOLE_STEP * 0.25)
    assert pace.prediction == pixels / 0.25


def test_a_slow_computer_times_one_step() -> None:
    clock = Clock(each=10.0)
    pace = measure_pace(WORK, CPU, clock)
    assert pace.training == WORK.batch * WORK.rows * WORK.columns / (WHOLE_STEP * 10)
    assert clock.time == 100 + 6 * 10
