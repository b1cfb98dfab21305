"""Save a session: write a snapshot of it into a folder.

::

    SESSION/session.json           the snapshot: what there is, which journal goes on
    SESSION/journal-<key>          every change since the snapshot, see `journal`
    SESSION/work/<key>/...         ink, origin, status, rejections, locks of a volume
    SESSION/images/<key>           image data, one array a channel
    SESSION/rounds/<key>/...       model and proposals of a round
    SESSION/predicted/<key>/...    proposals of a round for cases that were not open
    SESSION/weights/<key>/...      weights newer than the current round's
    SESSION/owner.json             who writes here, see `ownership`

Whatever has a key is written once and never changed. A snapshot writes new keys, then
replaces session.json, then deletes what is no longer named: whenever it is cut off,
the folder opens as it was before or after.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import to_plain, write_json
from napari_contrastseg.session.journal_entries import CanRedo, CanUndo
from napari_contrastseg.session.rounds import new_key
from napari_contrastseg.session.storage.journal import JournalFile
from napari_contrastseg.session.storage.large_files import LargeFileWriter
from napari_contrastseg.session.storage.ownership import OWNER
from napari_contrastseg.session.storage.schema import FORMAT, StoredSession
from napari_contrastseg.session.storage.zarr_array import write_array, write_once
from napari_contrastseg.session.stored_volume import describe
from napari_contrastseg.session.volume_record import PER_SLICE, WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.undo import Action
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.session.worked_parts import PartsCopy

INDEX: Final = "session.json"
MAX_INDEX_BYTES: Final = 32 * 2**20
#: Bytes of an action in memory from which no record holds it.
LARGEST_ACTION: Final = 2**30


def is_session(folder: Path) -> bool:
    """Whether a folder holds a session."""
    try:
        return (folder / INDEX).is_file()
    except OSError:
        return False


def refuse_other_folder(folder: Path) -> None:
    """Write into new and empty folders and into sessions alone.

    Raises
    ------
    InputError
        It is a file, or holds other files.
    """
    if folder.is_file():
        raise InputError(f"{folder}: is a file; choose an empty folder or a session's.")
    ours = is_session(folder) or (folder / OWNER).is_file()
    if folder.exists() and not ours and any(folder.iterdir()):
        raise InputError(
            f"{folder}: holds other files; choose an empty folder or a session's."
        )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A session at one moment, to be written while work goes on.

    Attributes
    ----------
    index : StoredSession
        Without its journal.
    work : dict of folder to arrays by name
        Copies of what has changed since the last snapshot.
    records, rounds, weights
        What is written once.
    done, undone : tuple of Action
        The history.
    """

    index: StoredSession
    work: dict[str, dict[str, NDArray[Any] | PartsCopy]]
    records: tuple[VolumeRecord, ...]
    rounds: tuple[Round, ...]
    weights: Mapping[str, Model]
    done: tuple[Action, ...]
    undone: tuple[Action, ...]


def take_snapshot(session: Session, written: Mapping[str, str]) -> Snapshot:
    """Copy what a snapshot needs.

    Parameters
    ----------
    session : Session
    written : dict of volume id to folder
        Work that is on the disk already, unchanged.
    """
    places = dict(written)
    work: dict[str, dict[str, NDArray[Any] | PartsCopy]] = {}
    records = session.all_records
    for volume_id, record in records.items():
        if volume_id not in places:
            places[volume_id] = f"work/{new_key('work')}"
            work[places[volume_id]] = {name: _copy(record, name) for name in WORK}
    selection, newer = session.rounds.selection, session.newer_weights
    index = StoredSession(
        FORMAT,
        "",
        session.slices,
        session.classes,
        dict(session.thresholds),
        tuple(
            describe(r.volume, r.stored, places[name], closed=r.is_aside)
            for name, r in records.items()
        ),
        (*(r.info for r in session.rounds), *session.rounds.absent),
        selection.round,
        selection.start,
        tuple(newer),
        specks=dict(session.specks_chosen),
        cohort=session.cohort,
        case_notes=dict(session.case_notes),
    )
    return Snapshot(
        index,
        work,
        tuple(records.values()),
        tuple(session.rounds),
        newer,
        session.history.done,
        session.history.undone,
    )


