"""Load a session folder: read its snapshot, then replay its journal."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import step_of, went_on
from napari_contrastseg.io.json import parse, read_json
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.journal_entries import (
    CanRedo,
    CanUndo,
    Did,
    RoundAdded,
    VolumeAdded,
    read_entry,
)
from napari_contrastseg.session.round_list import AT_HAND
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.journal import read_heads, read_journal
from napari_contrastseg.session.storage.large_files import LargeFileReader, path_inside
from napari_contrastseg.session.storage.schema import StoredSession, read_stored
from napari_contrastseg.session.storage.snapshot import (
    INDEX,
    MAX_INDEX_BYTES,
    is_session,
)
from napari_contrastseg.session.storage.zarr_array import LinkError
from napari_contrastseg.session.stored_volume import StoredVolume
from napari_contrastseg.session.undo import RoundSelection
from napari_contrastseg.session.volume_record import WORK

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.journal_entries import Entry
    from napari_contrastseg.session.rounds import RoundInfo
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord


@dataclass(eq=False)
class Opened:
    """A session that was read.

    Attributes
    ----------
    notes : list of str
        What is missing or was damaged, a sentence each.
    written : dict of volume id to folder
        Work that is on the disk as it is in the session.
    changes : int
        Changes that came from the journal.
    damaged : Path or None
        The journal, where it cannot be read to its end.
    """

    session: Session
    notes: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    changes: int = 0
    damaged: Path | None = None


def load_session(folder: Path) -> Session:
    """Open a session folder, to read it; `open_folder` says what is missing as well.

    Raises
    ------
    InputError
        It is not a session, of a newer version, or damaged.
    """
    return open_folder(folder).session


def open_folder(folder: Path) -> Opened:
    """Read a session folder: its snapshot, then its journal; as `load_session`."""
    return _Opening(folder).run()


def read_index(folder: Path) -> StoredSession:
    """Read the snapshot's index alone; as `load_session`."""
    index = folder / INDEX
    if not is_session(folder) or index.is_symlink():
        raise InputError(
            f"{folder}: is not a session; choose a folder that holds {INDEX}."
        )
    return read_stored(read_json(index, MAX_INDEX_BYTES), str(index))


def summary(folder: Path) -> str:
    """Say in a few words what a session holds, without reading its arrays."""
    stored = read_index(folder)
    names = [v.id for v in stored.volumes]
    rounds, strokes = len(stored.rounds), 0
    if stored.journal:
        for head in read_heads(path_inside(folder, stored.journal)):
            strokes += head.kind in (CanUndo.kind, Did.kind)
            rounds += head.kind == RoundAdded.kind
            if head.kind == VolumeAdded.kind:
                names.append(parse(StoredVolume, head.about, str(folder)).id)
    few = 3
    words = [", ".join(names[:few]) + (" ..." if len(names) > few else "")]
    words.append(plural(strokes, "change"))
    if rounds:
        words.append(plural(rounds, "round"))
    return "; ".join(words)


def read_case_proposal(
    folder: Path, info: RoundInfo, record: VolumeRecord
) -> Proposal | None:
    """Read what a round predicted of a case that was not open; None: nothing.

    Raises
    ------
    InputError
        It is damaged.
    """
    files = LargeFileReader(folder, Session(), [], sparse=False)
    return files.read_proposal(info, record.volume.id, record.volume.shape)


def copy_damaged_journal(opened: Opened) -> None:
    """Copy a damaged journal, for whoever can read more of it."""
    if opened.damaged is not None and opened.damaged.exists():
        aside = opened.damaged.with_name(f"{opened.damaged.name}.damaged")
        shutil.copyfile(opened.damaged, aside)


