"""Every kind of journal entry: stored, read back and applied, it is the same change."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from napari_contrastseg.io.cohort import Cohort
from napari_contrastseg.io.dataset import Case
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.case_note import CaseNote
from napari_contrastseg.session.journal_entries import (
    AxisChosen,
    CanRedo,
    CanUndo,
    Did,
    Entry,
    StoredEntry,
    VolumeRemoved,
    read_entry,
)
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import open_folder
from napari_contrastseg.session.storage.record_format import decode, encode, split
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.undo import Action, ArrayEdit
from napari_contrastseg.session.volume_record import Proposal
from tests.kit.session_state import arrays_of, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.journal_entries import FileReader
    from napari_contrastseg.session.stored_volume import StoredVolume

NAME = "one"


@dataclass
class InMemory:
    """Files of a session folder, without the folder."""

    held: dict[Any, Any] = field(default_factory=dict)

    def write_images(self, volume: Volume, names: tuple[str, ...]) -> Iterator[None]:
        self.held[names] = volume
        yield

    def write_round(self, finished: Round) -> Iterator[None]:
        self.held[finished.info.key] = finished
        yield

    def write_weights(self, key: str, model: Model) -> Iterator[None]:
        self.held[key] = model
        yield

    def read_volume(self, stored: StoredVolume) -> Volume:
        return cast("Volume", self.held[stored.images])

    def read_round(self, info: RoundInfo) -> Round | None:
        return self.held.get(info.key)

    def read_weights(self, key: str) -> Model | None:
        return self.held.get(key)


def begin() -> Session:
    """The same session each time."""
    made = Session()
    volume = replace(phantom(0, (4, 6, 6)).volume, id=NAME)
    made.add_volume(volume, tuple(f"image-{i}" for i in range(len(volume.data))))
    made.add_class("core")
    made.add_class("shell")
    made.history.clear()
    return made


def paint(session: Session) -> None:
    where = np.zeros((4, 6, 6), bool)
    where[1, ::2, 1:4] = True
    painting.paint(session, NAME, where, 1)


def paint_and_undo(session: Session) -> None:
    paint(session)
    session.undo()


def undo_and_redo(session: Session) -> None:
    paint_and_undo(session)
    session.redo()


def do_much(session: Session) -> None:
    paint(session)
    painting.mark(session, NAME, 1, Status.DONE)
    painting.lock_slice(session, NAME, 1, locked=True)
    session.change_class(2, name="rind", locked=True)
    add_round(session)
    add_round(session)
    session.bring_back(1)


def add_round(session: Session) -> None:
    number = session.rounds.next_number
    guess = np.full((4, 6, 6), number, np.uint8)
    proposal = Proposal(number, guess, np.full(guess.shape, 0.95, np.float16))
    info = RoundInfo(number, "supervised", 1, 1.0, {"core": 0.5}, {NAME: [1]})
    model = cast("Model", f"model {number}")
    session.add_round(Round(info, model, Proposals({NAME: proposal})))


def add_volume(session: Session) -> None:
    session.add_volume(replace(phantom(1, (4, 6, 6)).volume, id="Präparat 2"))


def remove_volume(session: Session) -> None:
    add_volume(session)
    painting.mark(session, "Präparat 2", 1, Status.DONE)
    session.remove_volume("Präparat 2")


def begin_classes(session: Session) -> None:
    session.delete_class(1)
    session.delete_class(2)
    session.begin_classes()


def cohort_with(*names: str) -> Cohort:
    images = [(Path("/data") / f"{name}.nii.gz",) for name in names]
    cases = (Case(n, i, None) for n, i in zip(names, images, strict=True))
    return Cohort(Path("/data"), tuple(cases))


def note_cases(session: Session) -> None:
    session.set_cohort(cohort_with("Präparat 1", NAME))
    session.note_case(NAME, CaseNote(done=True, round=2, dice=0.75))


def close_volume(session: Session) -> None:
    add_volume(session)
    paint(session)
    session.close_volume(NAME)


def open_volume_again(session: Session) -> None:
    close_volume(session)
    session.open_volume(NAME)
    painting.mark(session, NAME, 2, Status.DONE)


#: What a person does, for each kind of entry that it leads to.
CHANGES: dict[str, Callable[[Session], object]] = {
    "past": paint,
    "future": paint_and_undo,
    "did": do_much,
    "undid": paint_and_undo,
    "redid": undo_and_redo,
    "volume": add_volume,
    "removed": remove_volume,
    "first class": begin_classes,
    "axis": lambda session: session.set_slices(SliceAxis("file", 2)),
    "size": lambda session: session.set_voxel_size(NAME, (1.0, 3.0, 1.0)),
    "kind": lambda session: session.set_kind(NAME, "stack"),
    "threshold": lambda session: session.set_threshold(2, 0.6),
    "round": add_round,
    "cohort": lambda session: session.set_cohort(cohort_with("a", "b")),
    "case": note_cases,
    "closed": close_volume,
    "opened": open_volume_again,
    "weights": lambda session: session.add_weights(cast("Model", "newer"), "key"),
}


def entries_of(kind: str) -> tuple[Session, Session, list[Entry]]:
    """A session before some entries, the one after them, and the entries."""
    before, after = begin(), begin()
    seen: list[Entry] = []
    after.entry_added.connect(seen.append)
    CHANGES[kind](after)
    if kind in ("past", "future"):  # a history that was saved with the arrays
        CHANGES[kind](before)
        before.history.clear()
        seen = [CanUndo(action) for action in after.history.done]
        seen += [CanRedo(action) for action in after.history.undone]
    return before, after, seen


def test_every_kind_of_entry_has_an_example() -> None:
    assert set(CHANGES) == set(Entry.kinds)


@pytest.mark.parametrize("kind", sorted(Entry.kinds))
def test_an_entry_stored_and_read_makes_the_same_change(kind: str) -> None:
    assert kind in CHANGES, "add an example of this kind to CHANGES"
    session, wanted, entries = entries_of(kind)
    files = InMemory()
    again: list[Entry] = []
    session.entry_added.connect(again.append)
    assert kind in {entry.kind for entry in entries}
    for number, entry in enumerate(entries):
        write = entry.file_writer(files)
        for _ in write() if write is not None else ():
            pass
        head, packed = split(encode(number, entry.stored()))
        assert head.kind == entry.kind
        read_entry(decode(head, packed), files).apply(session)
    assert state_of(session) == state_of(wanted)
    if kind not in ("past", "future"):
        assert [type(entry) for entry in again] == [type(entry) for entry in entries]


@pytest.mark.parametrize("kind", sorted(CHANGES))
def test_an_entry_drops_saved_arrays_that_it_changes(kind: str) -> None:
    before, after, entries = entries_of(kind)
    saved = {"another": "work/x"} | {name: f"work/{name}" for name in before.records}
    for entry in entries:
        entry.forget_outdated(saved)
    old, new = arrays_of(before), arrays_of(after)
    assert not {name for name in saved if old.get(name) != new.get(name)}
    if kind != "axis":
        assert "another" in saved


def test_a_round_whose_files_are_gone_keeps_its_number() -> None:
    session, after, (entry,) = entries_of("round")
    read_entry(entry.stored(), InMemory()).apply(session)
    assert not session.rounds
    assert session.rounds.next_number == after.rounds.next_number == 2


def test_a_new_kind_of_entry_is_one_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Entry, "kinds", dict(Entry.kinds))

    @dataclass(frozen=True)
    class NameGiven(Entry):
        """A volume's second name, in a file of its own."""

        kind = "test-name"
        name: str

        def stored(self) -> StoredEntry:
            return StoredEntry(self.kind, {"name": self.name})

        @classmethod
        def read(cls, stored: StoredEntry, files: FileReader) -> Self:
            return cls(stored.values["name"])

        def apply(self, session: Any) -> None:
            session.thresholds[7] = 0.7
            session.add_class(self.name)

    session = begin()
    autosave = Autosave(session, tmp_path / "session", print)
    session.entry_added.emit(NameGiven("added"))
    assert autosave.flush(30)
    shutil.copytree(tmp_path / "session", tmp_path / "copy")
    autosave.close()
    opened = open_folder(tmp_path / "copy")
    assert not opened.notes
    assert opened.session.thresholds == {7: 0.7}
    assert [c.name for c in opened.session.classes] == ["core", "shell", "added"]