def _copy(record: VolumeRecord, name: str) -> NDArray[Any] | PartsCopy:
    """Copy an array of a record; empty slices cost nothing, nor does what is packed."""
    if name in PER_SLICE:
        return record.array(name).copy()
    return record.array(name) if record.is_aside else record.copied(name)


def write_snapshot(
    folder: Path, snapshot: Snapshot, guard: Callable[[], None] = lambda: None
) -> JournalFile:
    """Write a snapshot's work and index; returns the journal that follows it.

    `guard` is called now and then, and right before the index is replaced; it raises
    where another process has taken the session over.

    Images, rounds and weights are written by `write_large_files`, before or after: a
    session opens without them, too.

    Raises
    ------
    OSError or InputError
        It could not be written; the folder is as it was.
    """
    for place, arrays in snapshot.work.items():
        for _ in write_once(folder / place, partial(_write_work, arrays)):
            guard()
    journal = JournalFile(folder / new_key("journal"))
    try:
        _write_history(journal, snapshot)
        journal.sync()
        index = to_plain(snapshot.index) | {"journal": journal.path.name}
        guard()
        write_json(folder / INDEX, index, indent=None)
    except BaseException:
        journal.close()
        journal.path.unlink(missing_ok=True)
        raise
    return journal


def _write_history(journal: JournalFile, snapshot: Snapshot) -> None:
    """Write what can be undone, from behind the last change too large for a record."""
    done = list(snapshot.done)
    for number in range(len(done) - 1, -1, -1):
        if done[number].nbytes > LARGEST_ACTION:
            done = done[number + 1 :]
            break
    for action in done:
        journal.append(CanUndo(action))
    if not any(action.nbytes > LARGEST_ACTION for action in snapshot.undone):
        for action in snapshot.undone:
            journal.append(CanRedo(action))


def _write_work(
    arrays: Mapping[str, NDArray[Any] | PartsCopy], place: Path
) -> Iterator[None]:
    for name, array in arrays.items():
        yield from write_array(place / name, array)


def tidy(folder: Path, snapshot: Snapshot, journal: Path) -> None:
    """Delete what the snapshot in force does not name."""
    index = snapshot.index
    wanted = {
        "work": {v.work.removeprefix("work/") for v in index.volumes},
        "images": {name for v in index.volumes for name in v.images},
        "rounds": {info.key for info in index.rounds},
        "weights": set(index.weights),
    }
    for name, keys in wanted.items():
        for old in (folder / name).glob("*"):
            if old.suffix != ".damaged" and old.name.removesuffix(".part") not in keys:
                shutil.rmtree(old, ignore_errors=True)
    names = (*(v.work for v in index.volumes), *index.weights)
    if not any(name.startswith("states/") for name in names):
        shutil.rmtree(folder / "states", ignore_errors=True)  # of format 1
    for old in folder.glob("journal-*"):
        if old != journal and old.suffix != ".damaged":
            with suppress(OSError):  # another process may be reading it
                old.unlink()


def save_session(session: Session, folder: Path) -> None:
    """Write a session with everything in it, at once.

    Raises
    ------
    InputError
        The folder is another thing than a session, or cannot be written.
    """
    refuse_other_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        snapshot = take_snapshot(session, {})
        for _ in write_large_files(folder, snapshot):
            pass
        journal = write_snapshot(folder, snapshot)
        journal.close()
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{folder}: the session could not be saved ({cause_of(error)}); free some "
            "space or choose another folder. Nothing in the window is lost."
        ) from error
    tidy(folder, snapshot, journal.path)


def write_large_files(folder: Path, snapshot: Snapshot) -> Iterator[None]:
    """Write images, rounds and weights, as far as they are not there."""
    files = LargeFileWriter(folder)
    for record in snapshot.records:
        yield from files.write_images(record.volume, record.stored)
    for finished in snapshot.rounds:
        yield from files.write_round(finished)
    for key, model in snapshot.weights.items():
        yield from files.write_weights(key, model)


def cause_of(error: BaseException) -> str:
    """Give a few words about an error, for a person."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