class _Opening:
    """Reads one folder into a fresh session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored = read_index(folder)
        self.session = Session(self.stored.slices)
        self.opened = Opened(self.session)
        self.files = LargeFileReader(
            folder,
            self.session,
            self.opened.notes,
            sparse=self.stored.format_read == 1,
        )

    def run(self) -> Opened:
        stored, session, opened = self.stored, self.session, self.opened
        session.classes = stored.classes
        session.thresholds = dict(stored.thresholds)
        session.specks_chosen = dict(stored.specks)
        session.cohort, session.case_notes = stored.cohort, dict(stored.case_notes)
        count = len(stored.volumes) + len(stored.rounds) + 1
        for number, entry in enumerate(stored.volumes):
            with step_of(number, count):
                self.read_volume(entry)
        for number, info in enumerate(stored.rounds, len(stored.volumes)):
            with step_of(number, count):
                finished = self.files.read_round(info)
            if finished is None:
                session.rounds.absent.append(info)
                continue
            session.rounds.append(finished)
            for earlier in session.rounds[-AT_HAND - 1 : -AT_HAND]:
                earlier.proposals.pack(wait=True)  # not all of them unpacked at once
        went_on(1 - 1 / count)
        models = {key: self.files.read_weights(key) for key in stored.weights}
        session.rounds.newer = {k: m for k, m in models.items() if m is not None}
        session.select(RoundSelection(stored.current, stored.start))
        session.quiet = True
        if stored.journal:
            self.replay(path_inside(self.folder, stored.journal))
        if stored.format_read < stored.format:
            opened.written.clear()  # the next snapshot writes all again
        session.quiet = False
        self.propose_for_cases()
        for record in session.records.values():
            went_on()
            record.volume = self.files.in_memory(record.volume)
            record.pieces = record.look_at_pieces(c.id for c in session.classes)
        for record in session.records.values():
            record.leave_out(session.without_specks)
            record.refresh(session.all_thresholds())
        return opened

    # -- the snapshot ----------------------------------------------------------

    def read_volume(self, entry: StoredVolume) -> None:
        self.session.add_volume(self.files.read_volume(entry), entry.images)
        if entry.work:
            self.read_work(entry)
        if entry.closed:
            self.session.close_volume(entry.id)

    def read_work(self, entry: StoredVolume) -> None:
        place = path_inside(self.folder, entry.work)
        record = self.session.records[entry.id]
        for name, dtype in WORK.items():
            array = record.array(name)
            if name == "locked" and not (place / name).exists():
                continue  # format 1 knew no locks
            try:
                self.files.read(place / name, array.shape, dtype, into=array)
            except LinkError:
                raise
            except InputError as error:
                array[...] = 0
                self.damaged_work(entry, place, error)
                break
        else:
            self.opened.written[entry.id] = entry.work
        record.note_all_work()

    def damaged_work(self, entry: StoredVolume, place: Path, error: InputError) -> None:
        """Go on without a volume's labels, which are put aside."""
        if not place.is_dir():
            raise InputError(
                f"{place}: the labels of {entry.id} are missing; copy the whole folder "
                "of the session again."
            ) from error
        aside = place.with_name(f"{place.name}.damaged")
        if not aside.exists():
            shutil.copytree(place, aside, symlinks=True)
        self.opened.notes.append(
            f"{entry.id}: some of its labels cannot be read ({error}) What is left of "
            f"them was put aside as {aside.name}."
        )

    def propose_for_cases(self) -> None:
        """Show what the current round predicted of cases before they were opened."""
        current = self.session.rounds.current
        if current is None or self.session.cohort is None:
            return
        for name, record in self.session.records.items():
            if name in current.proposals:
                continue
            try:
                found = self.files.read_proposal(
                    current.info, name, record.volume.shape
                )
            except InputError as error:
                self.opened.notes.append(f"{name}: its prediction is gone ({error})")
                continue
            if found is not None:
                current.proposals.add(name, found)
                self.session.show_proposal(name)

    # -- the journal -----------------------------------------------------------

    def replay(self, path: Path) -> None:
        """Do again what the journal holds, as far as it can be read."""
        opened = self.opened
        if not path.is_file():
            opened.notes.append(f"{path}: is missing; the last changes are gone.")
            return
        reading = read_journal(path)
        if reading.damaged:
            opened.damaged = path
            opened.notes.append(
                f"{path.name}: is damaged after "
                f"{plural(len(reading.entries), 'change')}; "
                f"{reading.cut / 1024:.0f} KB after that cannot be read and are put "
                "aside."
            )
        self.session.entry_added.connect(self.forget_outdated)
        try:
            for stored in reading.entries:
                went_on()
                entry = read_entry(stored, self.files)
                entry.apply(self.session)
                opened.changes += not isinstance(entry, CanUndo | CanRedo)
        except InputError as error:
            opened.notes.append(f"{path.name}: {error} What came after it is lost.")
            opened.damaged = path
        finally:
            self.session.entry_added.disconnect(self.forget_outdated)

    def forget_outdated(self, entry: Entry) -> None:
        entry.forget_outdated(self.opened.written)
