"""Executor that takes the next best place where the first one cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.tasks.events import Note
from napari_contrastseg.tasks.executors.executor import (
    Executor,
    UnavailableError,
    nothing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.executors.executor import Job, Now


class FirstAvailable:
    """Runs a task in the first place, or in the second and says why.

    Parameters
    ----------
    first, second : Executor
    """

    def __init__(self, first: Executor, second: Executor) -> None:
        self._first, self._second = first, second

    def start_ahead(self) -> None:
        """Get the first place ready."""
        self._first.start_ahead()

    def run(
        self,
        job: Job,
        report: Callable[[Any], None],
        is_cancelled: Callable[[], bool],
        now: Now = nothing,
    ) -> Outcome:
        """Run a task; see `Executor`."""
        try:
            return self._first.run(job, report, is_cancelled, now)
        except UnavailableError as error:
            report(Note(f"{error} It runs in the window's own process instead."))
        return self._second.run(job, report, is_cancelled, now)

    def close(self) -> None:
        """Give both places back."""
        self._first.close()
        self._second.close()
