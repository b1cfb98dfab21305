"""Smaller stories in the real window."""

from __future__ import annotations

import re
import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent, QGuiApplication
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.locations import sessions_folder
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.session_controller import SessionController
from napari_contrastseg.ui.viewer.image_layers import layer_for
from napari_contrastseg.ui.worker import TaskRunner
from tests.kit.window import NAME, export, said, wait_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.session.storage.save_status import SaveProblem

pytestmark = pytest.mark.viewer


def test_a_volume_is_added(window: tuple[Any, Any]) -> None:
    """A model may be used before anything is painted; a round may not."""
    viewer, widget = window
    assert not widget.data.add.isEnabled()
    data, about, _ = layer_for(phantom(1).volume)
    viewer.add_image(data, **about)
    assert not widget.learn.use.isEnabled()
    widget.data.add.click()
    assert widget.learn.use.isEnabled()
    assert list(widget.workspace.session.records) == [NAME]
    assert not widget.run_bar.run.isEnabled()
    assert "Paint on a slice first" in widget.run_bar.run.toolTip()


def test_layers_may_be_renamed_and_deleted_while_training(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    record = widget.workspace.session.records[NAME]
    human = record.ink.copy()
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.02)
    )
    qtbot.waitUntil(lambda: widget.learn_controller.state.fraction > 0, timeout=60_000)
    viewer.layers[0].name = "another name"
    viewer.layers.remove(widget.workspace.registry.layer(NAME, "ink"))
    wait_idle(qtbot, widget)
    assert np.array_equal(record.ink, human)
    assert record.proposal is not None
    assert widget.workspace.registry.layer(NAME, "ink") is None
    widget.workspace.choose_volume(NAME)
    ink = widget.workspace.registry.layer(NAME, "ink")
    assert ink.data is record.ink