def test_two_kinds_of_entry_have_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entry, "kinds", dict(Entry.kinds))
    with pytest.raises(TypeError, match="two kinds"):
        type("Twin", (AxisChosen,), {"kind": "axis"})


def outside(index: int, name: str = NAME) -> Action:
    value = np.ones(1, np.uint8)
    edit = ArrayEdit.at(name, "ink", np.array([index]), value * 0, value)
    return Action("stroke", (edit,))


@pytest.mark.parametrize(
    "entry",
    [
        Did(outside(4 * 6 * 6)),
        Did(outside(-1)),
        Did(outside(0, "nobody")),
        CanUndo(outside(4 * 6 * 6)),
        CanRedo(outside(0, "nobody")),
        VolumeRemoved("nobody"),
    ],
)
def test_an_entry_that_does_not_fit_changes_nothing(entry: Entry) -> None:
    session = begin()
    with pytest.raises(InputError):
        entry.apply(session)
    assert state_of(session) == state_of(begin())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("past", None),
        ("future", None),
        ("did", None),
        ("volume", {"id": "x"}),
        ("removed", 7),
        ("axis", 7),
        ("axis", "x"),
        ("threshold", [1]),
        ("round", None),
        ("weights", None),
    ],
)
def test_strange_values_make_no_entry(kind: str, values: Any) -> None:
    with pytest.raises(InputError, match=kind):
        read_entry(StoredEntry(kind, values), InMemory())
