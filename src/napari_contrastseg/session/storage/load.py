"""Opening a session's folder: the snapshot, then the journal on top of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import same_place
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.json import parse, read_json
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.session.proposals import Proposals
from napari_contrastseg.session.round_list import AT_HAND
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.journal import read_heads, read_journal
from napari_contrastseg.session.storage.schema import (
    StoredSession,
    StoredVolume,
    read_stored,
)
from napari_contrastseg.session.storage.snapshot import (
    INDEX,
    MAX_INDEX_BYTES,
    PROPOSAL,
    folder_name,
    is_session,
    placeholder,
)
from napari_contrastseg.session.storage.zarr_array import (
    LinkError,
    read_array,
    refuse_links,
)
from napari_contrastseg.session.undo import ArrayEdit, RoundSelection
from napari_contrastseg.session.volume_record import WORK, Proposal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.storage.journal import JournalRecord
    from napari_contrastseg.session.undo import Action


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
    """Open a session folder, to read it.

    Raises
    ------
    InputError
        It is no session, of a newer version, or damaged.
    """
    return open_folder(folder).session


def open_folder(folder: Path) -> Opened:
    """Read a session folder: its snapshot, then its journal; as `load_session`."""
    return _Opening(folder).run()


def read_index(folder: Path) -> StoredSession:
    """Read the snapshot's index alone; as `load_session`."""
    index = folder / INDEX
    if not is_session(folder) or index.is_symlink():
        raise InputError(f"{folder}: is no session; a session folder holds {INDEX}.")
    return read_stored(read_json(index, MAX_INDEX_BYTES), str(index))


def summary(folder: Path) -> str:
    """Say in a few words what a session holds, without reading its arrays."""
    stored = read_index(folder)
    names = [v.id for v in stored.volumes]
    rounds, strokes = len(stored.rounds), 0
    if stored.journal:
        for head in read_heads(_inside(folder, stored.journal)):
            strokes += head.kind in ("past", "did")
            rounds += head.kind == "round"
            if head.kind == "volume":
                names.append(parse(StoredVolume, head.about, str(folder)).id)
    few = 3
    words = [", ".join(names[:few]) + (" ..." if len(names) > few else "")]
    words.append(plural(strokes, "change"))
    if rounds:
        words.append(plural(rounds, "round"))
    return "; ".join(words)


def keep_damaged(opened: Opened) -> None:
    """Put a damaged journal aside, for whoever can read more of it."""
    if opened.damaged is not None and opened.damaged.exists():
        aside = opened.damaged.with_name(f"{opened.damaged.name}.damaged")
        shutil.copyfile(opened.damaged, aside)


