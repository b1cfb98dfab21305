"""The asker's side of a job that runs elsewhere: its messages, its events, its end.

The same for every process that tries the job, be it a child on this computer or one
that a cluster's worker has started.
"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.scratch import scratch_folder
from napari_contrastseg.learning.runtime.cores import PERSON
from napari_contrastseg.tasks.executors.messages import Answer, Begin, Ended
from napari_contrastseg.tasks.executors.sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_contrastseg.tasks.executors.executor import Now

#: Seconds between two looks at whether a task is cancelled.
LOOK_SECONDS: Final = 0.1
#: Seconds that a cancelled task has to end by itself where nothing can be lost.
GRACE_SECONDS: Final = 1.0


class Messages(Protocol):
    """Messages of bytes, both ways; `ClosedError` where the other side has gone."""

    def send(self, message: bytes) -> None:
        """Send a message."""

    def receive(self) -> bytes:
        """Wait for a message."""


class Doer(Protocol):
    """A process in which a job runs.

    Attributes
    ----------
    folder, kept : str or None
        Where it finds large arrays, and where it keeps what the task keeps, both on
        its own computer; None where that is this one.
    """

    @property
    def pipe(self) -> Messages:
        """Its messages."""

    @property
    def folder(self) -> str | None:
        """Where it finds large arrays."""

    @property
    def kept(self) -> str | None:
        """Where it keeps what the task keeps."""

    def kill(self) -> None:
        """End it now."""


class Parent:
    """The asker's side of a job.

    Parameters
    ----------
    folder : Path
        In which both sides find large arrays.
    packed : bytes
        The job.
    settled : type, optional
        See `Job`.
    report, is_cancelled, now : callable
        See `Executor.run`.
    kept : Path, optional
        The folder of the job, see `Job`.
    """

    def __init__(
        self,
        folder: Path,
        packed: bytes,
        settled: type | None,
        report: Callable[[Any], None],
        is_cancelled: Callable[[], bool],
        now: Now,
        kept: Path | None = None,
    ) -> None:
        self.report, self.is_cancelled = report, is_cancelled
        self._kept = kept
        self._folder, self._packed, self._now = folder, packed, now
        self._settled = settled
        self._may_be_ended, self._is_settled = True, False

    def work_in(self, child: Doer, number: int) -> Ended:
        """Let a process do the job; report what happens there.

        Parameters
        ----------
        child : Doer
        number : int
            How many have tried it before.

        Raises
        ------
        ClosedError
            It has died.
        """
        side, again = f"child-{number}", number > 0
        elsewhere = child.folder is not None
        sharing = Sharing(
            self._folder, "parent", keeps=False, elsewhere=elsewhere, kept=self._kept
        )
        folder = str(self._folder) if child.folder is None else child.folder
        begin = Begin(folder, side, again, self._answer(child), child.kept)
        child.pipe.send(sharing.pack(begin))
        child.pipe.send(self._packed)
        self._may_be_ended, self._is_settled = True, False
        with self._impatience(child):
            while True:
                message = sharing.unpack(child.pipe.receive())
                if isinstance(message, Ended):
                    return message
                self._note(message.event, sharing)
                self.report(message.event)
                child.pipe.send(sharing.pack(self._answer(child)))

    def _note(self, event: Any, sharing: Sharing) -> None:
        """Note whether all that comes of the task is here already."""
        if self._settled is not None and isinstance(event, self._settled):
            self._is_settled = True
        self._may_be_ended = self._is_settled or not sharing.has_received_models

    @contextmanager
    def _impatience(self, child: Doer) -> Iterator[None]:
        """End a child that does not answer a cancel soon, where nothing is lost."""
        over = threading.Event()
        look = partial(self._watch, child, over)
        watch = threading.Thread(target=look, name="contrastseg-cancel", daemon=True)
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()

    def _watch(self, child: Doer, over: threading.Event) -> None:
        since = math.inf
        while not over.wait(LOOK_SECONDS):
            if self.is_cancelled():
                since = min(since, time.monotonic())
            if self._may_be_ended and time.monotonic() - since > GRACE_SECONDS:
                child.kill()
                return

    def _answer(self, child: Doer) -> Answer:
        # on another computer nobody moves a mouse
        idle = PERSON.idle if child.folder is None else math.inf
        return Answer(self.is_cancelled(), self._now(), idle)


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder for a task's large arrays, which is deleted with the task.

    Raises
    ------
    InputError
        It cannot be made.
    """
    try:
        made = tempfile.TemporaryDirectory(
            prefix="contrastseg-", dir=scratch_folder(), ignore_cleanup_errors=True
        )
    except OSError as error:
        raise InputError(f"A folder for its data cannot be made ({error}).") from error
    with made as name:
        yield Path(name).resolve()
