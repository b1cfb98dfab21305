"""Executor of a process of its own on this computer, started ahead and kept.

::

    start_ahead --> Child: loads torch --> Ready --+
                                                   v
    run --> arrays into files, the job through a pipe --> events <--> answers --> Ended
               ^                                            |
               +--- a Note, a fresh child ---<--- the child has died

The parent's thread only waits for messages, so the interpreter is the window's. A GPU's
memory returns with the process: one that has used it ends after its task.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import GivenUpError
from napari_contrastseg.tasks.drive import Cancelled, Failed, failure
from napari_contrastseg.tasks.events import Note
from napari_contrastseg.tasks.executors.executor import UnavailableError, nothing
from napari_contrastseg.tasks.executors.messages import Ready
from napari_contrastseg.tasks.executors.parent import LOOK_SECONDS, Parent, own_folder
from napari_contrastseg.tasks.executors.pipe import ClosedError, Pipe
from napari_contrastseg.tasks.executors.sharing import NotSharedError, Sharing

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.executors.executor import Job, Now

#: Seconds until a child must have loaded torch, and to end once its pipe is closed.
START_SECONDS: Final = 300.0
END_SECONDS: Final = 10.0
#: Children that a job may have, one after the other.
MOST_CHILDREN: Final = 3
#: What a child loads before there is a job: what takes long, such as torch.
AHEAD: Final = (
    "napari_contrastseg.learning.training.runner",
    "napari_contrastseg.insight.features",
)


class LostError(InputError):
    """The processes in which a task ran have died, one after the other."""


class Child:
    """A process that waits for jobs.

    Attributes
    ----------
    pipe : Pipe
    folder, kept : None
        It runs on this computer: see `Doer`.
    was_late : bool
        Whether it was ended since it took too long to begin.

    Raises
    ------
    OSError
        It cannot be started.
    """

    folder: Final = None
    kept: Final = None

    def __init__(self) -> None:
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            "from napari_contrastseg.tasks.executors.child import serve; "
            f"serve({AHEAD!r})"
        )
        hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows alone
        self._process = subprocess.Popen(
            [sys.executable or "", "-X", "faulthandler", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if sys.stderr is not None else subprocess.DEVNULL,
            creationflags=hidden,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.pipe: Final = Pipe(self._process.stdout, self._process.stdin)
        self._is_ready, self._heard = False, threading.Event()
        self.was_late = False
        threading.Thread(
            target=self._hear, name="contrastseg-child", daemon=True
        ).start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_until_ready(self, is_cancelled: Callable[[], bool]) -> bool:
        """Wait until it has loaded what it needs; False where cancelled before.

        Raises
        ------
        ClosedError
            It has ended, or it takes too long.
        """
        late = time.monotonic() + START_SECONDS
        while not self._heard.wait(LOOK_SECONDS):
            if is_cancelled():
                return False
            if time.monotonic() > late:
                self.was_late = True
                self.kill()
        if not self._is_ready:
            raise ClosedError
        return True

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def end(self) -> int:
        """Close the pipe, upon which it ends; returns its exit status."""
        self.pipe.close()
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _hear(self) -> None:
        """Take in the first message: it says that the child is ready."""
        with suppress(ClosedError):
            said = Sharing(Path(), "", keeps=False).unpack(self.pipe.receive())
            self._is_ready = isinstance(said, Ready)
        self._heard.set()


class ProcessExecutor:
    """Runs one task at a time in a child process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Number of the process that waits or works; None while there is none."""
        child = self._child
        return child.pid if child is not None else None

    def start_ahead(self) -> None:
        """Start a child, unless there is one; a task sees whether it started."""
        with suppress(OSError, ValueError):
            self._living()

    def run(
        self,
        job: Job,
        report: Callable[[Any], None],
        is_cancelled: Callable[[], bool],
        now: Now = nothing,
    ) -> Outcome:
        """Run a task in the child, and in a fresh one where that dies.

        Raises
        ------
        UnavailableError
            No process can be started, or the job cannot be given to one.
        """
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(own_folder())
            except InputError as error:
                raise UnavailableError(str(error)) from error
            sharing = Sharing(folder, "job", keeps=True, given_up=is_cancelled)
            try:
                packed = sharing.pack(job)
            except NotSharedError as error:
                raise UnavailableError(str(error)) from error
            except InputError as error:  # an image that can be read nowhere else
                return failure(error)
            except GivenUpError:
                return Cancelled()
            parent = Parent(folder, packed, job.settled, report, is_cancelled, now)
            return self._tried(job, parent)

    def close(self) -> None:
        """End the child; a task that runs in it ends as cancelled."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.end()

    def _tried(self, job: Job, parent: Parent) -> Outcome:
        """Run a job in one child after the other, until one lives to its end."""
        for number in range(MOST_CHILDREN):
            try:
                child = self._ready(parent.is_cancelled)
            except UnavailableError as error:
                if not number:
                    raise
                return Failed(str(error), error)
            if child is None:
                return Cancelled()
            try:
                ended = parent.work_in(child, number)
            except ClosedError:
                how = how_it_ended(self._forget(child))
                if self._closed or parent.is_cancelled():
                    self.start_ahead()
                    return Cancelled()
                if number + 1 < MOST_CHILDREN:
                    parent.report(Note(_words(how, job)))
                continue
            except Exception as error:  # noqa: BLE001  every end is an outcome
                child.kill()
                self._forget(child)
                return failure(error)
            if ended.used_gpu:
                self._forget(child)
                self.start_ahead()
            return ended.outcome
        lost = LostError(
            f"The process that computes {how}, {MOST_CHILDREN} times; close other "
            "programs or choose another device, then let it go on."
        )
        return Failed(str(lost), lost)

    def _living(self) -> Child:
        """Give the child, a new one where it has ended."""
        with self._lock:
            if self._closed:
                raise ValueError("the executor is closed")
            if self._child is not None and not self._child.alive:
                self._child.end()
                self._child = None
            if self._child is None:
                self._child = Child()
            return self._child

    def _ready(self, is_cancelled: Callable[[], bool]) -> Child | None:
        """Give a child that waits for a job; None where cancelled before.

        Raises
        ------
        UnavailableError
        """
        try:
            child = self._living()
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"No process of its own could be started ({error})."
            ) from error
        try:
            ready = child.wait_until_ready(is_cancelled)
        except ClosedError as error:
            how = f"{how_it_ended(self._forget(child))} before it could begin"
            if child.was_late:
                how = f"had not begun after {START_SECONDS:.0f} seconds"
            raise UnavailableError(f"The process of its own {how}.") from error
        return child if ready else None

    def _forget(self, child: Child) -> int:
        """Let go of a child; returns its exit status."""
        with self._lock:
            if self._child is child:
                self._child = None
        return child.end()


def how_it_ended(status: int) -> str:
    """Put an exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    name = signal.Signals(-status).name
    if name == "SIGKILL":
        return "was killed, as the system does when memory runs out"
    return f"crashed ({name}), as drivers may"


def _words(how: str, job: Job) -> str:
    then = "begins again"
    if job.resume:
        then = "goes on from its last checkpoint, if there is one,"
    return f"The process that computes {how}; the run {then} in a fresh process."
