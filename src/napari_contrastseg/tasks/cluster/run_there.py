"""Training on a worker: begins when asked, answers while it runs.

::

    train_there (a task)        waits --> trains --> the model's files
    look (asked twice a second)   |          |
        what the asker has of ----'          '---- progress, notes, the last checkpoint
        an earlier worker's run

A run that nobody asks about ends: the asker is gone.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.tasks.cluster.kept_files import Changes, changes
from napari_contrastseg.tasks.cluster.parcel import (
    content_of,
    full_disk,
    is_disk_full,
    write_content,
)
from napari_contrastseg.tasks.dataset import CHECKPOINT, train_on_dataset
from napari_contrastseg.tasks.drive import Cancelled, Failed, drive
from napari_contrastseg.tasks.events import Note, Progress

if TYPE_CHECKING:
    from napari_contrastseg.tasks.cluster.parcel import Parcel
    from napari_contrastseg.tasks.dataset import DatasetTraining

#: Seconds after which a run ends that nobody asks about.
ABANDONED: Final = 120.0
_RUNS: Final[dict[str, _Run]] = {}


@dataclass(frozen=True)
class Seen:
    """What an asker sees of a run.

    Attributes
    ----------
    waits : bool
        For the asker's checkpoint.
    notes : tuple of Note
        From the one that was asked for.
    checkpoint : Changes or None
        Since the one that the asker has.
    """

    waits: bool
    progress: Progress | None
    notes: tuple[Note, ...]
    checkpoint: Changes | None


@dataclass(frozen=True)
class Trained:
    """How a run ended.

    Attributes
    ----------
    files : dict of str to bytes
        The model's; empty where it was cancelled or failed.
    failed : str
        Why, in one sentence.
    """

    seen: Seen
    report: dict[str, Any]
    files: dict[str, bytes]
    failed: str
    worker: str


def train_there(name: str, data: Parcel, request: DatasetTraining, out: str) -> Trained:
    """Train on a worker, from the asker's checkpoint on if there is one.

    Parameters
    ----------
    name : str
        Of the run.
    data : Parcel
    request : DatasetTraining
        Without its paths.
    out : str
        Where the asker saves the model; named where something is wrong with it.

    Raises
    ------
    NotSharedError
        The data set was not sent, and is not here.
    """
    from distributed import get_worker  # noqa: PLC0415

    with (
        data.opened() as root,
        TemporaryDirectory(prefix="contrastseg-", ignore_cleanup_errors=True) as folder,
    ):
        here = Path(folder)
        run = _RUNS[name] = _Run(here / CHECKPOINT)
        try:
            run.wait()
            mine = replace(request, dataset=root, out=here, overwrite=False)
            outcome = drive(train_on_dataset(mine), run.take, run.is_cancelled)
        finally:
            del _RUNS[name]
        seen, files, failed = run.seen(0, {}), {}, ""
        if isinstance(outcome, Failed):
            failed = outcome.message.replace(folder, out)
            failed = failed.replace(str(root), data.root)
            if is_disk_full(outcome.error):
                failed = str(full_disk())
        elif not isinstance(outcome, Cancelled):
            files = content_of(here)
        return Trained(seen, run.report, files, failed, get_worker().address)


def without_places(request: DatasetTraining) -> DatasetTraining:
    """Leave out paths, which another system cannot read."""
    nowhere: Any = PurePosixPath()
    return replace(request, dataset=nowhere, out=nowhere)


def look(name: str, notes: int, marks: dict[str, str]) -> Seen | None:
    """Look at a run of this worker; None where there is none of this name.

    Parameters
    ----------
    name : str
    notes : int
        How many the asker has heard.
    marks : dict of str to str
        Of the files of the checkpoint that the asker has.
    """
    run = _RUNS.get(name)
    return None if run is None else run.seen(notes, marks)


def begin(name: str, checkpoint: dict[str, bytes]) -> None:
    """Let a run begin that waits."""
    if name in _RUNS:
        _RUNS[name].begin(checkpoint)


def cancel(name: str) -> None:
    """Let a run end after its step, with a last checkpoint."""
    if name in _RUNS:
        _RUNS[name].cancelled.set()


class _Run:
    """A run of this worker: one thread trains, another answers."""

    def __init__(self, checkpoint: Path) -> None:
        self._folder = checkpoint
        self._begun = threading.Event()
        self.cancelled = threading.Event()
        self._asked = time.monotonic()
        self._progress: Progress | None = None
        self._notes: list[Note] = []
        self.report: dict[str, Any] = {}

    def wait(self) -> None:
        """Wait for the asker's checkpoint."""
        while not self._begun.wait(1.0) and not self.is_cancelled():
            continue

    def begin(self, checkpoint: dict[str, bytes]) -> None:
        """Take the checkpoint and begin."""
        if not self._begun.is_set():
            write_content(self._folder, checkpoint)
            self._begun.set()

    def take(self, event: Progress | Note | dict[str, Any]) -> None:
        """Keep an event for the asker."""
        if isinstance(event, Progress):
            self._progress = event
        elif isinstance(event, Note):
            self._notes.append(event)
        else:
            self.report = event

    def is_cancelled(self) -> bool:
        """Whether the asker wants it to end, or has gone."""
        late = time.monotonic() - self._asked > ABANDONED
        return self.cancelled.is_set() or late

    def seen(self, notes: int, marks: dict[str, str]) -> Seen:
        """Say how it stands."""
        self._asked = time.monotonic()
        waits = not self._begun.is_set()
        changed = changes(self._folder, marks)
        return Seen(waits, self._progress, tuple(self._notes[notes:]), changed)
