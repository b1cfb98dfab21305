"""The session of the window: kept from the first stroke on, New, Open, Save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.save_status import SaveProblem
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.ui.session_controller import SessionController
from napari_contrastseg.ui.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
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
    assert str(left) in said()
    assert not workspace.session.records
    assert workspace.folder is None
    assert load_session(left).records[name].status.any()
    assert data.state().images == (name,), "its image may be added again"
    data.add_image(0)
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
    assert not saving.save(tmp_path / "elsewhere")
    assert (workspace.folder, workspace.session) == (folder, session)


def test_opening_a_session_in_use_asks_first(
    workspace: Workspace, saving: SessionController, sample: Sample, tmp_path: Path
) -> None:
    theirs = Session()
    theirs.add_volume(sample.volume)
    theirs.add_class()
    save_session(theirs, tmp_path / "theirs")
    other = SessionController(Workspace(ViewerModel()))
    other.open(tmp_path / "theirs")
    asked: list[object] = []
    workspace.questions.asked.connect(asked.append)
    saving.open(tmp_path / "theirs")
    assert not workspace.session.records
    assert asked[-1] is not None
    workspace.questions.answer(0)  # open a copy
    assert asked[-1] is None
    (record,) = workspace.session.records.values()
    assert np.array_equal(record.volume.data[0], sample.volume.data[0])
    assert workspace.folder != tmp_path / "theirs"
    other.close()


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
