"""The journal: every change is on the disk, whatever happens to the program."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.events import AxisChosen, StoredEntry
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage import autosave as autosaves
from napari_contrastseg.session.storage import journal as journals
from napari_contrastseg.session.storage import ownership, snapshot
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import (
    copy_damaged_journal,
    load_session,
    open_folder,
)
from napari_contrastseg.session.storage.locations import lost_sessions, new_folder
from napari_contrastseg.session.storage.ownership import InUseError
from napari_contrastseg.session.storage.record_format import decode, encode, split
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import WORK
from tests.kit.rounds import a_model
from tests.kit.sessions import NAME, add_round, box
from tests.kit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.session.storage.save_status import SaveProblem

FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.fixture
def kept(
    session: Session, tmp_path: Path
) -> Iterator[tuple[Session, Autosave, list[SaveProblem]]]:
    """A session that is kept in a folder."""
    said: list[SaveProblem] = []
    autosave = Autosave(session, tmp_path / "session", said.append)
    yield session, autosave, said
    autosave.close()


def work_of(session: Session) -> dict[str, Any]:
    """All that a human did, and what is shown of it."""
    found: dict[str, Any] = {
        "classes": session.classes,
        "thresholds": dict(session.all_thresholds()),
        "axis": session.axis,
        "rounds": [r.info.number for r in session.rounds],
        "standing": session.rounds.selection,
        "undo": session.history.last,
    }
    for name, record in session.records.items():
        arrays = (*WORK, "prediction", "pseudo")
        found[name] = {a: record.array(a).copy() for a in arrays}
    return found


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, dict) and key != "thresholds":
            for name, array in value.items():
                assert np.array_equal(array, other[key][name]), (key, name)
        else:
            assert value == other[key], key


def same_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    try:
        assert_same(one, other)
    except AssertionError:
        return False
    return True


def test_every_change_is_in_the_folder(
    kept: tuple[Session, Autosave, list[SaveProblem]], sample: Sample
) -> None:
    session, autosave, said = kept
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    session.add_volume(phantom(1).volume)
    session.add_class("third")
    session.change_class(3, locked=True)
    session.set_threshold(1, 0.7)
    painting.mark(session, NAME, 3, Status.DONE)
    painting.lock_slice(session, NAME, 3, locked=True)
    add_round(session, sample.truth)
    session.add_weights(a_model())
    review.accept_slice(session, NAME, 8)
    session.undo()
    session.redo()
    session.undo()
    session.bring_back(1)
    assert autosave.flush(30)
    crashed = autosave.folder.with_name("crashed")
    shutil.copytree(autosave.folder, crashed)
    opened = open_folder(crashed)
    assert not opened.notes
    assert opened.changes > 10
    assert_same(work_of(session), work_of(opened.session))
    session.undo()
    opened.session.undo()
    assert_same(work_of(session), work_of(opened.session))
    assert autosave.close()
    closed = open_folder(autosave.folder)
    assert closed.changes == 0, "a session that was closed has a snapshot of all"
    assert_same(work_of(session), work_of(closed.session))
    assert closed.session.history.done
    assert not said


def test_undo_reaches_over_a_restart(
    kept: tuple[Session, Autosave, list[SaveProblem]], sample: Sample
) -> None:
    session, autosave, _ = kept
    states = [work_of(session)]
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    states.append(work_of(session))
    session.change_class(1, name="renamed")
    states.append(work_of(session))
    painting.paint(session, NAME, box(session, 3, slice(0, 9), 0), 2)
    states.append(work_of(session))
    session.undo()
    autosave.close()
    back = open_folder(autosave.folder)
    again = Autosave(back.session, autosave.folder, print, opened=back)
    back.session.redo()
    assert_same(work_of(back.session), states[3])
    for state in reversed(states[:3]):
        back.session.undo()
        assert_same(work_of(back.session), state)
    assert again.close()
    assert_same(work_of(load_session(autosave.folder)), states[0])


def test_bringing_a_round_back_is_undone(session: Session, sample: Sample) -> None:
    add_round(session, sample.truth)
    add_round(session, np.zeros_like(sample.truth))
    session.add_weights(a_model())
    newer = session.rounds.start
    session.bring_back(1)
    assert session.rounds.start is None
    session.undo()
    assert session.rounds.start is newer
    assert session.rounds.current is session.rounds[1]
    session.redo()
    assert session.rounds.current is session.rounds[0]
    add_round(session, sample.truth)
    session.undo()
    assert session.rounds.current is session.rounds[2], (
        "undo goes behind no newer round"
    )


def test_a_journal_cut_anywhere_opens(
    kept: tuple[Session, Autosave, list[SaveProblem]],
) -> None:
    session, autosave, _ = kept
    states = [work_of(session)]
    for row in range(3):
        painting.paint(session, NAME, box(session, 3, row), 1)
        states.append(work_of(session))
    autosave.flush()
    (path,) = autosave.folder.glob("journal-*")
    whole = path.read_bytes()
    sizes = {len(whole[:cut]) for cut in range(len(whole) - 60, len(whole) + 1)}
    for cut in sorted(sizes):
        path.write_bytes(whole[:cut])
        found = work_of(load_session(autosave.folder))
        match = [i for i, s in enumerate(states) if s["undo"] == found["undo"]]
        assert match
        assert any(
            np.array_equal(found[NAME]["ink"], states[i][NAME]["ink"]) for i in match
        )
        if cut == len(whole):
            assert_same(found, states[-1])
    damaged = bytearray(whole)
    damaged[-5] ^= 1
    path.write_bytes(bytes(damaged))
    assert_same(work_of(load_session(autosave.folder)), states[2])
    path.write_bytes(whole)


def test_records_that_are_not_ours_are_refused() -> None:
    good = encode(0, AxisChosen(1).stored())
    head, packed = split(good)
    assert (head.number, decode(head, packed)) == (0, StoredEntry("axis", 1))
    strange = good.replace(b'"axis"', b'"what"')
    for payload in (b"", b"\0\0\0\0", good[1:], b"\xff" * 40, strange):
        with pytest.raises(InputError):
            split(payload)
    with pytest.raises(InputError):
        decode(head, packed[:-1] + b"\0" * 9)


def test_one_process_writes(kept: tuple[Session, Autosave, list[SaveProblem]]) -> None:
    session, autosave, said = kept
    autosave.flush()
    with pytest.raises(InUseError, match="open in another window"):
        Autosave(Session(), autosave.folder, print)
    with pytest.raises(InUseError):
        ownership.refuse_owned(autosave.folder)
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave.flush()
    owner = ownership.claim(autosave.folder, take_over=True)
    back = open_folder(autosave.folder)
    theirs = Autosave(back.session, autosave.folder, print, opened=back, owner=owner)
    painting.paint(session, NAME, box(session, 4, 0), 1)
    assert not autosave.flush(20)
    assert autosave.stopped
    assert said[-1].taken_over
    assert theirs.close()
    assert not load_session(autosave.folder).records[NAME].ink[4].any()
    assert ownership.owner_of(autosave.folder) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("[]", ""),
        ('{"token": "x", "pid": -1, "host": "HERE", "started": 0, "beat": 0}', ""),
        (
            '{"token": "x", "pid": 1, "host": "", "started": 0, "beat": NOW}',
            "on another machine",
        ),
    ],
)
def test_a_strange_owner_is_no_traceback(
    session: Session, tmp_path: Path, text: str, words: str
) -> None:
    save_session(session, tmp_path)
    text = text.replace("HERE", ownership.this_host()).replace("NOW", str(time.time()))
    (tmp_path / ownership.OWNER).write_text(text)
    if words:
        with pytest.raises(InUseError, match=words):
            ownership.claim(tmp_path)
    ownership.release(tmp_path, ownership.claim(tmp_path, take_over=bool(words)))
    assert ownership.owner_of(tmp_path) is None


def test_a_dead_owner_leaves_its_session(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRASTSEG_HOME", str(tmp_path / "home"))
    folder = new_folder(NAME)
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave = Autosave(session, folder, print)
    autosave.flush()
    assert not lost_sessions(), "it is open, not lost"
    mine = ownership.owner_of(folder)
    assert mine is not None
    dead = folder.with_name("dead")
    shutil.copytree(folder, dead)
    text = (dead / ownership.OWNER).read_text()
    (dead / ownership.OWNER).write_text(text.replace(f'"pid": {mine.pid}', '"pid": 1'))
    autosave.close()
    (lost,) = lost_sessions()
    assert lost.folder == dead
    assert NAME in lost.holds
    assert "3 changes" in lost.holds  # two classes and a stroke
    again = Autosave(load_session(dead), dead, print)
    again.close()
    assert not lost_sessions()


def test_a_full_disk_is_told_once_and_loses_nothing(
    kept: tuple[Session, Autosave, list[SaveProblem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, autosave, said = kept
    autosave.flush()
    full = OSError(28, os.strerror(28))

    def no_room(*_args: Any) -> Any:
        raise full

    monkeypatch.setattr(journals.JournalFile, "append", no_room)
    for row in range(3):
        painting.paint(session, NAME, box(session, 3, row), 1)
    assert not autosave.flush(5)
    assert autosave.failing == "No space left on device"
    assert len(said) == 1
    assert "No space left" in said[0].message
    assert not load_session(autosave.folder).records[NAME].ink.any()
    monkeypatch.undo()
    until(lambda: autosave.flush(5))
    assert said[-1].over
    assert_same(work_of(load_session(autosave.folder)), work_of(session))


def test_a_disk_that_fails_for_long_takes_no_memory(
    kept: tuple[Session, Autosave, list[SaveProblem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, autosave, _ = kept
    autosave.flush()

    def no_room(*_args: Any) -> Any:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(autosaves, "COMPACT_RECORDS", 10)
        patch.setattr(journals.JournalFile, "append", no_room)
        patch.setattr(snapshot, "write_array", no_room)
        for turn in range(60):
            painting.paint(session, NAME, box(session, 3, turn % 40), 1 + turn % 2)
        assert len(autosave._queue) < 20
    until(lambda: autosave.flush(5))
    assert_same(work_of(load_session(autosave.folder)), work_of(session))


def test_a_snapshot_without_room_leaves_the_journal(
    kept: tuple[Session, Autosave, list[SaveProblem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, autosave, said = kept
    autosave.flush()
    monkeypatch.setattr(autosaves, "COMPACT_RECORDS", 2)

    def no_room(*_args: Any) -> Any:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(snapshot, "write_array", no_room)
    for row in range(9):
        painting.paint(session, NAME, box(session, 3, row), 1)
        autosave.flush(5)
    assert_same(work_of(load_session(autosave.folder)), work_of(session))
    monkeypatch.undo()
    assert autosave.close()
    assert not said
    assert_same(work_of(load_session(autosave.folder)), work_of(session))


def test_damage_is_told_and_put_aside(
    kept: tuple[Session, Autosave, list[SaveProblem]], sample: Sample
) -> None:
    session, autosave, _ = kept
    for row in range(6):
        painting.paint(session, NAME, box(session, 3, row), 1)
        if row == 3:
            session.add_volume(phantom(1).volume)
    assert autosave.flush(30)
    harmed = autosave.folder.with_name("harmed")
    shutil.copytree(autosave.folder, harmed)
    (harmed / ownership.OWNER).unlink()
    (path,) = harmed.glob("journal-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    opened = open_folder(harmed)
    assert "is damaged after" in opened.notes[0]
    copy_damaged_journal(opened)
    Autosave(opened.session, harmed, print, opened=opened).close()
    assert (harmed / f"{path.name}.damaged").read_bytes() == bytes(data)
    assert len(list((harmed / "images").iterdir())) == 2, "what it named is kept"
    for chunk in harmed.glob("work/*/ink/c/0/0/0"):
        chunk.write_bytes(b"x")
    opened = open_folder(harmed)
    assert "some of its labels cannot be read" in opened.notes[0]
    del sample


def test_a_round_that_cannot_be_read_today_comes_back(
    kept: tuple[Session, Autosave, list[SaveProblem]], sample: Sample
) -> None:
    session, autosave, _ = kept
    add_round(session, sample.truth)
    add_round(session, sample.truth)
    autosave.close()
    (away,) = autosave.folder.glob(f"rounds/{session.rounds[0].info.key}")
    away.rename(autosave.folder / "elsewhere")
    for _ in range(2):
        opened = open_folder(autosave.folder)
        assert [r.info.number for r in opened.session.rounds] == [2]
        assert opened.session.rounds.next_number == 3
        Autosave(opened.session, autosave.folder, print, opened=opened).close()
    (autosave.folder / "elsewhere").rename(away)
    again = load_session(autosave.folder)
    assert sorted(r.info.number for r in again.rounds) == [1, 2]


def test_a_failed_sync_writes_all_anew(
    kept: tuple[Session, Autosave, list[SaveProblem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, autosave, said = kept
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave.flush(30)
    (before,) = autosave.folder.glob("journal-*")

    def broken(journal: journals.JournalFile) -> None:
        journal._file.truncate(8)  # the system dropped what it held
        monkeypatch.undo()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(journals.JournalFile, "sync", broken)
    painting.paint(session, NAME, box(session, 4, 0), 1)
    until(lambda: autosave.flush(5))
    assert_same(work_of(load_session(autosave.folder)), work_of(session))
    assert not before.exists()
    assert [problem.over for problem in said] == [False, True]


def test_a_name_that_is_no_text_blocks_nothing(
    kept: tuple[Session, Autosave, list[SaveProblem]],
) -> None:
    session, autosave, _ = kept
    name = session.free_id("Pr\udce4parat")
    assert name == "Pr?parat"
    session.add_volume(replace(phantom(1).volume, id=name))
    painting.paint(session, NAME, box(session, 3, 0), 1)
    assert autosave.flush(30)
    assert_same(work_of(load_session(autosave.folder)), work_of(session))


def test_an_image_that_cannot_be_read_blocks_nothing(
    kept: tuple[Session, Autosave, list[SaveProblem]], sample: Sample
) -> None:
    session, autosave, said = kept

    class Gone:
        shape, dtype, ndim = (16, 40, 40), np.dtype(np.uint8), 3

        def __getitem__(self, _key: Any) -> Any:
            raise OSError("the drive is gone")

    session.add_volume(replace(phantom(1).volume, data=(Gone(),)))
    add_round(session, sample.truth)
    assert autosave.flush(30)
    assert "is not saved" in said[0].message
    back = open_folder(autosave.folder)
    assert len(back.session.rounds) == 1
    assert "not its image" in back.notes[0]


def test_two_writers_leave_one_session_whole(
    kept: tuple[Session, Autosave, list[SaveProblem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, autosave, said = kept
    autosave.flush()
    theirs: list[Autosave] = []
    write = journals.JournalFile.append

    def slowly(journal: journals.JournalFile, *words: Any) -> None:
        write(journal, *words)
        if not theirs:  # they take over while our snapshot is being written
            monkeypatch.undo()
            owner = ownership.claim(autosave.folder, take_over=True)
            back = open_folder(autosave.folder)
            theirs.append(
                Autosave(back.session, autosave.folder, print, opened=back, owner=owner)
            )
            theirs[0].flush(20)

    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave.flush()
    monkeypatch.setattr(journals.JournalFile, "append", slowly)
    autosave._snapshot()
    assert not autosave.flush(20)
    until(lambda: bool(said))  # the autosave thread reports it in its own time
    assert said[-1].taken_over
    painting.paint(theirs[0]._session, NAME, box(session, 4, 0), 1)
    assert theirs[0].close()
    back = open_folder(autosave.folder)
    assert not back.notes
    assert back.session.records[NAME].ink[4].any()


def test_the_journal_is_compacted(
    kept: tuple[Session, Autosave, list[SaveProblem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, autosave, _ = kept
    monkeypatch.setattr(
        "napari_contrastseg.session.storage.autosave.COMPACT_RECORDS", 3
    )
    for row in range(20):
        painting.paint(session, NAME, box(session, 3, row), 1)
        autosave.flush()
    opened = open_folder(autosave.folder)
    assert opened.changes <= 4
    assert_same(work_of(opened.session), work_of(session))
    assert len(list(autosave.folder.glob("journal-*"))) == 1
    assert len(list((autosave.folder / "work").iterdir())) == 1


def test_labels_outlive_their_image(
    kept: tuple[Session, Autosave, list[SaveProblem]],
) -> None:
    session, autosave, _ = kept
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave.close()
    shutil.rmtree(autosave.folder / "images")
    opened = open_folder(autosave.folder)
    assert "not its image" in opened.notes[0]
    record = opened.session.records[NAME]
    assert record.ink.any()
    again = Autosave(opened.session, autosave.folder, print, opened=opened)
    again.close()
    assert not (autosave.folder / "images").exists(), "an empty image was stored"


def test_sessions_of_format_1_open(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    with zipfile.ZipFile(FIXTURES / "session-format-1.zip") as archive:
        archive.extractall(folder)
    opened = open_folder(folder)
    session = opened.session
    assert not opened.notes
    assert [c.name for c in session.classes] == ["liver", "spleen"]
    found = {
        n: (int(r.ink.sum()), int(r.rejected.sum())) for n, r in session.records.items()
    }
    assert found == {"one": (6, 0), "two": (48, 30)}
    assert session.records["one"].status.tolist() == [0, 2, 0, 0]
    assert session.rounds.current is not None
    assert session.threshold(1) == 0.8
    before = work_of(session)
    Autosave(session, folder, print, opened=opened).close()
    assert not (folder / "states").exists()
    assert_same(work_of(load_session(folder)), before)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"format": 2', '"format": 99', "update"),
        ('"journal": "', '"journal": "../../', "outside its folder"),
        ('"images": ["', '"images": ["/etc/', "outside its folder"),
        ('"work": "', '"work": "../', "outside its folder"),
        ('"axis": 0', '"axis": "x"', "axis"),
        ('"shape": [', '"shape": [999999999', "are free"),
    ],
)
def test_hostile_indexes_are_refused(
    session: Session, tmp_path: Path, old: str, new: str, words: str
) -> None:
    folder = tmp_path / "session"
    painting.paint(session, NAME, box(session, 3, 0), 1)
    save_session(session, folder)
    index = folder / "session.json"
    text = index.read_text()
    assert old in text
    index.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=words):
        load_session(folder)


def test_links_are_not_followed(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "session"
    painting.paint(session, NAME, box(session, 3, 0), 1)
    save_session(session, folder)
    (chunk,) = folder.glob("work/*/ink/c/0/0/0")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    chunk.unlink()
    chunk.symlink_to(secret)
    with pytest.raises(InputError, match="is a link"):
        load_session(folder)


class JournalMachine(RuleBasedStateMachine):
    """Any order of work, undo, rounds and restarts, against copies of the state."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.place = Path(tempfile.mkdtemp())
        self.count = 0
        small = phantom(0, (4, 6, 6))
        self.truth = small.truth
        self.session = Session(0)
        self.session.add_volume(replace(small.volume, id=NAME))
        self.session.add_class()
        self.session.add_class()
        self.session.history.clear()
        self.autosave = Autosave(self.session, self.place / "0", print)
        self.past: list[Any] = [self.state()]
        self.future: list[Any] = []

    def teardown(self) -> None:
        self.autosave.close()
        shutil.rmtree(self.place)

    def state(self) -> Any:
        found = work_of(self.session)
        del found["undo"]
        for name in ("prediction", "pseudo"):  # derived: see `derived`
            del found[NAME][name]
        return found

    def after(self) -> None:
        now = self.state()
        if not same_state(now, self.past[-1]):
            self.past.append(now)
            self.future.clear()

    @rule(
        value=st.sampled_from([0, 1, 2, 255]), z=st.integers(0, 3), y=st.integers(0, 5)
    )
    def paint(self, value: int, z: int, y: int) -> None:
        where = np.zeros((4, 6, 6), bool)
        where[z, y, 1:4] = True
        painting.paint(self.session, NAME, where, value)
        self.after()

    @rule(z=st.integers(0, 3), value=st.sampled_from([1, 2]))
    def fill(self, z: int, value: int) -> None:
        where = np.zeros((4, 6, 6), bool)
        where[z] = self.session.records[NAME].ink[z] == 0
        painting.paint(self.session, NAME, where, value)
        self.after()

    @rule(z=st.integers(0, 3), y=st.integers(0, 5), value=st.sampled_from([0, 1, 2]))
    def correct(self, z: int, y: int, value: int) -> None:
        record = self.session.records[NAME]
        if record.proposal is None:
            return
        place = tuple(np.array([i]) for i in (z, y, 2))
        old = record.prediction[place].copy()
        if old[0] == value:
            return
        painting.commit_stroke(self.session, NAME, [(place, old, value)], "prediction")
        self.after()

    @rule(z=st.integers(0, 3), accepts=st.booleans())
    def judge(self, z: int, accepts: bool) -> None:
        record = self.session.records[NAME]
        if record.proposal is None or record.status[z] == Status.DONE:
            return
        (review.accept_slice if accepts else review.reject_slice)(self.session, NAME, z)
        self.after()

    @rule(z=st.integers(0, 3), status=st.sampled_from(list(Status)))
    def mark(self, z: int, status: Status) -> None:
        painting.mark(self.session, NAME, z, status)
        self.after()

    @rule(name=st.sampled_from(["liver", "lung"]))
    def rename(self, name: str) -> None:
        self.session.change_class(1, name=name)
        self.after()

    @rule(seed=st.integers(0, 9))
    def new_round(self, seed: int) -> None:
        add_round(self.session, np.roll(self.truth, seed, axis=2))
        # no step of the history; that earlier rounds were brought back is forgotten
        now = self.state()
        steps = [*self.past, *reversed(self.future)]
        here = len(self.past)
        kept: list[Any] = []
        for number, step in enumerate(steps):
            step |= {"rounds": now["rounds"], "standing": now["standing"]}
            if kept and same_state(step, kept[-1]):
                here -= number < len(self.past)
            else:
                kept.append(step)
        self.past, self.future = kept[:here], list(reversed(kept[here:]))

    @rule(which=st.integers(0, 5))
    def bring_back(self, which: int) -> None:
        if self.session.rounds:
            number = 1 + which % len(self.session.rounds)
            self.session.bring_back(number)
            self.after()

    @rule()
    def undo(self) -> None:
        if self.session.undo() is not None:
            self.future.append(self.past.pop())

    @rule()
    def redo(self) -> None:
        if self.session.redo() is not None:
            self.past.append(self.future.pop())

    @rule()
    def save(self) -> None:
        assert self.autosave.flush(30)
        assert_same(work_of(load_session(self.autosave.folder)), work_of(self.session))

    @rule(crash=st.booleans())
    def reopen(self, crash: bool) -> None:
        assert self.autosave.flush(30)
        self.count += 1
        folder = self.place / str(self.count)
        if crash:
            shutil.copytree(self.autosave.folder, folder)
            (folder / ownership.OWNER).unlink()
        self.autosave.close()
        if not crash:
            shutil.copytree(self.autosave.folder, folder)
        opened = open_folder(folder)
        assert not opened.notes
        self.session = opened.session
        self.autosave = Autosave(self.session, folder, print, opened=opened)

    @invariant()
    def same(self) -> None:
        JournalMachine.made += 1
        assert_same(self.state(), self.past[-1])

    @invariant()
    def derived(self) -> None:
        record = self.session.records[NAME]
        shown = record.prediction.copy(), record.pseudo.copy()
        record.refresh(self.session.all_thresholds())
        assert np.array_equal(shown[0], record.prediction)
        assert np.array_equal(shown[1], record.pseudo)


#: Steps in all, at least: 10000 for the long run, `nox -s tests` takes a short one.
STEPS = int(os.environ.get("CONTRASTSEG_STEPS", "600"))
JournalMachine.TestCase.settings = settings(
    max_examples=STEPS // 25 + 1, stateful_step_count=40, deadline=None
)
TestJournal = JournalMachine.TestCase


def test_the_journal_was_tried_often_enough() -> None:
    assert JournalMachine.made >= STEPS
