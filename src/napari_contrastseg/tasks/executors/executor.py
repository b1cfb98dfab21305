"""Executor: where a task runs, be it this thread, another process or a cluster.

::

    Job --run--> events, each reported --> Finished, Cancelled or Failed
     |            ^                 |
     |            +-- now(): what the person does meanwhile
     '-- the place is lost: a Note, then `resume` with the same request elsewhere
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from napari_contrastseg.tasks.drive import Outcome

    #: What a task may look at while it runs: a small value that can be pickled, such as
    #: a frozen dataclass. Elsewhere it is as old as the last event.
    Now = Callable[[], Any]
    Task = Generator[Any, None, None]


@dataclass(frozen=True, eq=False)
class Job:
    """A task by name, so that it can begin elsewhere.

    Attributes
    ----------
    function : str
        ``module:name`` of a generator function of `request` and of a `Now`.
    request : object
        A frozen dataclass without functions; arrays and models may be in it.
    resume : str
        As `function`: goes on where a lost place has left off; ``""`` where the task
        begins again.
    settled : type, optional
        Event after which models of events stay as they are: from then on, as before
        the first of them, nothing is lost where a cancelled task is ended at once.
    folder : Path, optional
        What the task writes there must last; brought home from another computer.
    device : str
        On which it computes: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    function: str
    request: Any
    resume: str = ""
    settled: type | None = None
    folder: Path | None = None
    device: str = "auto"


class UnavailableError(InputError):
    """There is no such place to run now; nothing has begun."""


class Executor(Protocol):
    """A place where one task at a time runs."""

    def start_ahead(self) -> None:
        """Get ready without waiting, so that a task begins at once."""

    def run(
        self,
        job: Job,
        report: Callable[[Any], None],
        is_cancelled: Callable[[], bool],
        now: Now,
    ) -> Outcome:
        """Run a task to its end; as `drive`, in which it runs wherever that is.

        Progress may be thinned out. A model in an event is one object for the whole
        task: whenever it ends, the network holds the best weights so far.

        Parameters
        ----------
        job : Job
        report : callable
            Gets every event, in this thread; may block, to pause the task.
        is_cancelled : callable
            Asked after every event.
        now : callable
            Asked in this thread, after every event.

        Raises
        ------
        UnavailableError
            Before anything was reported.
        """

    def close(self) -> None:
        """Give the place back; no task runs in it."""


def task_of(job: Job, now: Now, *, again: bool = False) -> Task:
    """Make the generator of a job, here.

    Parameters
    ----------
    again : bool
        Whether it has begun before, and its place was lost.
    """
    name = job.resume if again and job.resume else job.function
    module, _, function = name.partition(":")
    task: Task = getattr(import_module(module), function)(job.request, now)
    return task


def nothing() -> None:
    """Nobody does anything that the task needs to know of."""
