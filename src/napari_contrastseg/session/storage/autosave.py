"""Autosave: writes every change of a session to its folder, on a thread of its own.

::

    session.entry_added --> queue --> journal (every entry, at once)
                           |
                           +-----> images, rounds, weights (in small steps between)
                           +-----> snapshot, when the journal has grown

A write that fails is tried again each second; until then its change waits in memory,
and the person hears of it once. Where what is on the disk cannot be relied on (a failed
fsync, a file handle that died, a change that no record holds), the whole session is
written again, as a snapshot of what is in memory.
"""

from __future__ import annotations

import errno
import math
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.journal_entries import Entry
from napari_contrastseg.session.storage import ownership
from napari_contrastseg.session.storage.large_files import LargeFileWriter
from napari_contrastseg.session.storage.locations import point_to
from napari_contrastseg.session.storage.save_status import SaveProblem, TakenOverError
from napari_contrastseg.session.storage.snapshot import (
    Snapshot,
    cause_of,
    refuse_other_folder,
    take_snapshot,
    tidy,
    write_large_files,
    write_snapshot,
)
from napari_contrastseg.session.storage.zarr_array import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.storage.journal import JournalFile
    from napari_contrastseg.session.storage.load import Opened
    from napari_contrastseg.session.storage.ownership import Owner

#: Bytes and records of the journal from which a new snapshot is made.
COMPACT_BYTES: Final = 32 * 2**20
COMPACT_RECORDS: Final = 5000
#: Seconds until a write that failed is tried again.
RETRY_SECONDS: Final = 1.0
#: Seconds for which it hurries once somebody has waited for it.
HURRY_SECONDS: Final = 1.0
#: Seconds without any progress after which nobody waits any longer.
STUCK_SECONDS: Final = 60.0
#: Failures other than a full disk until all is written again.
PATIENCE: Final = 3

_Job = Entry | Snapshot