class _Opening:
    """Reads one folder into a fresh session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored = read_index(folder)
        self.session = Session(self.stored.axis)
        self.opened = Opened(self.session)
        self.where = str(folder / self.stored.journal)

    def run(self) -> Opened:
        stored, session, opened = self.stored, self.session, self.opened
        session.classes = stored.classes
        session.thresholds = dict(stored.thresholds)
        for entry in stored.volumes:
            self.add_volume(entry)
            if entry.work:
                self.read_work(entry)
        for info in stored.rounds:
            finished = self.read_round(info)
            if finished is None:
                session.absent.append(info)
                continue
            session.rounds.append(finished)
            for earlier in session.rounds[-AT_HAND - 1 : -AT_HAND]:
                earlier.proposals.pack(wait=True)  # not all of them unpacked at once
        models = {key: self.read_weights(key) for key in stored.weights}
        newer = {key: model for key, model in models.items() if model is not None}
        session.restore(RoundSelection(stored.current, stored.start), newer)
        session.quiet = True
        if stored.journal:
            self.replay(_inside(self.folder, stored.journal))
        if stored.format_read < stored.format:
            opened.written.clear()  # all is written anew by the next snapshot
        session.quiet = False
        for record in session.records.values():
            record.refresh(session.all_thresholds())
        return opened

    def read(
        self, place: Path, shape: tuple[int, ...], dtype: type[Any] | None = None
    ) -> NDArray[Any]:
        """Read an array; format 1 left out chunks of zeros."""
        return read_array(place, shape, dtype, sparse=self.stored.format_read == 1)

    # -- the snapshot ----------------------------------------------------------

    def add_volume(self, entry: StoredVolume) -> None:
        """Add a volume with its image, or without it where it was not stored."""
        check_size(entry.id, entry.shape, np.dtype("V8"))  # ink and its like
        affine = np.asarray(entry.affine, dtype=np.float64)
        places = [_inside(self.folder / "images", name) for name in entry.images]
        try:
            data = tuple(self.read(place, entry.shape) for place in places)
        except InputError as error:
            again = self.from_source(entry)
            if again is not None:
                self.session.add_volume(again, entry.images)
                return
            note = f"{entry.id}: its labels are here, but not its image ({error})"
            self.opened.notes.append(note)
            data = (placeholder(entry.shape),) * len(entry.images)
        about = (entry.channels, entry.source, entry.kind)
        self.session.add_volume(Volume(entry.id, data, affine, *about), entry.images)

    def from_source(self, entry: StoredVolume) -> Volume | None:
        """Read an image that was not stored in time from where it came."""
        path = entry.source.path
        if path is None or not path.is_file():
            return None
        try:
            again = read_volume(path, name=entry.id)
        except InputError:
            return None
        if again.shape != entry.shape or len(again.data) != len(entry.images):
            return None
        affine = np.asarray(entry.affine, dtype=np.float64)
        placed = again.source.file_format == "nifti"
        if placed and not same_place(entry.shape, affine, again.affine):
            return None  # another image by now
        self.opened.notes.append(f"{entry.id}: its image is read from {path} again.")
        return again

    def read_work(self, entry: StoredVolume) -> None:
        place = _inside(self.folder, entry.work)
        record = self.session.records[entry.id]
        for name, dtype in WORK.items():
            array = record.array(name)
            if name == "locked" and not (place / name).exists():
                continue  # format 1 knew no locks
            try:
                array[...] = self.read(place / name, array.shape, dtype)
            except LinkError:
                raise
            except InputError as error:
                self.damaged_work(entry, place, error)
                return
        self.opened.written[entry.id] = entry.work

    def damaged_work(self, entry: StoredVolume, place: Path, error: InputError) -> None:
        """Go on without a volume's labels, which are put aside."""
        if not place.is_dir():
            raise error
        aside = place.with_name(f"{place.name}.damaged")
        if not aside.exists():
            shutil.copytree(place, aside, symlinks=True)
        self.opened.notes.append(
            f"{entry.id}: some of its labels cannot be read ({error}) What is left of "
            f"them was put aside as {aside.name}."
        )

    def read_round(self, info: RoundInfo) -> Round | None:
        """Read a round, or note that it was not stored in time."""
        from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415

        place = _inside(self.folder / "rounds", info.key)
        try:
            refuse_links(place)
            proposals = {}
            for name, record in self.session.records.items():
                where, shape = place / folder_name(name), record.volume.shape
                if where.is_dir():
                    arrays = {
                        key: self.read(where / key, shape, dtype)
                        for key, dtype in PROPOSAL.items()
                    }
                    proposals[name] = Proposal(info.number, **arrays)
            return Round(info, load_model(place / "model"), Proposals(proposals))
        except InputError as error:
            note = f"Round {info.number} is not there any more ({error})"
            self.opened.notes.append(note)
            return None

    def read_weights(self, key: str) -> Model | None:
        from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415

        place = _inside(self.folder / "weights", key)
        if "/" in key:  # format 1 kept them in its state
            place = _inside(self.folder, key)
        try:
            refuse_links(place)
            return load_model(place)
        except InputError as error:
            self.opened.notes.append(f"The newest weights are not there ({error})")
            return None

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
                f"{path.name}: is damaged after {len(reading.records)} changes; "
                f"{reading.cut / 1024:.0f} KB after that cannot be read and are put "
                "aside."
            )
        try:
            self.restore_history(reading.records)
            for record in reading.records:
                self.redo(record)
        except InputError as error:
            opened.notes.append(f"{error} What came after it is lost.")
            opened.damaged = path

    def restore_history(self, records: tuple[JournalRecord, ...]) -> None:
        past = tuple(r.action for r in records if r.kind == "past" and r.action)
        future = tuple(r.action for r in records if r.kind == "future" and r.action)
        for action in (*past, *future):
            self.check(action)
        self.session.history.restore(past, future)

    def redo(self, record: JournalRecord) -> None:
        """Do again what one record tells of."""
        if record.kind in ("past", "future"):
            return
        does = {
            "did": self.did,
            "undid": self.undid,
            "redid": self.redid,
            "volume": self.volume,
            "removed": self.removed,
            "axis": self.axis,
            "threshold": self.threshold,
            "round": self.round,
            "weights": self.weights,
        }
        does[record.kind](record)
        self.opened.changes += 1

    def did(self, record: JournalRecord) -> None:
        if record.action is not None:
            self.check(record.action)
            self.session.replay(record.action)
            self.touched(record.action)

    def undid(self, _record: JournalRecord) -> None:
        self.touched(*self.session.history.done[-1:])
        self.session.undo()

    def redid(self, _record: JournalRecord) -> None:
        self.touched(*self.session.history.undone[-1:])
        self.session.redo()

    def volume(self, record: JournalRecord) -> None:
        self.add_volume(parse(StoredVolume, record.about, self.where))

    def removed(self, record: JournalRecord) -> None:
        self.session.remove_volume(self.known(record.about))
        self.opened.written.pop(record.about, None)

    def axis(self, record: JournalRecord) -> None:
        self.session.set_axis(parse(int, record.about, self.where))
        self.opened.written.clear()

    def threshold(self, record: JournalRecord) -> None:
        pair = parse(tuple[int, float], record.about, self.where)
        self.session.set_threshold(*pair)

    def round(self, record: JournalRecord) -> None:
        info = parse(RoundInfo, record.about, self.where)
        finished = self.read_round(info)
        if finished is not None:
            self.session.add_round(finished)
        else:
            self.session.absent.append(info)
            self.session.history.forget_rounds()

    def weights(self, record: JournalRecord) -> None:
        key = parse(str, record.about, self.where)
        model = self.read_weights(key)
        if model is not None:
            self.session.keep(model, key)

    def known(self, volume_id: Any) -> str:
        if not isinstance(volume_id, str) or volume_id not in self.session.records:
            raise InputError(f"{self.where}: speaks of a volume that is not there.")
        return volume_id

    def check(self, action: Action) -> None:
        """Refuse edits that do not fit the session's arrays."""
        for edit in action.edits:
            if isinstance(edit, ArrayEdit) and len(edit.index):
                record = self.session.records[self.known(edit.volume_id)]
                inside = int(edit.index.max()) < record.array(edit.array).size
                if not inside or int(edit.index.min()) < 0:
                    raise InputError(f"{self.where}: speaks of voxels not there.")

    def touched(self, *actions: Action) -> None:
        for action in actions:
            for volume_id in action.volumes:
                self.opened.written.pop(volume_id, None)


def _inside(folder: Path, name: str) -> Path:
    """Make a path inside a folder, whatever a stranger wrote into the session file."""
    parts = Path(name).parts
    if (
        "\0" in name
        or not parts
        or Path(name).is_absolute()
        or ".." in parts
        or "\\" in name
    ):
        raise InputError(f"{folder}: the session names a place outside its folder.")
    place = folder
    for part in parts:
        place /= part
        if place.is_symlink():
            raise InputError(f"{place}: is a link; sessions and models hold none.")
    return place
