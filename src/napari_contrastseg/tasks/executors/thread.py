"""Executor of this process: the task runs in the thread that asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.tasks.drive import drive
from napari_contrastseg.tasks.executors.executor import nothing, task_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.executors.executor import Job, Now


class ThreadExecutor:
    """Runs a task in the thread that calls `run`."""

    def start_ahead(self) -> None:
        """Do nothing: a thread is there at once."""

    def run(
        self,
        job: Job,
        report: Callable[[Any], None],
        is_cancelled: Callable[[], bool],
        now: Now = nothing,
    ) -> Outcome:
        """Run a task here; see `Executor`."""
        return drive(task_of(job, now), report, is_cancelled)

    def close(self) -> None:
        """Do nothing: the thread is the caller's."""
