"""How much of a core a round takes, and how much the window beside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import psutil

from napari_contrastseg.tasks.executors.choice import PROCESS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.ui.worker import TaskRunner


class CoreWatch:
    """Measures how much of a core a round takes, and the window beside it.

    Parameters
    ----------
    runner : TaskRunner
        Of the round.
    place : str
        Where that runs.
    """

    def __init__(self, runner: TaskRunner, place: str) -> None:
        self._window = psutil.Process()
        children = self._window.children() if place == PROCESS else []
        self._children, self._thread = children, runner.native_id
        runner.happened.connect(self._count)
        self._runner, self._events = runner, 0
        self._began, self._before = time.perf_counter(), self._seconds()

    def stop(self) -> dict[str, float]:
        """End; the shares of a core, and events a second that reached the window."""
        self._runner.happened.disconnect(self._count)
        took = time.perf_counter() - self._began
        spent = self._seconds() - self._before
        window, round_ = spent.tolist()
        return {
            "window_cores": round(window / took, 2),
            "round_cores": round(round_ / took, 2),
            "events_per_s": round(self._events / took, 1),
        }

    def _count(self, _event: object) -> None:
        self._events += 1

    def _seconds(self) -> NDArray[np.float64]:
        """Seconds of the window's process without the round, and of the round."""
        window = sum(self._window.cpu_times()[:2])
        if self._children:
            return np.array(
                [window, sum(sum(c.cpu_times()[:2]) for c in self._children)]
            )
        mine = [t for t in self._window.threads() if t.id == self._thread]
        thread = sum(t.user_time + t.system_time for t in mine)
        return np.array([window - thread, thread])