class Autosave:
    """The one that writes a session's folder.

    Parameters
    ----------
    session : Session
    folder : Path
        New, empty, or the one that `opened` was read from.
    report : callable of a SaveProblem
        Called on the autosave thread.
    opened : Opened, optional
    owner : Owner, optional
        The claim under which `opened` was read; it is made here otherwise.

    Raises
    ------
    InputError
        The folder cannot be written, holds other things, or is in use.
    """

    def __init__(
        self,
        session: Session,
        folder: Path,
        report: Callable[[SaveProblem], None],
        *,
        opened: Opened | None = None,
        owner: Owner | None = None,
    ) -> None:
        refuse_other_folder(folder)
        self.folder = folder
        self._files = LargeFileWriter(folder)
        self._session = session
        self._report = report
        self._owner = owner if owner is not None else ownership.claim(folder)
        self._pointer = point_to(folder)
        self._on_disk = dict(opened.written) if opened is not None else {}
        # what could not be read is not deleted: perhaps it can be tomorrow
        self._tidy = opened is None or not opened.notes
        self._journal: JournalFile | None = None
        self._base = (0, 0)  # size and records of the journal after its snapshot
        self._lock = threading.Lock()
        self._queue: deque[_Job] = deque()
        self._steps: deque[Callable[[], Iterator[None]]] = deque()
        self._running: Iterator[None] | None = None
        self._wake, self._idle = threading.Event(), threading.Event()
        self._closing = self._stopped = False
        self._failing = ""
        self._failures = self._moves = 0
        self._hurries_until = 0.0
        #: All must be written again: what is on the disk cannot be relied on.
        self._renew = False
        self._beat = time.monotonic()
        self._snapshot()
        self._thread = threading.Thread(
            target=self._work, name="contrastseg-autosave", daemon=True
        )
        self._thread.start()
        session.entry_added.connect(self.append)

    # -- called by the window --------------------------------------------------

    @property
    def failing(self) -> str:
        """Why the folder cannot be written now; ``""`` where it can."""
        return self._failing

    @property
    def stopped(self) -> bool:
        """Whether it writes no more: closed, or taken over."""
        return self._stopped

    def append(self, entry: Entry) -> None:
        """Save a change; it is on the disk a moment later."""
        entry.forget_outdated(self._on_disk)
        self._put(entry)
        self.look()

    def look(self) -> None:
        """Make a snapshot where one is due; call it now and then."""
        journal, (nbytes, count) = self._journal, self._base
        grown = journal is not None and (
            journal.nbytes - nbytes > COMPACT_BYTES
            or journal.count - count > COMPACT_RECORDS
        )
        if len(self._queue) > COMPACT_RECORDS:  # a disk that failed for long
            self._renew = True
        if self._renew or grown:
            self._snapshot()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything is written; returns whether it is."""
        moves, since = self._moves, time.monotonic()
        deadline = since + (math.inf if timeout is None else timeout)
        self._hurry()
        while not self._idle.wait(0.01):
            self._hurry()
            self.look()
            if moves != self._moves:
                moves, since = self._moves, time.monotonic()
            now = time.monotonic()
            late = now > deadline or now - since > STUCK_SECONDS
            over = self._stopped or late or not self._thread.is_alive()
            if over or (self._failing and not self._renew):
                return False
        return not self._failing

    def wait(self, seconds: float) -> bool:
        """Wait a little; True once everything is written. Any thread may ask.

        Raises
        ------
        InputError
            It cannot be written.
        """
        self._hurry()
        if self._idle.wait(seconds) and not self._failing:
            return True
        if self._stopped or self._failing:
            why = self._failing or "it was let go"
            raise InputError(f"{self.folder}: cannot be written ({why}).")
        return False

    def close(self, *, abandon: bool = False) -> bool:
        """Write a last snapshot and let go of the folder; True where all went well.

        What could not be written stays in the journal as far as it came, and the
        session is offered at the next start, unless it is abandoned: then nobody waits
        for what is still to be written.
        """
        self._session.entry_added.disconnect(self.append)
        if not self._stopped and not abandon and self._journal_grew():
            self._snapshot()
        well = not abandon and self.flush()
        self._closing = True
        self._wake.set()
        self._thread.join()
        if (well or abandon) and not self._stopped:
            ownership.release(self.folder, self._owner)
            if self._pointer is not None:
                self._pointer.unlink(missing_ok=True)
        self._stopped = True
        self._close_journal()
        return well

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _journal_grew(self) -> bool:
        grown = self._journal is not None and self._journal.count > self._base[1]
        return grown or bool(self._queue)

    def _snapshot(self) -> None:
        with self._lock:
            if self._renew:  # what waits is part of the snapshot
                self._queue.clear()
                self._on_disk, self._renew = {}, False
                self._close_journal()
                self._journal = None
            elif any(isinstance(job, Snapshot) for job in self._queue):
                return
        snapshot = take_snapshot(self._session, self._on_disk)
        self._on_disk = {v.id: v.work for v in snapshot.index.volumes}
        self._put(snapshot)

    def _hurry(self) -> None:
        """Rest no more for a while: somebody waits."""
        now = time.monotonic()
        rests, self._hurries_until = now > self._hurries_until, now + HURRY_SECONDS
        if rests and not self._failing:
            self._wake.set()

    def _put(self, job: _Job) -> None:
        with self._lock:
            self._idle.clear()
            self._queue.append(job)
        self._wake.set()

    # -- on its thread ---------------------------------------------------------

    def _work(self) -> None:
        while not self._closing and not self._stopped:
            self._wake.clear()
            try:
                busy = self._write_some()
            except TakenOverError:
                self._give_up()
                return
            except Exception as error:  # noqa: BLE001  tried again, never lost
                self._fail(error)
                self._wake.wait(RETRY_SECONDS)
                time.sleep(0.05)
                continue
            if not self._renew:
                self._recover()
            if not busy:
                with self._lock:
                    if not self._queue and not self._renew:
                        self._idle.set()
                self._wake.wait(RETRY_SECONDS)

    def _guard(self) -> None:
        """Mark the session as ours, as long as it is.

        Raises
        ------
        TakenOverError
            Another process writes it now.
        """
        if ownership.lost_to_another(self.folder, self._owner):
            raise TakenOverError
        if time.monotonic() - self._beat > ownership.BEAT_SECONDS:
            self._beat = time.monotonic()
            self._owner = ownership.mark_alive(self.folder, self._owner)

    def _write_some(self) -> bool:
        """Write what waits in the queue, then one step of the rest; False: all done."""
        self._guard()
        wrote = False
        while (job := self._next()) is not None:
            if isinstance(job, Snapshot):
                self._write_snapshot(job)
            else:
                self._write_entry(job)
            with self._lock:
                if self._queue and self._queue[0] is job:
                    self._queue.popleft()
            wrote = True
        if wrote and self._journal is not None:
            self._sync(self._journal)
        began = time.monotonic()
        self._step()
        self._moves += 1
        busy = bool(self._queue or self._steps) and not self._renew
        if busy:
            self._rest(time.monotonic() - began)
        return busy

    def _rest(self, seconds: float) -> None:
        """Leave the cores to the window for as long as a step took.

        Not where a change waits to be written, or somebody for all of it.
        """
        if time.monotonic() > self._hurries_until:
            self._wake.wait(min(seconds, HURRY_SECONDS))

    def _next(self) -> _Job | None:
        with self._lock:
            return self._queue[0] if self._queue and not self._renew else None

    def _sync(self, journal: JournalFile) -> None:
        try:
            journal.sync()
        except OSError:
            # the system may have dropped what it held: nobody knows what is there
            self._renew = True
            raise

    def _step(self) -> None:
        """Write a little of what is written once."""
        if self._running is None and self._steps:
            self._running = self._steps[0]()
        if self._running is None:
            return
        try:
            next(self._running)
        except StopIteration:
            self._running = None
            self._steps.popleft()
        except (UnreadableError, MemoryError) as error:  # will be no better next time
            self._running = None
            self._steps.popleft()
            self._report(
                SaveProblem(
                    f"{self.folder}: an image or a round is not saved, as it could not "
                    f"be read ({cause_of(error)}); all else is. Once it can be read, "
                    "save the session to another folder in step Data."
                )
            )
        except Exception:
            self._running = None
            self._steps.rotate(-1)  # the others first
            raise

    def _write_snapshot(self, snapshot: Snapshot) -> None:
        try:
            journal = write_snapshot(self.folder, snapshot, self._guard)
        except TakenOverError:
            raise
        except Exception:
            if self._journal is None:
                raise
            # the journal that we have goes on; the next snapshot writes all again
            self._on_disk.clear()
            self._base = (self._journal.nbytes, self._journal.count)
            return
        self._close_journal()
        self._journal = journal
        self._base = (journal.nbytes, journal.count)
        if self._tidy:
            self._guard()
            tidy(self.folder, snapshot, journal.path)
        self._steps.append(partial(write_large_files, self.folder, snapshot))

    def _write_entry(self, entry: Entry) -> None:
        assert self._journal is not None, "a snapshot comes first"
        if not self._journal.path.exists():
            self._renew = True
            raise FileNotFoundError(0, "the session's folder is gone")
        try:
            self._journal.append(entry)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            self._renew |= not full and self._failures >= PATIENCE
            raise
        except Exception:
            self._renew = True  # no record can hold it; a snapshot can
            raise
        write = entry.file_writer(self._files)
        if write is not None:
            self._steps.append(write)

    def _fail(self, error: BaseException) -> None:
        cause = cause_of(error)
        self._failures += 1
        first, self._failing = not self._failing, cause
        if first:
            self._report(
                SaveProblem(
                    f"{self.folder}: cannot be written ({cause}). Your work is held in "
                    "memory and written as soon as that is mended; free some space, or "
                    "save to another folder in step Data."
                )
            )

    def _recover(self) -> None:
        if self._failing:
            self._failing, self._failures = "", 0
            self._report(SaveProblem("Everything is written again.", over=True))

    def _give_up(self) -> None:
        self._stopped = True
        self._close_journal()
        self._report(
            SaveProblem(
                f"{self.folder}: was taken over by another window; what you do here "
                "from now on goes to a folder of its own.",
                taken_over=True,
            )
        )
