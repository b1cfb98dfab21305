"""What a worker does for a job of the window: a child process, and its messages.

::

    relay_there (a task)    takes a child --> waits for the job --> until it ends
    look (asked four times a second)   |                                |
        what the asker has taken ------'                                |
        messages since, the files of arrays, changes of what is kept ---'

The child is answered here at once, with the asker's latest answer, so that it does not
wait for the way there and back at every event; not so where the asker has been behind
for some seconds, because it pauses. A job that nobody asks about ends.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from napari_contrastseg.tasks.cluster.job_data import store_of
from napari_contrastseg.tasks.cluster.kept_files import Changes, changes
from napari_contrastseg.tasks.cluster.parcel import write_content
from napari_contrastseg.tasks.executors.messages import Ended
from napari_contrastseg.tasks.executors.pipe import ClosedError
from napari_contrastseg.tasks.executors.process import Child, how_it_ended
from napari_contrastseg.tasks.executors.sharing import glance_at

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds after which a job ends that nobody asks about.
ABANDONED: Final = 120.0
#: Seconds that the asker may be behind before the child waits for it.
BEHIND: Final = 2.0
_PAUSE: Final = 0.5
_RELAYS: Final[dict[str, _Relay]] = {}
#: Children that have loaded what they need and wait for the next job.
_WAITING: Final[list[Child]] = []


@dataclass(frozen=True)
class Message:
    """What the child has said.

    Attributes
    ----------
    files : dict of str to int
        Names of the arrays' files that came with it, and their bytes.
    """

    content: bytes
    files: dict[str, int]


@dataclass(frozen=True)
class Seen:
    """What the asker sees of a job.

    Attributes
    ----------
    waits : bool
        For the job.
    folder, kept, store : str
        Where the child finds arrays, and where it keeps what the job keeps; where the
        worker stores arrays for the next job.
    messages : tuple of Message
        From the first that the asker has not taken.
    ended : str
        How the child has ended; ``""`` while it lives.
    changes : Changes or None
        Of what is kept, since what the asker has.
    """

    waits: bool
    folder: str
    kept: str
    store: str
    messages: tuple[Message, ...] = ()
    ended: str = ""
    changes: Changes | None = None


@dataclass(frozen=True)
class Poll:
    """What the asker says each time it asks.

    Attributes
    ----------
    taken, done : int
        Messages that have come, and that have been reported.
    answer : bytes
        To all of these.
    marks : dict of str to str, optional
        Of what is kept; None where nothing is to be kept.
    killed : bool
        Whether the child shall end now.
    """

    taken: int = 0
    done: int = 0
    answer: bytes = b""
    marks: dict[str, str] | None = None
    killed: bool = False


def relay_there(name: str) -> None:
    """Let a child of this worker do a job, until it has ended or nobody asks for it."""
    from distributed import get_worker  # noqa: PLC0415

    store = str(store_of(get_worker()))
    with TemporaryDirectory(
        prefix="contrastseg-", ignore_cleanup_errors=True
    ) as folder:
        relay = _RELAYS[name] = _Relay(Path(folder), store)
        try:
            relay.work()
        finally:
            del _RELAYS[name]
            relay.close()


def look(name: str, poll: Poll) -> Seen | None:
    """Look at a job of this worker; None where there is none of this name."""
    relay = _RELAYS.get(name)
    return None if relay is None else relay.seen(poll)


def begin(name: str, first: bytes, job: bytes, kept: Mapping[str, bytes]) -> None:
    """Let a job begin that waits, with what was kept of it before."""
    relay = _RELAYS.get(name)
    if relay is not None:
        relay.begin(first, job, kept)


def over(name: str) -> None:
    """Let go of a job: the asker has all of it, or wants no more."""
    relay = _RELAYS.get(name)
    if relay is not None:
        relay.end()


def _child() -> Child:
    """Give a child that waits, or start one."""
    while _WAITING:
        child = _WAITING.pop()
        if child.alive:
            return child
        child.end()
    return Child()


class _Relay:
    """A job of this worker: one thread listens to the child, another to the asker."""

    def __init__(self, folder: Path, store: str) -> None:
        self._store = store
        self.folder, self.kept = folder / "arrays", folder / "kept"
        for made in (self.folder, self.kept):
            made.mkdir()
        self._over = threading.Event()
        self._begun = threading.Event()
        self._first, self._job = b"", b""
        self._lock = threading.Condition()
        self._messages: list[tuple[float, Message]] = []
        self._poll, self._dropped = Poll(), 0
        self._ended, self._known = "", set[str]()
        self._asked = time.monotonic()
        self._child, self._is_reusable = _child(), False

    def work(self) -> None:
        """Wait for the job, and pass on what the child says until it ends."""
        while not self._begun.wait(_PAUSE):
            if self._is_left():
                return
        try:
            if not self._child.wait_until_ready(self._is_left):
                return
            self._child.pipe.send(self._first)
            self._child.pipe.send(self._job)
            while True:
                message = self._child.pipe.receive()
                self._take(message)
                if self._is_last(message) or not self._wait_for_the_asker():
                    break
                self._child.pipe.send(self._poll.answer)
        except ClosedError:
            self._ended = how_it_ended(self._child.end())
        while not self._is_left():
            self._over.wait(_PAUSE)

    def begin(self, first: bytes, job: bytes, kept: Mapping[str, bytes]) -> None:
        """Take the job."""
        self._known = {path.name for path in self.folder.iterdir()}
        write_content(self.kept, kept)
        self._first, self._job = first, job
        self._begun.set()

    def seen(self, poll: Poll) -> Seen:
        """Say how it stands; forget what the asker has taken."""
        self._asked = time.monotonic()
        if poll.killed:
            self._child.kill()
        with self._lock:
            self._poll = poll
            for _, message in self._messages[: poll.taken - self._dropped]:
                for name in message.files:
                    (self.folder / name).unlink(missing_ok=True)
            new = self._messages[poll.taken - self._dropped :]
            done = min(poll.done, poll.taken) - self._dropped
            self._messages = self._messages[done:]
            self._dropped += done
            self._lock.notify_all()
        return Seen(
            not self._begun.is_set(),
            str(self.folder),
            str(self.kept),
            self._store,
            tuple(message for _, message in new),
            self._ended,
            None if poll.marks is None else changes(self.kept, poll.marks),
        )

    def end(self) -> None:
        """Let go of the job, whatever the child does."""
        self._over.set()
        if not self._is_reusable:
            self._child.kill()

    def close(self) -> None:
        """Keep the child for the next job, or end it."""
        if self._is_reusable and not _WAITING:
            _WAITING.append(self._child)
            return
        self._child.kill()
        self._child.end()

    def _is_last(self, content: bytes) -> bool:
        """Whether a message is the last; a child that holds no GPU does another job."""
        message = glance_at(content)
        if not isinstance(message, Ended):
            return False
        self._is_reusable = not message.used_gpu
        return True

    def _take(self, content: bytes) -> None:
        """Note a message, and the files that came with it."""
        new = [p for p in self.folder.iterdir() if p.name not in self._known]
        files = {path.name: path.stat().st_size for path in new}
        self._known |= files.keys()
        with self._lock:
            self._messages.append((time.monotonic(), Message(content, files)))

    def _wait_for_the_asker(self) -> bool:
        """Wait while the asker is far behind; whether it is still there."""
        with self._lock:
            while self._is_behind():
                if self._is_left():
                    return False
                self._lock.wait(_PAUSE)
        return not self._over.is_set()

    def _is_behind(self) -> bool:
        if not self._poll.answer:  # to the first message it gives its first answer
            return True
        if not self._messages:
            return False
        return time.monotonic() - self._messages[0][0] > BEHIND

    def _is_left(self) -> bool:
        """Whether the asker has all of it, or is gone."""
        return self._over.is_set() or time.monotonic() - self._asked > ABANDONED
