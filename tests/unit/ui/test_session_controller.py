"""The session of the window: kept from the first stroke on, New, Open, Save."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.io.json import to_plain, write_json
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage import ownership
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import load_session, open_folder
from napari_contrastseg.session.storage.locations import point_to
from napari_contrastseg.session.storage.ownership import OWNER
from napari_contrastseg.session.storage.recovery import lost_sessions
from napari_contrastseg.session.storage.save_status import SaveProblem
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.ui import session_reading
from napari_contrastseg.ui.data.class_controller import ClassController
from napari_contrastseg.ui.session_controller import SessionController
from napari_contrastseg.ui.widgets.work_bar import WorkState
from napari_contrastseg.ui.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.storage.load import Opened
    from napari_contrastseg.ui.data.controller import DataController
    from tests.unit.ui.conftest import Add


@pytest.fixture
def saving(workspace: Workspace) -> Iterator[SessionController]:
    """The controller of the session."""
    made = SessionController(workspace)
    yield made
    made.close()


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def test_a_session_is_kept_from_its_first_change_on(
    workspace: Workspace,
    saving: SessionController,
    data: DataController,
    add: Add,
    sample: Sample,
) -> None:
    name = add(sample)
    assert saving.folder is None
    assert saving.words == "will be kept from your first stroke on"
    workspace.go_to(8)
    data.toggle_done()
    assert saving.words == "every change is kept"
    assert saving.flush()
    assert workspace.is_written
    assert not saving.at_risk
    folder = workspace.folder
    assert folder is not None
    assert load_session(folder).records[name].status[8] > 0


def test_new_leaves_the_session_in_its_folder(
    workspace: Workspace,
    saving: SessionController,
    data: DataController,
    add: Add,
    sample: Sample,
) -> None:
    name = add(sample)
    data.toggle_done()
    left = workspace.folder
    assert left is not None
    saving.begin_new()
    workspace.work.finish()
    assert str(left) in said()
    assert not workspace.session.records
    assert workspace.folder is None
    assert load_session(left).records[name].status.any()
    assert data.state().images == (name,), "its image may be added again"
    (image,) = workspace.viewer.layers
    assert image.visible, "and is seen meanwhile"
    data.add_image(0)
    assert image.visible
    data.toggle_done()
    assert workspace.folder not in (None, left)


def test_a_task_that_runs_keeps_the_session_in_place(
    workspace: Workspace,
    saving: SessionController,
    data: DataController,
    add: Add,
    sample: Sample,
    tmp_path: Path,
) -> None:
    add(sample)
    data.toggle_done()
    folder, session = workspace.folder, workspace.session
    workspace.busy = True
    saving.begin_new()
    assert "A task is running" in said()
    saving.open(tmp_path)
    assert not saving.save_now(tmp_path / "elsewhere")
    assert workspace.work.now is None
    assert (workspace.folder, workspace.session) == (folder, session)


def test_opening_a_session_in_use_asks_first(
    workspace: Workspace, saving: SessionController, sample: Sample, tmp_path: Path
) -> None:
    theirs = Session()
    theirs.add_volume(sample.volume)
    theirs.add_class()
    save_session(theirs, tmp_path / "theirs")
    there = Workspace(ViewerModel())
    other = SessionController(there)
    other.open(tmp_path / "theirs")
    there.work.finish()
    asked: list[object] = []
    workspace.questions.asked.connect(asked.append)
    saving.open(tmp_path / "theirs")
    workspace.work.finish()
    assert not workspace.session.records
    assert asked[-1] is not None
    workspace.questions.answer(0)  # open a copy
    assert asked[-1] is None
    workspace.work.finish()
    (record,) = workspace.session.records.values()
    assert np.array_equal(record.volume.data[0], sample.volume.data[0])
    assert workspace.folder != tmp_path / "theirs"
    other.close()


@pytest.fixture
def another(sample: Sample, tmp_path: Path) -> Path:
    """A session in a folder, with a class more than others."""
    made = Session()
    made.add_volume(replace(sample.volume, id="another"))
    made.add_class()
    made.add_class()
    save_session(made, tmp_path / "another")
    return tmp_path / "another"


def test_what_is_missing_stays_on_the_screen_until_it_is_closed(
    workspace: Workspace, saving: SessionController, another: Path
) -> None:
    (ink,) = (place for place in another.rglob("ink") if place.is_dir())
    (ink / "zarr.json").write_text("{")
    saving.open(another)
    workspace.work.finish()
    asked = workspace.questions.waiting
    assert asked is not None
    assert asked.text.startswith("another: some of its labels cannot be read")
    assert str(another) not in asked.text
    workspace.questions.answer(0)
    assert workspace.questions.waiting is None


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reading a session goes on until this is set."""
    go = threading.Event()

    def wait_first(folder: Path) -> Opened:
        while not go.wait(0.01):
            went_on(0.5)
        return open_folder(folder)

    monkeypatch.setattr(session_reading, "open_folder", wait_first)
    yield go
    go.set()


def test_the_window_answers_while_a_session_is_opened(
    workspace: Workspace,
    saving: SessionController,
    another: Path,
    slow: threading.Event,
    qtbot: QtBot,
) -> None:
    said_meanwhile: list[object] = []
    workspace.work.shown.connect(said_meanwhile.append)
    saving.open(another)
    qtbot.waitUntil(lambda: WorkState("Opening another", 0.5) in said_meanwhile)
    slow.set()
    qtbot.waitUntil(lambda: "another" in workspace.session.records, timeout=60_000)
    assert workspace.work.now is None
    assert workspace.folder == another


