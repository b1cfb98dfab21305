"""Training steps a second beside programs that spin, with our settings and without.

The settings are how long OpenMP's threads spin, how many there are, and the priority of
the window's tasks (docs/performance.md). Each run is a fresh process; runs with and
without follow each other in turn, so that what else the computer does meets both.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg import OPENMP_SPINS
from napari_contrastseg.bench.measure.spinning import spinning
from napari_contrastseg.bench.measure.subprocess_runner import in_a_fresh_process
from napari_contrastseg.bench.measure.throughput import WARM_UP, our_steps
from napari_contrastseg.bench.measure.throughput_case import ThroughputCase
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.priority import TASK_NICENESS, lower_priority

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE: Final = "napari_contrastseg.bench.measure.busy"
#: What OpenMP does by itself, and the niceness that the window's tasks had.
OWN_SPINS, OLD_NICENESS = "300000", 10
#: Runs of each case.
RUNS = 3


@dataclass(frozen=True)
class BusyCase:
    """One way of training beside other programs.

    Attributes
    ----------
    window : bool
        As a task of the window: behind it, and with a core left to it.
    settings : bool
        With our settings.
    """

    batch: int
    size: int
    device: str
    seconds: float
    window: bool
    settings: bool


def beside(
    busy: int, batch: int, size: int, device: str, seconds: float = 20.0
) -> Iterator[Progress | dict[str, Any]]:
    """Measure beside so many spinning programs; yields progress and the report."""
    from napari_contrastseg.learning.runtime.device import pick_device  # noqa: PLC0415

    where = str(pick_device(device))
    cases = {
        f"{place}{'' if settings else '_before'}": BusyCase(
            batch, size, where, seconds, place == "window", settings
        )
        for place in ("command_line", "window")
        for settings in (True, False)
    }
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    runs: dict[str, list[float]] = {name: [] for name in cases}
    with spinning(busy):
        for number in range(RUNS):
            for place, (name, case) in enumerate(cases.items()):
                done = (number + place / len(cases)) / RUNS
                yield Progress(name.replace("_", " "), done)
                found = in_a_fresh_process(
                    MODULE, name, json.dumps(asdict(case)), **_environment(case)
                )
                runs[name].append(round(found["steps_per_s"], 3))
    medians = {name: statistics.median(found) for name, found in runs.items()}
    yield {
        "device": where,
        "cores": os.cpu_count(),
        "busy": busy,
        "load_before": load,
        "batch": batch,
        "size": size,
        "steps_per_s": medians,
        "steps_per_s_runs": runs,
        "ratio": {
            place: round(medians[place] / medians[f"{place}_before"], 2)
            for place in ("command_line", "window")
        },
    }


def _environment(case: BusyCase) -> dict[str, str]:
    """Say how long OpenMP's threads spin, whatever a person chose for this process."""
    return {"GOMP_SPINCOUNT": OPENMP_SPINS if case.settings else OWN_SPINS}


def measure(case: BusyCase) -> dict[str, float]:
    """Run one case here, on a thread of its own as the window does."""
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.append(_steps_per_second(case)))
    thread.start()
    thread.join()
    return {"steps_per_s": found[0]}


def _steps_per_second(case: BusyCase) -> float:
    from napari_contrastseg.learning.plan.stage import Budget  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import leave_a_core  # noqa: PLC0415

    if case.window:
        if case.settings:
            lower_priority(TASK_NICENESS)
        else:
            leave_a_core()
        if not case.settings and sys.platform == "linux":
            me = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, me, OLD_NICENESS)
    usual = ThroughputCase("ours", case.batch, case.size, case.device, case.seconds)
    # the number of threads is chosen in stages of minutes alone
    budget = Budget(minutes=1e6) if case.settings else Budget(steps=10**9)
    start, steps = 0.0, our_steps(usual, {}, budget)
    for done in steps:
        now = time.perf_counter()
        if done == WARM_UP:
            start = now
        elif done > WARM_UP and now - start > case.seconds:
            break
    steps.close()
    return (done - WARM_UP) / (now - start)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(BusyCase(**json.loads(sys.argv[1])))))
