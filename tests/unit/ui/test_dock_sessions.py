"""Sessions in the dock: kept, opened, taken over; leaving loses nothing unasked."""

from __future__ import annotations

import re
import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.locations import sessions_folder
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.session_controller import SessionController
from tests.kit.window import NAME, said, wait_idle

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.storage.save_status import SaveProblem

pytestmark = pytest.mark.usefixtures("small_networks", "short_maps")


def test_a_session_returns_in_another_window(
    loaded: tuple[Any, Any, Sample], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    ink = widget.workspace.session.records[NAME].ink.copy()
    widget.data.folder.value = tmp_path / "session"
    assert widget.session_controller.flush(), "kept from the first stroke on"
    automatic = widget.workspace.folder
    widget.data.save.click()
    widget.workspace.work.finish()
    assert widget.workspace.folder == tmp_path / "session"
    assert not automatic.exists()
    assert not widget.session_controller.at_risk
    widget.data.open.click()
    widget.workspace.work.finish()
    record = widget.workspace.session.records[NAME]
    assert np.array_equal(record.ink, ink)
    assert record.proposal is not None
    assert widget.workspace.registry.layer(NAME, "ink").data is record.ink
    assert [c.id for c in widget.workspace.session.classes] == [1, 2]
    assert widget.learn_controller.weights is not None
    widget.live.set_visible(True)  # somebody looks
    text = widget.embedding.text
    qtbot.waitUntil(lambda: "voxels" in text.text(), timeout=60_000)
    del viewer


def test_a_session_that_was_not_closed_is_offered(
    loaded: tuple[Any, Any, Sample],
) -> None:
    _, widget, _ = loaded
    keeping = widget.session_controller
    assert keeping.flush()
    dead = keeping.folder.with_name("dead")
    shutil.copytree(keeping.folder, dead)
    text = (dead / "owner.json").read_text()
    (dead / "owner.json").write_text(re.sub(r'"pid": \d+', '"pid": 1', text))
    ink = widget.workspace.session.records[NAME].ink.copy()
    painting.paint(widget.workspace.session, NAME, ink == 1, 2)
    keeping.offer_lost()
    assert "was not closed properly" in widget.notice.text.text()
    assert NAME in widget.notice.text.text()
    widget.notice.buttons[1].click()  # later
    assert widget.notice.isHidden()
    keeping.offer_lost()
    widget.notice.buttons[0].click()
    widget.workspace.work.finish()
    assert keeping.folder == dead
    assert np.array_equal(widget.workspace.session.records[NAME].ink, ink)
    count = len(widget.workspace.session.history.done)
    widget.workspace.undo()
    assert len(widget.workspace.session.history.done) == count - 1 > 0


def test_a_session_that_may_not_be_written_is_copied(
    loaded: tuple[Any, Any, Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, widget, sample = loaded
    theirs = Session()
    theirs.add_volume(sample.volume)
    theirs.add_class()
    painting.paint(theirs, NAME, sample.truth == 1, 1)
    save_session(theirs, tmp_path / "shared")

    def forbidden(*_: Any, **__: Any) -> Any:
        raise InputError("may not be written here")

    with monkeypatch.context() as patch:
        patch.setattr(
            "napari_contrastseg.ui.session_controller.ownership.claim", forbidden
        )
        widget.data.folder.value = tmp_path / "shared"
        widget.data.open.click()
        widget.workspace.work.finish()
    assert "may not be written" in widget.notice.text.text()
    widget.notice.buttons[0].click()
    widget.workspace.work.finish()
    assert widget.workspace.session.fingerprint == theirs.fingerprint
    assert widget.workspace.folder != tmp_path / "shared"
    assert not widget.session_controller.at_risk


def test_another_window_has_the_session(
    loaded: tuple[Any, Any, Sample], tmp_path: Path, qtbot: QtBot
) -> None:
    _, widget, sample = loaded
    theirs = Session()
    said_there: list[SaveProblem] = []
    theirs.add_volume(sample.volume)
    theirs.add_class()
    autosave = Autosave(theirs, tmp_path / "theirs", said_there.append)
    autosave.flush()
    widget.data.folder.value = tmp_path / "theirs"
    widget.data.open.click()
    widget.workspace.work.finish()
    assert "open in another window" in widget.notice.text.text()
    widget.notice.buttons[0].click()  # open a copy
    widget.workspace.work.finish()
    assert widget.workspace.folder != tmp_path / "theirs"
    painting.paint(widget.workspace.session, NAME, sample.truth == 1, 1)
    assert widget.workspace.folder != tmp_path / "theirs"
    widget.data.folder.value = tmp_path / "theirs"
    widget.data.open.click()
    widget.workspace.work.finish()
    widget.notice.buttons[1].click()  # take over
    widget.workspace.work.finish()
    assert widget.workspace.folder == tmp_path / "theirs"
    qtbot.waitUntil(lambda: autosave.stopped, timeout=60_000)
    assert said_there[-1].taken_over
    autosave.close()


def test_a_session_is_not_saved_over_another(
    loaded: tuple[Any, Any, Sample], tmp_path: Path
) -> None:
    _, widget, sample = loaded
    theirs = Session()
    theirs.add_volume(sample.volume)
    save_session(theirs, tmp_path / "theirs")
    widget.data.folder.value = tmp_path / "theirs"
    widget.data.save.click()
    widget.workspace.work.finish()
    assert "holds another session" in said()
    assert not load_session(tmp_path / "theirs").records[NAME].ink.any()
    widget.data.folder.value = tmp_path / "mine"
    widget.data.save.click()
    widget.workspace.work.finish()
    widget.data.save.click()
    widget.workspace.work.finish()
    assert not widget.session_controller.at_risk


def test_a_new_session_leaves_the_last_one_in_its_folder(
    loaded: tuple[Any, Any, Sample],
) -> None:
    _, widget, _ = loaded
    ink = widget.workspace.session.records[NAME].ink.copy()
    left = widget.workspace.folder
    widget.data_controller.set_axis(1)
    assert "press New" in said()
    widget.data.new.click()
    widget.workspace.work.finish()
    assert str(left) in said()
    assert not widget.workspace.session.records
    assert not widget.data.new.isEnabled()
    widget.data.add.click()
    widget.data_controller.set_axis(1)
    assert widget.workspace.session.records[NAME].axis == 1
    assert not widget.workspace.session.records[NAME].ink.any()
    assert np.array_equal(load_session(left).records[NAME].ink, ink)


def test_leaving_is_asked_while_files_are_still_to_be_written(
    loaded: tuple[Any, Any, Sample],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    _, widget, _ = loaded
    asked: list[str] = []
    go_on = threading.Event()

    def question(*words: Any) -> Any:
        asked.append(words[2])
        return QMessageBox.StandardButton.Cancel

    def waits(*_: Any) -> Generator[Path, None, None]:
        go_on.wait()
        yield tmp_path / "out" / "mask.nii.gz"

    monkeypatch.setattr(QMessageBox, "question", question)
    monkeypatch.setattr("napari_contrastseg.ui.export.controller._write", waits)
    step = widget.further["Export"]
    step.panel.setValue(ExportSettings(tmp_path / "out", "masks"))
    with qtbot.waitSignal(step.runner.ended, timeout=60_000):
        step.panel.run.click()
        assert not widget._may_leave()
        go_on.set()
    assert str(tmp_path / "out") in asked[0]
    assert "the files that are still to come would be missing" in asked[0]
    assert widget._may_leave()
    assert len(asked) == 1
    monkeypatch.setattr(
        SessionController, "under_way", "The session is being saved to a disk."
    )
    assert not widget._may_leave()
    assert asked[1].startswith("The session is being saved to a disk.")


def test_leaving_is_asked_while_a_round_is_trained(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    asked: list[str] = []

    def question(*words: Any) -> Any:
        asked.append(words[2])
        return QMessageBox.StandardButton.Cancel

    monkeypatch.setattr(QMessageBox, "question", question)
    assert widget._may_leave()
    widget.learn_controller.start("fine-tune", LearnSettings("supervised", minutes=5))
    with monkeypatch.context() as at_once:
        at_once.setattr(widget.learn_controller._kept, "_begun_in", None)
        assert not widget._may_leave()
    assert asked.pop() == (
        "Round 1 is not ready, and nothing of it is kept yet. Close all the same?"
    )
    kept = widget.learn_controller._kept
    qtbot.waitUntil(lambda: kept.is_kept, timeout=60_000)
    assert not widget._may_leave()
    assert asked == [
        "Round 1 is not ready; it can go on where it was once the session is open "
        "again. Close all the same?"
    ]
    widget.run_bar.cancel.click()
    wait_idle(qtbot, widget)
    assert widget._may_leave()


def test_leaving_is_asked_only_when_the_disk_fails(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, widget, _ = loaded
    keeping = widget.session_controller
    answers: list[Any] = [QMessageBox.StandardButton.Cancel]
    asked: list[str] = []

    def question(*words: Any) -> Any:
        asked.append(words[2])
        return answers[-1]

    monkeypatch.setattr(QMessageBox, "question", question)
    assert widget._may_leave()
    assert not asked, "all is kept: there is nothing to ask"
    keeping._let_go()
    shutil.rmtree(sessions_folder())
    sessions_folder().touch()  # a file in the way
    widget.class_controller.add_class()
    assert "NOT kept" in said()
    assert "NOT kept" in widget.data.kept.text()
    assert not widget._may_leave()
    answers.append(QMessageBox.StandardButton.Discard)
    assert widget._may_leave()
    answers.append(QMessageBox.StandardButton.Save)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    assert not widget._may_leave(), "there is no folder to save to"
    folder = tmp_path / "session"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    sessions_folder().unlink()
    assert widget._may_leave()
    assert (folder / "session.json").is_file()


def test_a_person_who_stays_after_all_keeps_the_dock(
    docked: tuple[Any, Any], qtbot: QtBot
) -> None:
    _, widget = docked
    host = QWidget()
    qtbot.addWidget(host)
    host.show()
    host.installEventFilter(widget)
    widget._window = host
    widget.eventFilter(host, QCloseEvent())  # ours agrees; then napari asks: stay
    assert not widget._closed
    widget.class_controller.add_class()
    assert len(widget.data.classes.value()) == 1
    widget.eventFilter(host, QCloseEvent())
    host.hide()
    assert widget._closed
