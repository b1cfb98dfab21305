"""Child process that runs tasks: waits for jobs, sends events, ends with its parent.

Started by `process.Child` with the parent's ``sys.path``, never forked: the parent has
loaded Qt, and holds locks of its own.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.learning.runtime.cores import PERSON
from napari_contrastseg.tasks.drive import Failed, Outcome, drive, failure
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.executors.executor import task_of
from napari_contrastseg.tasks.executors.messages import (
    Answer,
    Begin,
    Ended,
    Happened,
    Ready,
)
from napari_contrastseg.tasks.executors.pipe import ClosedError, Pipe
from napari_contrastseg.tasks.executors.sharing import Sharing
from napari_contrastseg.tasks.priority import ROUND_NICENESS, lower_priority

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_contrastseg.tasks.executors.executor import Job

_LOG = logging.getLogger(__name__)
#: Seconds between two progress events; at each the task waits for the parent's answer.
PROGRESS_INTERVAL: Final = 0.1


def serve(ahead: Iterable[str] = ()) -> None:
    """Load some modules, then run jobs until the parent closes the pipe or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to answer
    lower_priority(ROUND_NICENESS)
    pipe = _own_pipe()
    for module in ahead:
        import_module(module)
    _Server(pipe).serve()


def _own_pipe() -> Pipe:
    """Take standard input and output for messages; what is printed goes to stderr."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    return Pipe(os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb"))


class _Server:
    """Reads what the parent says in one thread, and works in others."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._folder: Path | None = None

    def serve(self) -> None:
        """Take messages in until the pipe is closed; then end, whatever is running."""
        plain = Sharing(Path(), "", keeps=False)  # no arrays outside of jobs
        try:
            self._pipe.send(plain.pack(Ready()))
            while True:
                message = plain.unpack(self._pipe.receive())
                if isinstance(message, Begin):
                    self._begin(message, self._pipe.receive())
                else:
                    self._answers.put(message)
        except ClosedError:
            pass
        if self._folder is not None:  # the parent may not have lived to do it
            shutil.rmtree(self._folder, ignore_errors=True)
        sys.stderr.flush()
        os._exit(0)  # the thread of a task may take long to notice

    def _begin(self, begin: Begin, packed: bytes) -> None:
        """Run a task in a thread of its own: numbers of threads are kept by each."""
        self._folder = Path(begin.folder)
        self._answers = SimpleQueue()
        work = partial(self._work, begin, packed)
        threading.Thread(target=work, name="contrastseg-task", daemon=True).start()

    def _work(self, begin: Begin, packed: bytes) -> None:
        sharing = Sharing(
            Path(begin.folder),
            begin.side,
            keeps=False,
            elsewhere=begin.kept is not None,
            kept=Path(begin.kept) if begin.kept else None,
        )
        connection = _Connection(self._pipe, sharing, self._answers, begin.answer)
        try:
            outcome = self._outcome(sharing, connection, packed, again=begin.again)
            connection.end(outcome)
        except ClosedError:
            return

    def _outcome(
        self, sharing: Sharing, connection: _Connection, packed: bytes, *, again: bool
    ) -> Outcome:
        try:
            job: Job = sharing.unpack(packed)
            task = task_of(job, connection.now, again=again)
        except Exception as error:  # noqa: BLE001  every end is an outcome
            return failure(error)
        return drive(task, connection.report, connection.is_cancelled)


class _Connection:
    """Reports to the parent, and what it has answered last."""

    def __init__(
        self,
        pipe: Pipe,
        sharing: Sharing,
        answers: SimpleQueue[Answer],
        answer: Answer,
    ) -> None:
        self._pipe, self._sharing, self._answers = pipe, sharing, answers
        self._take(answer)
        self._latest, self._stage = 0.0, ""

    def report(self, event: Any) -> None:
        """Send an event and wait for the answer; progress is thinned out."""
        thinned = isinstance(event, Progress) and event.stage == self._stage
        if thinned and time.monotonic() - self._latest < PROGRESS_INTERVAL:
            return
        self._pipe.send(self._sharing.pack(Happened(event)))
        self._take(self._answers.get())
        if isinstance(event, Progress):
            self._latest, self._stage = time.monotonic(), event.stage

    def is_cancelled(self) -> bool:
        """Whether the task shall end."""
        return self._answer.cancelled

    def now(self) -> Any:
        """Give what the person did when the parent answered last."""
        return self._answer.now

    def end(self, outcome: Outcome) -> None:
        """Say how the task ended, with the weights that it leaves."""
        models = self._sharing.sent_models
        if isinstance(outcome, Failed):
            outcome = self._plain(outcome)
        ended = Ended(outcome, models, _used_gpu())
        self._pipe.send(self._sharing.pack(ended))

    def _take(self, answer: Answer) -> None:
        self._answer = answer
        PERSON.acts(ago=answer.idle)

    def _plain(self, failed: Failed) -> Failed:
        """Give an error that the parent can read, too."""
        try:
            self._sharing.unpack(self._sharing.pack(failed.error))
        except Exception:  # noqa: BLE001  of any library
            return Failed(failed.message, RuntimeError(repr(failed.error)))
        return failed


def _used_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_initialized())
