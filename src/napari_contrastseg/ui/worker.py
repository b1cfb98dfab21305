"""Background thread: runs one task at a time; events come to the window's thread."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from qtpy.QtCore import QObject, Qt, Signal

from napari_contrastseg.tasks.drive import Cancelled, drive
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.priority import TASK_NICENESS, lower_priority
from napari_contrastseg.ui.software_opengl import keep_triton_out

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.executors.executor import Executor, Job, Now

    #: Of what takes events in, and of what says whether to end.
    Work = Callable[[Callable[[Any], None], Callable[[], bool]], Outcome]

#: Seconds between two progress events that reach the window.
PROGRESS_INTERVAL = 0.15
#: How long the thread may hold the interpreter while the window waits for it. Drawing
#: lets go of it many times a frame, and each time waits so long to have it back.
SWITCH_SECONDS = 0.0002
#: Seconds to wait for the thread when the window closes; of what nobody misses.
JOIN_SECONDS = 30.0
UNMISSED_SECONDS = 2.0
#: Seconds that the program waits at its end for threads that are still at work.
END_SECONDS = 60.0


class _Impatience:
    """Lets threads change places more often while any task runs."""

    def __init__(self) -> None:
        self._lock, self._tasks, self._usual = threading.Lock(), 0, 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._tasks:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(SWITCH_SECONDS)
            self._tasks += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._tasks -= 1
            if not self._tasks:
                sys.setswitchinterval(self._usual)


_IMPATIENCE = _Impatience()
#: Threads that were cancelled and had not ended when their window closed.
_LEFT: Final[WeakSet[threading.Thread]] = WeakSet()


@atexit.register
def _wait_for_threads() -> None:
    """Let them end, which they do after their step, or once torch is imported.

    Python would cut them off wherever they are, and in torch that is a crash.
    """
    late = time.monotonic() + END_SECONDS
    for thread in list(_LEFT):
        thread.join(max(0.0, late - time.monotonic()))


class TaskRunner(QObject):
    """Drives a task on a thread; its signals arrive on the thread of the window.

    Parameters
    ----------
    parent : QObject, optional
    awaited : bool
        Whether a person waits for it now: it does not give way to other programs.

    Signals
    -------
    happened : object
        Every event of the task; progress is thinned out.
    ended : object
        The outcome, exactly once for every start, whatever happens.
    """

    happened = Signal(object)
    ended = Signal(object)
    _came = Signal(int, bool, object)  # from the thread: start, whether ended, what

    def __init__(self, parent: QObject | None = None, *, awaited: bool = False) -> None:
        super().__init__(parent)
        self._awaited = awaited
        self._start = 0
        self._came.connect(self._bring, Qt.ConnectionType.QueuedConnection)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._go = threading.Event()
        self._last, self._stage = 0.0, ""

    @property
    def running(self) -> bool:
        """Whether a task is under way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def native_id(self) -> int | None:
        """The system's number of the thread; None while there is none."""
        return self._thread.native_id if self._thread is not None else None

    @property
    def cancelled(self) -> bool:
        """Whether the last task was asked to end."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether the running task waits."""
        return self.running and not self._go.is_set()

    def start(self, task: Generator[Any, None, None]) -> None:
        """Begin a task; the caller has connected its slots before."""
        self.begin(partial(drive, task))

    def run(self, executor: Executor, job: Job, now: Now) -> None:
        """Begin a task in another place; `now` is asked in the runner's thread."""
        self.begin(partial(executor.run, job, now=now))

    def begin(self, work: Work) -> None:
        """Begin work that reports its events, and asks whether to end, by itself."""
        if self.running:
            raise RuntimeError("a task is running already")
        self._stop.clear()
        self._go.set()
        self._start += 1
        self._thread = threading.Thread(
            target=self._work,
            args=(work, self._start),
            name="contrastseg-task",
            daemon=True,
        )
        self._thread.start()

    def pause(self, paused: bool) -> None:
        """Let the task wait after its next step, or go on."""
        if paused:
            self._go.clear()
        else:
            self._go.set()

    def cancel(self) -> None:
        """Ask the task to end after its next step."""
        self._stop.set()
        self._go.set()

    def drop(self) -> None:
        """End the task and wait; nothing of it is reported any more."""
        self._start += 1
        self.cancel()
        self.wait()

    def wait(self, seconds: float = JOIN_SECONDS) -> None:
        """Wait for the thread of a task that has ended."""
        if self._thread is not None:
            self._thread.join(seconds)
            if not self._thread.is_alive():
                self._thread = None

    def close(self, seconds: float = JOIN_SECONDS) -> None:
        """Cancel and wait for the thread; nothing is reported any more."""
        self.blockSignals(True)
        self.cancel()
        self.wait(seconds)
        if self._thread is not None:
            _LEFT.add(self._thread)

    def _bring(self, start: int, ended: bool, what: Any) -> None:
        if start == self._start:
            (self.ended if ended else self.happened).emit(what)

    def _work(self, work: Work, start: int) -> None:
        outcome: Any = Cancelled()
        keep_triton_out()
        if not self._awaited:
            lower_priority(TASK_NICENESS)
        try:
            with _IMPATIENCE:
                outcome = work(partial(self._report, start), self._stop.is_set)
        finally:
            self._emit(start, True, outcome)

    def _emit(self, start: int, ended: bool, what: Any) -> None:
        try:
            self._came.emit(start, ended, what)
        except RuntimeError:  # the window is gone
            return

    def _report(self, start: int, event: Any) -> None:
        if not isinstance(event, Progress) or self._is_due(event.stage):
            self._emit(start, False, event)
        self._go.wait()

    def _is_due(self, stage: str) -> bool:
        """Whether a stage is new, or its last progress lies long enough back."""
        now = time.monotonic()
        if stage == self._stage and now - self._last <= PROGRESS_INTERVAL:
            return False
        self._last, self._stage = now, stage
        return True


class LatestTask(TaskRunner):
    """Drives the task that was asked for last; the one before gives way.

    Nothing of a task is heard once another was asked for, but for its end.
    """

    def __init__(self, parent: QObject | None = None, *, awaited: bool = False) -> None:
        super().__init__(parent, awaited=awaited)
        self._next: Generator[Any, None, None] | None = None

    @property
    def replaced(self) -> bool:
        """Whether another task begins when the running one has ended."""
        return self._next is not None

    def start(self, task: Generator[Any, None, None]) -> None:
        """Begin a task, as soon as the one that runs has ended."""
        if self.running:
            super().cancel()
            self._next = task
        else:
            super().start(task)

    def cancel(self) -> None:
        """End the running task, and begin no other."""
        self._next = None
        super().cancel()

    def _bring(self, start: int, ended: bool, what: Any) -> None:
        if start != self._start:
            return
        if ended or not self.replaced:
            super()._bring(start, ended, what)
        if ended and self._next is not None:
            self.wait()
            following, self._next = self._next, None
            super().start(following)