def test_nothing_is_changed_while_a_session_is_opened(
    workspace: Workspace,
    saving: SessionController,
    add: Add,
    sample: Sample,
    another: Path,
    slow: threading.Event,
    qtbot: QtBot,
) -> None:
    name = add(sample)
    record, classes = workspace.session.records[name], workspace.session.classes
    ink: Any = workspace.registry.layer(name, "ink")
    saving.open(another)
    ink.paint((8, 20, 20), 1)
    assert said() == "Opening another is under way; wait for it, or press Cancel there."
    qtbot.waitUntil(lambda: not record.ink.any())  # napari writes once it has told
    ClassController(workspace).add_class()
    workspace.undo()
    saving.begin_new()
    saving.open(another)
    assert workspace.session.classes == classes
    workspace.work.cancel()
    workspace.work.finish()
    assert workspace.session.records[name] is record
    assert "this session is as it was" in said()
    ink.paint((8, 20, 20), 1)
    assert record.ink.any(), "it may be changed again"
    assert not slow.is_set()


def test_what_cannot_be_opened_leaves_the_session_that_was_open(
    workspace: Workspace,
    saving: SessionController,
    data: DataController,
    add: Add,
    sample: Sample,
    another: Path,
) -> None:
    name = add(sample)
    data.toggle_done()
    folder = workspace.folder
    assert folder is not None
    (another / "session.json").write_text("{")
    saving.open(another)
    workspace.work.finish()
    assert (workspace.folder, list(workspace.session.records)) == (folder, [name])
    workspace.go_to(3)
    data.toggle_done()
    assert saving.flush()
    assert load_session(folder).records[name].status[3] > 0, "and it is still kept"


def test_closing_the_window_while_a_session_is_opened_loses_nothing(
    workspace: Workspace,
    saving: SessionController,
    data: DataController,
    add: Add,
    sample: Sample,
    another: Path,
    slow: threading.Event,
) -> None:
    name = add(sample)
    data.toggle_done()
    left = workspace.folder
    assert left is not None
    saving.open(another)
    saving.close()
    assert not (another / OWNER).exists(), "nobody holds it"
    assert load_session(left).records[name].status.any()
    assert len(load_session(another).classes) == 2
    assert not slow.is_set()


@pytest.fixture
def left_behind(another: Path) -> Path:
    """A session whose process is gone without having closed it."""
    mine = ownership.claim(another)
    write_json(another / OWNER, to_plain(replace(mine, token="gone", started=0.0)))
    assert [lost.folder for lost in lost_sessions()] == []
    point_to(another)
    assert [lost.folder for lost in lost_sessions()] == [another]
    return another


def test_closing_the_window_while_a_session_is_recovered_leaves_it_to_be_recovered(
    saving: SessionController,
    left_behind: Path,
    slow: threading.Event,
    qtbot: QtBot,
) -> None:
    saving.open(left_behind)
    qtbot.waitUntil(lambda: not lost_sessions())  # it is ours while it is read
    saving.close()
    assert [lost.folder for lost in lost_sessions()] == [left_behind]
    assert not slow.is_set()


def test_a_recovered_session_that_nobody_sees_is_offered_again(
    left_behind: Path,
) -> None:
    arrived = session_reading.read(
        session_reading.Opening(left_behind),
        session_reading.Leaving(Session(), None),
        lambda session, folder, **opened: Autosave(session, folder, print, **opened),
    )
    assert not lost_sessions()
    session_reading.close_again(arrived)
    assert [lost.folder for lost in lost_sessions()] == [left_behind]


def test_annotating_goes_on_while_the_session_moves(
    workspace: Workspace,
    saving: SessionController,
    data: DataController,
    add: Add,
    sample: Sample,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = add(sample)
    data.toggle_done()
    left, go = workspace.folder, threading.Event()
    assert left is not None

    def wait_first(autosave: Autosave) -> None:
        go.wait(60)
        until_written(autosave)

    until_written = session_reading.until_written
    monkeypatch.setattr(session_reading, "until_written", wait_first)
    saving.save(tmp_path / "new")
    assert saving.under_way.startswith("The session is being saved to new; it would")
    workspace.go_to(3)
    data.toggle_done()
    assert workspace.folder == left
    go.set()
    workspace.work.finish()
    assert workspace.folder == tmp_path / "new"
    assert not left.exists(), "it was ours"
    assert saving.flush()
    assert load_session(tmp_path / "new").records[name].status[3] > 0


def test_a_move_that_is_cancelled_leaves_the_session_where_it_is(
    workspace: Workspace,
    saving: SessionController,
    data: DataController,
    add: Add,
    sample: Sample,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(sample)
    data.toggle_done()
    left = workspace.folder

    def never(_autosave: Autosave) -> None:
        while True:
            time.sleep(0.01)
            went_on()

    monkeypatch.setattr(session_reading, "until_written", never)
    saving.save(tmp_path / "new")
    workspace.work.cancel()
    workspace.work.finish()
    assert not saving.under_way
    assert "may be deleted" in said()
    assert workspace.folder == left
    assert saving.words == "every change is kept"


def test_problems_are_heard_of_the_autosave_that_saves(
    workspace: Workspace, saving: SessionController, qtbot: QtBot, tmp_path: Path
) -> None:
    first, second = (saving._make(Session(), tmp_path / name) for name in "ab")
    saving._adopt(first)
    second._report(SaveProblem("of the second"))
    first._report(SaveProblem("of the first"))
    second._report(SaveProblem("of the second"))
    with qtbot.waitSignal(workspace.saving_changed):
        pass
    second.close(abandon=True)
    qtbot.wait(20)
    assert said() == "of the first"
