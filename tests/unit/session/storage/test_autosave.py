"""Every change is in the folder, whatever the disk does."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.storage import autosave as autosaves
from napari_contrastseg.session.storage import journal as journals
from napari_contrastseg.session.storage import snapshot
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import load_session, open_folder
from napari_contrastseg.session.targets import Status
from tests.kit.rounds import a_model
from tests.kit.session_state import assert_same, work_of
from tests.kit.sessions import NAME, add_round, box
from tests.kit.waiting import until

if TYPE_CHECKING:
    import pytest

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.storage.save_status import SaveProblem


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


def test_a_failed_sync_writes_all_again(
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


def test_large_files_leave_time_to_others_unless_somebody_waits(
    kept: tuple[Session, Autosave, list[SaveProblem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, autosave, _ = kept
    rests: list[float] = []
    monkeypatch.setattr(autosaves, "HURRY_SECONDS", 0.0)
    monkeypatch.setattr(autosave, "_rest", rests.append)
    session.add_volume(phantom(1).volume)
    assert autosave.flush(30)
    assert len(rests) > 1, "after each step but the last"
    monkeypatch.undo()
    waits: list[float] = []
    monkeypatch.setattr(autosave._wake, "wait", waits.append)
    autosave._hurries_until = 0.0
    autosave._rest(0.25)
    autosave._hurry()
    autosave._rest(0.5)
    assert [s for s in waits if s != autosaves.RETRY_SECONDS] == [0.25]


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
