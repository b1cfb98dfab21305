"""Executor of a Dask cluster: the window's rounds on a worker, one with a GPU if any.

::

    run --> connect --> arrays into files --> a worker that takes the job
              the files that it lacks --> its child <-- answers, events --> Ended
                   ^                          |
                   +-- a Note, any worker <---+ the child has died, the worker is lost

As `ProcessExecutor`, with a child on another computer. What the job keeps is mirrored
here, so a job whose connection is lost goes on from there, on the cluster or without.
"""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import GivenUpError, heard_by
from napari_contrastseg.tasks.cluster.address import read_address
from napari_contrastseg.tasks.cluster.connection import connected
from napari_contrastseg.tasks.cluster.job_data import (
    PART_BYTES,
    complete,
    missing,
    put,
)
from napari_contrastseg.tasks.cluster.parcel import pack
from napari_contrastseg.tasks.cluster.place import (
    Connection,
    resources,
    submit,
    why_failed,
)
from napari_contrastseg.tasks.cluster.relay import (
    Poll,
    Seen,
    look,
    over,
    relay_there,
)
from napari_contrastseg.tasks.cluster.remote_child import (
    ADVICE,
    RemoteChild,
    ask_worker,
)
from napari_contrastseg.tasks.drive import Cancelled, Failed, failure
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.executors.executor import nothing
from napari_contrastseg.tasks.executors.parent import Parent, own_folder
from napari_contrastseg.tasks.executors.pipe import ClosedError
from napari_contrastseg.tasks.executors.sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.tasks.cluster.parcel import Parcel
    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.executors.executor import Job, Now

#: Seconds between two looks for a worker that takes the job.
PAUSE: Final = 0.25
#: Workers that a job may have, one after the other.
MOST_WORKERS: Final = 3


class ClusterExecutor:
    """Runs one task at a time on a worker of a cluster.

    Parameters
    ----------
    address : str
        The scheduler's.

    Raises
    ------
    InputError
        It is not an address, or it is one of another computer without TLS.
    """

    def __init__(self, address: str) -> None:
        self.address = str(read_address(address))

    def start_ahead(self) -> None:
        """Do nothing: the workers have loaded what they need."""

    def run(
        self,
        job: Job,
        report: Callable[[Any], None],
        is_cancelled: Callable[[], bool],
        now: Now = nothing,
    ) -> Outcome:
        """Run a task on a worker, and on another where that is lost; see `Executor`."""
        try:
            with own_folder() as folder:
                sharing = Sharing(
                    folder, "job", keeps=True, given_up=is_cancelled,
                    elsewhere=True, kept=job.folder,
                )  # fmt: skip
                packed = sharing.pack(job)
                files = pack(folder, [folder])
                parent = Parent(
                    folder, packed, job.settled, report, is_cancelled, now, job.folder
                )
                report(Progress("connecting", 0.0))
                with ExitStack() as stack:
                    with heard_by(partial(_hear, is_cancelled)):
                        client = stack.enter_context(connected(self.address))
                    connection = Connection(client, self.address)
                    return _Run(connection, job, files, parent, now).to_its_end()
        except GivenUpError:
            return Cancelled()
        except Exception as error:  # noqa: BLE001  every end is an outcome
            return failure(error)

    def close(self) -> None:
        """Do nothing: a task that is cancelled has ended before."""


def _hear(is_cancelled: Callable[[], bool], _part: float | None) -> None:
    """Give up what is cancelled."""
    if is_cancelled():
        raise GivenUpError