def test_cancelling_keeps_the_best_work_and_proposes(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    widget.learn_controller.start("fine-tune", LearnSettings("supervised", minutes=5))
    qtbot.waitUntil(
        lambda: widget.learn_controller.state.fraction > 0.002, timeout=60_000
    )
    widget.run_bar.pause.click()
    assert widget.learn_controller.runner.paused
    widget.run_bar.pause.click()
    widget.run_bar.cancel.click()
    wait_idle(qtbot, widget)
    assert widget.learn_controller.weights is not None
    assert len(widget.workspace.session.rounds) == 1


def test_a_round_waits_for_the_mouse_button_and_is_not_forgotten(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a stroke goes on nothing else can begin, and the run stays on the disk."""
    _, widget, _ = loaded
    runs = widget.learn_controller
    pressed = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: pressed[0])
    runs.start("fine-tune", LearnSettings("supervised", minutes=0.01))
    qtbot.waitUntil(lambda: not runs.runner.running, timeout=60_000)
    qtbot.wait(300)
    assert not widget.workspace.session.rounds
    assert widget.workspace.busy
    assert (widget.workspace.folder / "run" / "run.json").is_file()
    runs.start("fine-tune", LearnSettings("supervised", minutes=0.01))
    assert "A task is running" in said()
    pressed[0] = Qt.MouseButton.NoButton
    qtbot.waitUntil(lambda: len(widget.workspace.session.rounds) == 1, timeout=60_000)
    assert not widget.workspace.busy
    run = widget.workspace.folder / "run"
    qtbot.waitUntil(lambda: not run.exists(), timeout=60_000)
    assert [r.info.number for r in load_session(widget.workspace.folder).rounds] == [1]
    assert widget.workspace.session.records[NAME].proposal is not None


def test_a_failing_task_is_reported(qtbot: QtBot) -> None:
    def task() -> Generator[int, None, None]:
        yield 1
        raise RuntimeError("CUDA out of memory")

    runner = TaskRunner()
    with qtbot.waitSignal(runner.ended, timeout=60_000) as signal:
        runner.start(task())
    (outcome,) = signal.args
    assert isinstance(outcome, Failed)
    runner.wait()


def test_a_gpu_asked_for_in_vain_loses_nothing(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    _, widget, _ = loaded
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", device="cuda")
    )
    wait_idle(qtbot, widget)
    assert "No CUDA GPU" in widget.learn_controller.state.message
    assert widget.run_bar.run.isEnabled()


def test_strokes_in_two_dimensions(window: tuple[Any, Any], qtbot: QtBot) -> None:
    viewer, widget = window
    rng = np.random.default_rng(0)
    viewer.add_image(rng.random((30, 40)), name="picture", scale=(0.5, 0.5))
    widget.data.add.click()
    record = widget.workspace.session.records["picture"]
    assert record.volume.shape == (1, 30, 40)
    ink = widget.workspace.registry.layer("picture", "ink")
    ink.selected_label = 1
    ink.fill((5, 5), 1)
    qtbot.wait(20)
    assert (record.ink == 1).all()
    assert record.status.tolist() == [Status.SPARSE]
    widget.workspace.undo()
    assert not record.ink.any()


@pytest.mark.slow
def test_a_label_without_a_class_is_taken_back(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    record = widget.workspace.session.records[NAME]
    before = record.ink.copy()
    ink = widget.workspace.registry.layer(NAME, "ink")
    ink.data_setitem(tuple(np.array([i]) for i in (8, 0, 0)), 9)
    qtbot.wait(20)  # napari writes after it announces the edit
    assert np.array_equal(record.ink, before)
    assert "Label 9 is not a class" in said()


def test_erasing_in_pseudo_labels_means_background(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, sample = loaded
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.02)
    )
    wait_idle(qtbot, widget)
    record = widget.workspace.session.records[NAME]
    widget.review_controller.move_threshold(-1, 0.0)
    widget.review_controller.refresh_all()
    widget.workspace.go_to(7)
    place = tuple(int(i) for i in np.argwhere(record.pseudo[7] > 0)[0])
    record.pseudo[7][place] = 1
    pseudo = widget.workspace.registry.layer(NAME, "pseudo")
    pseudo.data_setitem(tuple(np.array([i]) for i in (7, *place)), 0)
    qtbot.wait(20)
    assert record.ink[(7, *place)] == 255
    assert record.origin[(7, *place)] == Origin.CORRECTED
    assert record.pseudo[(7, *place)] == 255
    del sample


@pytest.mark.slow
def test_a_layer_of_four_axes_is_asked_about(window: tuple[Any, Any]) -> None:
    viewer, widget = window
    viewer.add_image(np.random.default_rng(0).random((3, 4, 8, 8)))
    widget.data.add.click()
    assert "has 4 dimensions" in widget.notice.text.text()
    assert not widget.workspace.session.records
    (all_of_it,) = widget.notice.items.findItems(
        "all 3, as", Qt.MatchFlag.MatchStartsWith
    )
    widget.notice.items.itemClicked.emit(all_of_it)
    (record,) = widget.workspace.session.records.values()
    assert record.volume.shape == (4, 8, 8)
    assert len(record.volume.channels) == 3


def test_existing_masks_become_ink(loaded: tuple[Any, Any, Sample]) -> None:
    viewer, widget, sample = loaded
    record = widget.workspace.session.records[NAME]
    viewer.add_labels(sample.truth, name="mine")
    assert widget.data.masks.currentText() == "mine"
    widget.data.take_some.click()
    widget.workspace.work.finish()
    assert np.array_equal(record.ink, sample.truth)
    widget.workspace.undo()
    viewer.layers.remove("mine")
    viewer.add_labels(sample.truth[:3], name="short")
    widget.data.take_all.click()
    widget.workspace.work.finish()
    assert "must be drawn on the image's grid" in said()


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


@pytest.mark.slow
def test_a_model_is_used_on_a_new_volume(
    loaded: tuple[Any, Any, Sample], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    step = widget.further["Export"]
    step.panel.setValue(ExportSettings(tmp_path, "model"))
    export(qtbot, step, step.panel.run.click)
    data, about, _ = layer_for(phantom(2).volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    widget.learn.model.value = tmp_path / "model"
    widget.learn.use.click()
    widget.workspace.work.finish()
    wait_idle(qtbot, widget)
    record = widget.workspace.session.records["phantom_002"]
    assert record.proposal is not None
    widget.learn.model.value = tmp_path
    widget.learn.use.click()
    widget.workspace.work.finish()
    assert "is not a model" in said()
    widget.workspace.session.change_class(2, name="tumour")
    widget.learn.model.value = tmp_path / "model"
    widget.learn.use.click()
    widget.workspace.work.finish()
    assert "here it is 'tumour'" in said()


def test_our_layers_are_written_with_their_geometry(
    loaded: tuple[Any, Any, Sample], tmp_path: Path
) -> None:
    _, widget, sample = loaded
    registry, session = widget.workspace.registry, widget.workspace.session
    where = np.zeros(sample.truth.shape, bool)
    where[3, 3, :4] = True
    painting.paint(session, NAME, where, 255)
    path = tmp_path / "ink.nii.gz"
    registry.layer(NAME, "ink").save(str(path), plugin="napari-contrastseg")
    back = read_labels(path)
    assert back.same_place(session.records[NAME].volume)
    assert np.allclose(back.spacing, sample.volume.spacing)
    assert set(np.unique(back.data[0])) == {0, 1, 2}, "255 is background"


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_brush_and_panel_agree(loaded: tuple[Any, Any, Sample]) -> None:
    viewer, widget, _ = loaded
    widget.workspace.choose_class(2)
    viewer.layers.remove(widget.workspace.registry.layer(NAME, "ink"))
    widget.workspace.choose_volume(NAME)
    assert widget.workspace.registry.layer(NAME, "ink").selected_label == 2
    widget.workspace.choose_class(7)
    assert "no class 7" in said()
    assert widget.workspace.paint_class == 2
    widget.class_controller.add_class()
    assert widget.workspace.paint_class == 3
    widget.class_controller.delete_class(3)
    assert widget.workspace.paint_class == widget.data.classes.chosen() == 1
    assert widget.workspace.registry.layer(NAME, "ink").selected_label == 1


def test_only_the_volume_worked_on_is_shown(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    data, about, _ = layer_for(phantom(2).volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    registry = widget.workspace.registry
    assert not registry.layer(NAME, "ink").visible
    assert registry.layer("phantom_002", "ink").visible
    widget.workspace.choose_volume(NAME)
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    assert widget.workspace.active == NAME
    assert viewer.layers.selection.active is registry.layer(NAME, "ink")
    assert registry.layer("phantom_002", "pseudo") is None  # made once it is shown
    widget.workspace.go_to(3, "phantom_002")
    assert viewer.layers.selection.active is registry.layer("phantom_002", "ink")
    assert not registry.layer(NAME, "image").visible
    for kind in ("ink", "image"):
        viewer.layers.remove(registry.layer(NAME, kind))
    widget.workspace.go_to(2, NAME)
    assert registry.layer(NAME, "ink").visible


def test_the_docks_own_x_loses_nothing(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    answers = [QMessageBox.StandardButton.Cancel]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers[-1])
    monkeypatch.setattr(SessionController, "at_risk", True)
    dock = widget.parentWidget()
    monkeypatch.setattr(widget, "_title", dock.windowTitle())  # set once it is shown
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: widget.parentWidget() is not None, timeout=60_000)
    assert widget.parentWidget() is not dock
    widget.class_controller.add_class()
    assert len(widget.workspace.session.classes) == 3
    answers.append(QMessageBox.StandardButton.Discard)
    widget.parentWidget().destroyOnClose()
    qtbot.waitUntil(lambda: widget._closed, timeout=60_000)
    del viewer


def test_a_person_who_stays_after_all_keeps_the_dock(
    window: tuple[Any, Any], qtbot: QtBot
) -> None:
    _, widget = window
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


@pytest.mark.slow
def test_both_themes(window: tuple[Any, Any]) -> None:
    viewer, widget = window
    for theme in ("light", "dark"):
        viewer.theme = theme
    assert widget.isEnabled()


def test_sample_data_open(make_napari_viewer: Callable[..., Any]) -> None:
    viewer = make_napari_viewer()
    viewer.open_sample("napari-contrastseg", "phantoms")
    assert len(viewer.layers) == 6


@pytest.mark.slow
def test_a_cancelled_run_can_be_resumed(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    assert not widget.run_bar.resume.isEnabled()
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.05)
    )
    qtbot.waitUntil(
        lambda: widget.learn_controller.state.fraction > 0.1, timeout=60_000
    )
    widget.run_bar.cancel.click()
    wait_idle(qtbot, widget)
    assert widget.run_bar.resume.isEnabled()
    assert "stopped after" in widget.run_bar.resume.toolTip()
    folder = widget.workspace.folder
    widget.session_controller.open(folder)  # as after a restart
    widget.workspace.work.finish()
    wait_idle(qtbot, widget)
    assert widget.run_bar.resume.isEnabled()
    before = len(widget.workspace.session.rounds)
    widget.run_bar.resume.click()
    wait_idle(qtbot, widget)
    assert len(widget.workspace.session.rounds) == before + 1
    assert not widget.run_bar.resume.isEnabled()
    assert not (folder / "run").exists()


def test_memory_that_runs_out_offers_the_cpu(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    import torch

    from napari_contrastseg.learning.networks.unet import UNet

    _, widget, _ = loaded

    def no_room(*_: Any) -> Any:
        raise torch.OutOfMemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(UNet, "encode", no_room)
        widget.learn_controller.start(
            "fine-tune", LearnSettings("supervised", minutes=0.01)
        )
        wait_idle(qtbot, widget)
    assert "its memory ran out" in widget.notice.text.text()
    assert widget.notice.buttons[0].text() == "Go on on the CPU"
    widget.notice.buttons[1].click()
    assert not widget.workspace.session.rounds


@pytest.mark.slow
def test_a_full_computer_does_not_offer_the_cpu(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """The CPU's own memory ran out: there is nowhere to go on."""
    import torch

    from napari_contrastseg.learning.networks.unet import UNet

    _, widget, _ = loaded

    def no_room(*_: Any) -> Any:
        return torch.empty(2**62, dtype=torch.uint8)

    monkeypatch.setattr(UNet, "encode", no_room)
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    assert widget.notice.isHidden()
    assert said().startswith("The memory of this computer ran out in stage")
    assert widget.learn_controller.state.message == said()
    assert not widget.workspace.session.rounds


@pytest.mark.slow
def test_a_round_that_cannot_be_added_keeps_its_run(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory may end while the window makes a round; Resume brings it then."""
    _, widget, _ = loaded
    runs = widget.learn_controller

    def full(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(widget.workspace.session, "add_round", full)
        runs.start("fine-tune", LearnSettings("supervised", minutes=0.01))
        wait_idle(qtbot, widget)
        qtbot.wait(200)
    assert not widget.workspace.session.rounds
    assert not widget.workspace.busy
    assert "press Resume" in said()
    assert widget.run_bar.resume.isEnabled()
    widget.run_bar.resume.click()
    qtbot.waitUntil(lambda: len(widget.workspace.session.rounds) == 1, timeout=60_000)
