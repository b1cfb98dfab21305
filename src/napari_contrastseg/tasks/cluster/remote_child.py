"""A child process on a worker, as seen from here: asked for messages, and answered."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.cluster.job_data import PART_BYTES, part_of
from napari_contrastseg.tasks.cluster.kept_files import changes, take_over
from napari_contrastseg.tasks.cluster.relay import Poll, Seen, begin, look, over
from napari_contrastseg.tasks.executors.pipe import ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_contrastseg.tasks.cluster.place import Connection
    from napari_contrastseg.tasks.cluster.relay import Message

#: Seconds between two looks at the child.
PAUSE: Final = 0.25
ADVICE: Final = (
    "the session is whole, and the run is kept up to its last checkpoint: see Resume."
)


class RemoteChild:
    """A child on a worker that waits for a job; a thread of ours asks for its messages.

    Parameters
    ----------
    connection : Connection
    name : str
        Of the job.
    worker : str
        Its address.
    seen : Seen
        What it said first.
    arrays : Path
        For arrays that come.
    kept : Path, optional
        Folder that holds here what the job keeps.
    is_ours : callable
        Whether that folder may still be written.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        worker: str,
        seen: Seen,
        arrays: Path,
        kept: Path | None,
        is_ours: Callable[[], bool],
    ) -> None:
        self._connection, self._name, self._worker = connection, name, worker
        self.folder, self.kept = seen.folder, seen.kept
        self._arrays, self._kept, self._is_ours = arrays, kept, is_ours
        self._first: bytes | None = None
        self._answer, self._taken, self._done = b"", 0, 0
        self._marks: dict[str, str] | None = None if kept is None else {}
        self._came: SimpleQueue[bytes | Exception] = SimpleQueue()
        self._killed, self._over = False, threading.Event()
        self._thread = threading.Thread(
            target=self._ask_on, name="contrastseg-cluster", daemon=True
        )
        self.how, self.worker_is_lost = "ended", False

    @property
    def pipe(self) -> RemoteChild:
        """Its messages."""
        return self

    def send(self, message: bytes) -> None:
        """Send how it begins, then the job, then answers, with the next question."""
        if self._first is None:
            self._first = message
        elif not self._thread.ident:
            held = None if self._kept is None else changes(self._kept, {})
            content = {} if held is None else held.content
            self._ask(begin, self._first, message, content)
            self._thread.start()
        else:
            self._answer = message
            self._done += 1

    def receive(self) -> bytes:
        """Wait for a message.

        Raises
        ------
        ClosedError
            The child has died, or its worker is lost.
        InputError
            The connection is lost.
        """
        message = self._came.get()
        if isinstance(message, Exception):
            raise message
        return message

    def kill(self) -> None:
        """End it now."""
        self._killed = True

    def close(self) -> None:
        """Bring home what is kept, and let go of the child."""
        self._over.set()
        if self._thread.ident:
            self._thread.join()
        with suppress(InputError, ClosedError, OSError):
            self._take(self._look())
        with suppress(InputError, ClosedError, OSError):
            self._ask(over)

    def _ask_on(self) -> None:
        try:
            while not self._over.wait(PAUSE):
                self._hear(self._look())
        except Exception as error:  # noqa: BLE001  for the thread that waits
            self._came.put(error)

    def _hear(self, seen: Seen) -> None:
        """Take in what is new.

        Raises
        ------
        ClosedError
            It has ended, and all that it said is here.
        """
        for message in seen.messages:
            self._fetch(seen, message)
            self._taken += 1
            self._came.put(message.content)
        self._take(seen)
        if seen.ended and not seen.messages:
            self.how = seen.ended
            raise ClosedError

    def _look(self) -> Seen:
        poll = Poll(self._taken, self._done, self._answer, self._marks, self._killed)
        seen = self._ask(look, poll)
        if not isinstance(seen, Seen):
            raise self._lost()
        return seen

    def _take(self, seen: Seen) -> None:
        """Keep here what is kept there."""
        changed, kept = seen.changes, self._kept
        if changed is None or kept is None or changed.marks == self._marks:
            return
        if changed.marks and self._is_ours():
            take_over(kept, changed)
            self._marks = changed.marks

    def _fetch(self, seen: Seen, message: Message) -> None:
        """Bring the files of a message's arrays."""
        for name, size in message.files.items():
            with (self._arrays / name).open("wb") as file:
                for offset in range(0, size, PART_BYTES):
                    path = f"{seen.folder}/{name}"
                    file.write(self._ask_worker(part_of, path, offset))

    def _ask(self, function: Any, *arguments: Any) -> Any:
        return self._ask_worker(function, self._name, *arguments)

    def _ask_worker(self, function: Any, *arguments: Any) -> Any:
        try:
            return ask_worker(self._connection, self._worker, function, *arguments)
        except ClosedError as error:
            raise self._lost() from error

    def _lost(self) -> ClosedError:
        self.how, self.worker_is_lost = "is on a worker that was lost", True
        return ClosedError()


def ask_worker(
    connection: Connection, worker: str, function: Any, *arguments: Any
) -> Any:
    """Call a function on a worker.

    Raises
    ------
    ClosedError
        The worker is lost.
    LostConnectionError
    Exception
        Of the function.
    """
    run = connection.client.run
    try:
        connection.check(ADVICE)
        found = run(function, *arguments, workers=[worker], on_error="return")
    except (OSError, CancelledError, TimeoutError) as error:
        raise connection.lost(ADVICE) from error
    answer = found.get(worker)
    if answer is None and worker not in found:
        raise ClosedError
    if isinstance(answer, Exception):
        if worker not in connection.client.scheduler_info(n_workers=-1)["workers"]:
            raise ClosedError from answer
        raise answer
    return answer