class _Run:
    """A job on its way through a cluster."""

    def __init__(
        self, connection: Connection, job: Job, files: Parcel, parent: Parent, now: Now
    ) -> None:
        self._connection, self._job, self._files = connection, job, files
        self._parent, self._now = parent, now
        self._resources = resources(connection.client, job.device)

    def to_its_end(self) -> Outcome:
        """Try one worker after the other, until a job lives to its end.

        Raises
        ------
        InputError
        GivenUpError
        """
        how = name = ""
        future: Any = None
        for number in range(MOST_WORKERS):
            if future is None:
                name = f"round-{uuid4().hex}"
                future = self._submit(name)
            child = None
            try:
                worker, seen = self._taken(name, future)
                child = RemoteChild(
                    self._connection, name, worker, seen, Path(self._files.root),
                    self._job.folder, self._is_ours,
                )  # fmt: skip
                self._send(worker, seen)
                ended = self._parent.work_in(child, number)
            except ClosedError:
                how = child.how if child is not None else "is on a worker that was lost"
                if self._parent.is_cancelled():
                    raise GivenUpError from None
                if number + 1 < MOST_WORKERS:
                    self._parent.report(Note(self._words(how)))
                if child is not None and not child.worker_is_lost:
                    future = None  # else the scheduler gives it to another worker
                continue
            finally:
                if child is not None:
                    child.close()
                else:
                    self._let_go(name)
            return self._with_our_paths(ended.outcome, child)
        raise InputError(
            f"The process that computes {how}, {MOST_WORKERS} times; look at the "
            f"workers of {self._connection.address}, then let it go on."
        )

    def _submit(self, name: str) -> Any:
        return submit(
            self._connection.client, relay_there, name,
            resources=self._resources, key=name,
        )  # fmt: skip

    def _let_go(self, name: str) -> None:
        """Let no worker wait for a job that is not wanted any more."""
        with suppress(OSError, CancelledError):
            self._connection.client.run(over, name, on_error="ignore")

    def _taken(self, name: str, future: Any) -> tuple[str, Seen]:
        """Wait until a worker takes the job; returns its address.

        Raises
        ------
        GivenUpError, InputError
        """
        client, waits = self._connection.client, Progress("waiting for a worker", 0.0)
        while True:
            if self._parent.is_cancelled():
                raise GivenUpError
            self._connection.check(ADVICE)
            if future.status not in ("pending", "finished"):
                raise InputError(
                    f"{self._connection.address}: {why_failed(future.exception())}"
                )
            try:
                found = client.run(look, name, Poll(), on_error="return")
            except OSError as error:
                raise self._connection.lost(ADVICE) from error
            for worker, seen in found.items():
                if isinstance(seen, Seen):
                    return worker, seen
            self._parent.report(waits)
            for note in self._connection.notes():
                self._parent.report(note)
            time.sleep(PAUSE)

    def _send(self, worker: str, seen: Seen) -> None:
        """Send a worker the files that it lacks, in parts.

        Raises
        ------
        GivenUpError, InputError
        """
        asked = (missing, self._files, seen.folder, seen.store)
        left = ask_worker(self._connection, worker, *asked)
        if not left:
            return
        paths = {f.digest: Path(self._files.root, f.name) for f in self._files.files}
        total = sum(paths[digest].stat().st_size for digest in left)
        sent = 0
        for digest in left:
            with paths[digest].open("rb") as file:
                while data := file.read(PART_BYTES):
                    if self._parent.is_cancelled():
                        raise GivenUpError
                    offset = file.tell() - len(data)
                    part = (put, seen.store, digest, offset, data)
                    ask_worker(self._connection, worker, *part)
                    sent += len(data)
                    said = f"sending data, {sent / total:.0%}"
                    self._parent.report(Progress(said, 0.0))
            ask_worker(self._connection, worker, complete, seen.store, digest)
        ask_worker(self._connection, worker, *asked)

    def _is_ours(self) -> bool:
        return bool(getattr(self._now(), "ours", True))

    def _words(self, how: str) -> str:
        then = "begins again"
        if self._job.resume:
            then = "goes on from its last checkpoint, if there is one,"
        return f"The process that computes {how}; the run {then} on any worker."

    def _with_our_paths(self, outcome: Outcome, child: RemoteChild) -> Outcome:
        """Say what went wrong with the paths of this computer."""
        if not isinstance(outcome, Failed) or self._job.folder is None:
            return outcome
        return Failed(
            outcome.message.replace(child.kept, str(self._job.folder)), outcome.error
        )
