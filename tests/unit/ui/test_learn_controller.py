"""Runs from start to end, with a runner whose task the test plays."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.io.errors import (
    ComputerMemoryError,
    DeviceMemoryError,
    InputError,
)
from napari_contrastseg.learning.models import model as models
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.models.predict import Prediction
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished
from napari_contrastseg.tasks.events import Note, Progress, TrainingBegan
from napari_contrastseg.tasks.feature_probe import Probed
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.resumable import RUN, write_run
from napari_contrastseg.tasks.round import Embedded, SlicesScored, Trained
from napari_contrastseg.tasks.round_job import RoundNow
from napari_contrastseg.ui.learn import controller as module
from napari_contrastseg.ui.learn.controller import LearnController
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.learn.requests import freeze, round_info

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.rounds import RoundInfo
    from napari_contrastseg.tasks.executors.executor import Executor, Job
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.ui.learn.run_state import RunInProgress
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

MODEL = cast("Model", SimpleNamespace())
STEP = Progress("fine-tune", 0.3, 60.0, 0.9, 0.5)
PRETRAINING_STEP = Progress("pretrain", 0.1, 90.0, 0.9)
SETTINGS = LearnSettings("supervised")


class FakeRunner(QObject):
    """Runs nothing: the test says what the task reports and how it ends."""

    happened = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.started = 0
        self.running = False
        self.asked: list[object] = []

    def run(self, executor: Executor, job: Job, now: Any) -> None:
        assert not self.running
        assert isinstance(now(), RoundNow)
        del executor, job
        self.started += 1
        self.running = True

    def pause(self, paused: bool) -> None:
        self.asked.append("pause" if paused else "go on")

    def cancel(self) -> None:
        self.asked.append("cancel")

    def wait(self) -> None:
        self.running = False

    def close(self, seconds: float) -> None:
        assert seconds > 0
        self.asked.append("close")

    def report(self, *events: object) -> None:
        """Report what the task says."""
        for event in events:
            self.happened.emit(event)

    def end(self, outcome: object) -> None:
        """End the task."""
        self.ended.emit(outcome)


@pytest.fixture
def name(workspace: Workspace, add: Add, sample: Sample) -> str:
    """A volume in the session, with two classes and a slice done."""
    added = add(sample)
    session = workspace.session
    session.add_class()
    where = np.zeros(sample.truth.shape, bool)
    where[8] = sample.truth[8] > 0
    painting.paint(session, added, where, sample.truth[where])
    painting.mark(session, added, 8, Status.DONE)
    return added


@pytest.fixture
def runs(
    workspace: Workspace, name: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LearnController]:
    """Step Learn's controller, ready to run."""
    del name
    monkeypatch.setattr(module, "TaskRunner", FakeRunner)
    made = LearnController(workspace)
    made.refresh()
    yield made
    made.close()


@pytest.fixture
def runner(runs: LearnController) -> FakeRunner:
    """The runner that runs nothing."""
    return cast("FakeRunner", runs.runner)


@pytest.fixture
def kept(workspace: Workspace, tmp_path: Path) -> Path:
    """A run that can go on, in the folder of the session."""
    saving = SimpleNamespace(folder=tmp_path, flush=lambda _: True)
    workspace.autosave = cast("Any", saving)
    session = workspace.session
    request = freeze(session, "round", SETTINGS)
    write_run(tmp_path / RUN, request, round_info(session, request), propose=True)
    return tmp_path / RUN


class Heard:
    """What the controller's signals said, in order."""

    def __init__(self, runs: LearnController) -> None:
        self.words: list[str] = []
        runs.started.connect(lambda: self.words.append("started"))
        runs.ended.connect(lambda: self.words.append("ended"))
        runs.progressed.connect(lambda _: self.words.append("progressed"))
        runs.probed.connect(lambda _: self.words.append("probed"))


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def began() -> TrainingBegan:
    return TrainingBegan(MODEL, "cpu", "CPU, 8 GB free")


def predicted(name: str, sample: Sample) -> Predicted:
    """Predict the truth."""
    labels = sample.truth.astype(np.uint8)
    sure = np.full(labels.shape, 0.9, np.float16)
    return Predicted(name, Prediction(labels, sure))


def embedded() -> Embedded:
    scores = SimpleNamespace(classes={1: 0.25, 2: 0.5})
    return Embedded(cast("Any", None), cast("Any", scores))


def request_of(runs: LearnController) -> TrainRequest:
    """Return what is being asked for."""
    run: RunInProgress | None = runs._run
    assert run is not None
    return run.request


def test_rounds_get_ready_once_nothing_has_changed_for_a_while(
    runs: LearnController, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strokes are drawn by the core that loading would take."""
    began: list[str] = []
    monkeypatch.setattr(runs.executor, "start_ahead", lambda: began.append("ready"))
    assert runs._ahead.isActive(), "there is a volume"
    monkeypatch.setattr(runs._ahead, "start", lambda: began.append("waits"))
    runs.refresh()
    runs._ahead.timeout.emit()
    runs._ahead.stop()
    runs.refresh()
    assert began == ["waits", "ready"]


def test_a_round_is_added_when_its_run_ends(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    name: str,
    sample: Sample,
) -> None:
    session, heard = workspace.session, Heard(runs)
    runs.start("round", SETTINGS)
    assert heard.words == ["started"]
    assert (workspace.busy, session.in_training) == (True, frozenset({1, 2}))
    assert (runs.state.running, runs.state.stage) == (
        True,
        "preparing: loading PyTorch and images",
    )
    runner.report(began(), STEP, Probed(cast("Any", None), 1, "fine-tune"))
    assert heard.words[1:] == ["progressed", "probed"]
    assert (runs.state.stage, runs.state.fraction) == ("fine-tune", 0.3)
    assert runs.state.device == "CPU, 8 GB free"
    runner.report(Trained(MODEL))
    assert runs.weights is MODEL
    map_, scores = embedded(), cast("Any", SimpleNamespace())
    runner.report(predicted(name, sample), SlicesScored(name, scores), map_)
    assert not session.rounds
    runner.end(Finished())
    (made,) = session.rounds
    assert made.info.number == 1
    assert made.info.recipe == "supervised"
    assert made.info.silhouette == session.by_name({1: 0.25, 2: 0.5})
    assert made.embedding is map_
    assert made.slices == {name: scores}
    assert np.array_equal(session.records[name].prediction, sample.truth)
    assert runs.state.message.startswith("Round 1 is ready")
    assert said() == runs.state.message, "who looks elsewhere by now is told, too"
    assert (runs.state.running, runs.state.fraction) == (False, 1.0)
    assert heard.words[-1] == "ended"
    assert (workspace.busy, session.in_training) == (False, frozenset())


def test_what_a_run_notes_is_one_notification_and_so_is_its_end(
    runs: LearnController,
    runner: FakeRunner,
    name: str,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three would stand over a corner of the image, each for seconds."""
    told: list[str] = []
    monkeypatch.setattr(module, "notify_info", told.append)
    runs.start("round", SETTINGS)
    runner.report(began(), Note("Voxels are long."), Note("A file is old."))
    qtbot.waitUntil(lambda: bool(told), timeout=5000)
    assert told == ["Voxels are long. A file is old."]
    runner.report(STEP, Note("One axis alone."), predicted(name, sample))
    runner.end(Finished())
    qtbot.wait(module.NOTES_MS + 200)
    assert told[1:] == [f"{runs.state.message} One axis alone."]


def test_nothing_else_begins_meanwhile(
    runs: LearnController, runner: FakeRunner
) -> None:
    runs.start("round", SETTINGS)
    runs.start("fine-tune", SETTINGS)
    assert "A task is running" in said()
    runs.resume()
    runs.use_model(None)
    assert runner.started == 1


def test_pretraining_alone_ends_with_weights(
    workspace: Workspace, runs: LearnController, runner: FakeRunner
) -> None:
    runs.start("pretrain", SETTINGS)
    assert request_of(runs).purposes == ("pretrain",)
    runner.report(began(), PRETRAINING_STEP, Trained(MODEL))
    runner.end(Finished())
    assert runs.weights is MODEL
    assert runs.state.message == "Pretrained. Fine-tune next."
    assert runs.state.fraction == 1.0
    assert not workspace.session.rounds


def test_a_run_is_paused_goes_on_and_stops(
    runs: LearnController, runner: FakeRunner
) -> None:
    shown: list[bool] = []
    runs.state_changed.connect(lambda state: shown.append(state.paused))
    runs.pause(True)  # nothing runs
    runs.start("round", SETTINGS)
    runner.report(began(), STEP)
    assert shown == [False] * 4
    runs.pause(True)
    runs.pause(False)
    runs.pause(True)
    runs.cancel()
    assert shown[4:] == [True, False, True, False]
    assert runs.state.message == "stopping ..."
    runner.report(replace(STEP, fraction=0.4))
    assert (runs.state.fraction, runs.state.message) == (0.4, "stopping ...")
    assert runner.asked == ["pause", "go on", "pause", "cancel"]


def test_a_run_that_stops_cannot_be_paused(
    runs: LearnController, runner: FakeRunner
) -> None:
    """A task that waits would never stop; the button is put right again."""
    runs.start("round", SETTINGS)
    runs.cancel()
    shown: list[bool] = []
    runs.state_changed.connect(lambda state: shown.append(state.paused))
    runs.pause(True)
    assert shown == [False]
    assert runner.asked == ["cancel"]


def test_cancelled_before_anything_was_learned(
    workspace: Workspace, runs: LearnController, runner: FakeRunner
) -> None:
    heard = Heard(runs)
    runs.start("round", SETTINGS)
    runner.report(began(), Progress("fine-tune", 0.0))
    runs.cancel()
    runner.end(Cancelled())
    assert runs.weights is None
    assert runs.state.message == "Cancelled before anything was learned."
    assert heard.words[-1] == "ended"
    assert not workspace.busy
    runs.start("round", SETTINGS)
    assert runner.started == 2


def test_cancelled_while_pretraining_keeps_the_weights(
    workspace: Workspace, runs: LearnController, runner: FakeRunner
) -> None:
    runs.start("round", SETTINGS)
    runner.report(began(), PRETRAINING_STEP)
    runner.end(Cancelled())
    assert runs.weights is MODEL
    assert runs.state.message == "Cancelled; the weights so far are kept."
    assert not workspace.session.rounds
    assert not workspace.busy


def test_cancelled_after_learning_proposes_and_can_still_go_on(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    kept: Path,
    name: str,
    sample: Sample,
) -> None:
    heard = Heard(runs)
    runs.start("fine-tune", SETTINGS)
    runner.report(began(), STEP)
    runs.cancel()
    runner.end(Cancelled())
    assert runs.weights is MODEL
    assert said() == "Cancelled; proposing from the weights so far."
    assert runner.started == 2
    assert workspace.busy
    assert workspace.session.in_training == {1, 2}
    assert (runs.state.running, runs.state.stage) == (True, "predict")
    assert (runs.state.fraction, runs.state.message) == (0.9, "")
    assert "ended" not in heard.words
    runner.report(Progress("predict", 0.95), predicted(name, sample))
    runner.end(Finished())
    assert [r.info.number for r in workspace.session.rounds] == [1]
    assert workspace.session.rounds[0].model is MODEL
    assert heard.words.count("started") == heard.words.count("ended") == 1
    assert (kept / "run.json").is_file()
    assert runs.state.unfinished == "stopped before its first checkpoint"


def test_the_proposing_after_a_cancel_may_be_cancelled_too(
    workspace: Workspace, runs: LearnController, runner: FakeRunner
) -> None:
    runs.start("fine-tune", SETTINGS)
    runner.report(began(), STEP)
    runner.end(Cancelled())
    runs.cancel()
    assert runs.state.message == "stopping ..."
    runner.end(Cancelled())
    assert runs.state.message == "Cancelled; the weights so far are kept."
    assert runner.started == 2
    assert not workspace.busy


def test_a_failure_is_said_and_leaves_everything_as_it_was(
    workspace: Workspace, runs: LearnController, runner: FakeRunner
) -> None:
    heard = Heard(runs)
    runs.start("round", SETTINGS)
    runner.report(began(), STEP)
    runner.end(Failed("The disk is full.", OSError()))
    assert said() == runs.state.message == "The disk is full."
    assert runs.weights is None
    assert not runs.state.running
    assert not workspace.session.rounds
    assert heard.words[-1] == "ended"


def test_a_round_that_is_cancelled_while_its_map_is_made_is_not_offered_to_go_on(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    kept: Path,
    name: str,
    sample: Sample,
) -> None:
    runs.start("round", SETTINGS)
    runner.report(began(), STEP, Trained(MODEL), predicted(name, sample))
    runs.cancel()
    runner.end(Cancelled())
    assert len(workspace.session.rounds) == 1
    assert runs.state.unfinished == "", "the same round would come again"
    assert not kept.exists()


def test_a_failure_after_all_is_predicted_still_proposes(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    kept: Path,
    name: str,
    sample: Sample,
) -> None:
    runs.start("round", SETTINGS)
    runner.report(began(), STEP, Trained(MODEL), predicted(name, sample))
    runner.end(Failed("The map cannot be drawn.", ValueError()))
    (made,) = workspace.session.rounds
    assert made.embedding is None
    assert made.info.silhouette == {}
    assert said() == "The map cannot be drawn."
    assert runs.state.message.startswith("Round 1 is ready")
    assert kept.is_dir()


def test_a_gpu_without_memory_offers_the_cpu(
    workspace: Workspace, runs: LearnController, runner: FakeRunner, kept: Path
) -> None:
    asked: list[Any] = []
    workspace.questions.asked.connect(asked.append)
    runs.start("round", replace(SETTINGS, device="cuda"))
    runner.report(began(), STEP)
    error = DeviceMemoryError("cuda: its memory ran out.")
    runner.end(Failed(str(error), error))
    assert asked[-1].text == runs.state.message == "cuda: its memory ran out."
    assert runs.state.unfinished
    workspace.questions.answer(0)
    assert runner.started == 2
    assert request_of(runs).device == "cpu"
    assert request_of(runs).keep == kept / "checkpoint"


def test_a_full_computer_does_not_offer_the_cpu(
    workspace: Workspace, runs: LearnController, runner: FakeRunner
) -> None:
    asked: list[Any] = []
    workspace.questions.asked.connect(asked.append)
    runs.start("round", SETTINGS)
    runner.report(began(), STEP)
    error = ComputerMemoryError("The memory of this computer ran out.")
    runner.end(Failed(str(error), error))
    assert asked == []
    assert runs.state.message == said() == str(error)


def test_a_round_that_finds_no_memory_in_the_window_can_be_had_again(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    kept: Path,
    name: str,
    sample: Sample,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    heard = Heard(runs)
    runs.start("round", SETTINGS)
    runner.end(Cancelled())
    assert runs.state.message
    runs.start("round", SETTINGS)
    runner.report(began(), STEP, Trained(MODEL), predicted(name, sample))
    monkeypatch.setattr(workspace.session, "add_round", full)
    runner.end(Finished())
    assert "press Resume" in said()
    assert runs.state.message == ""
    assert runs.state.unfinished
    assert kept.is_dir()
    assert not workspace.busy
    assert heard.words[-1] == "ended"


def test_a_run_that_was_cut_off_goes_on_and_is_deleted_when_it_is_a_round(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    kept: Path,
    name: str,
    sample: Sample,
) -> None:
    runs.resume()
    assert request_of(runs).keep == kept / "checkpoint"
    assert request_of(runs).recipe == "supervised"
    assert runs.state.unfinished == ""
    runner.report(began(), STEP, Trained(MODEL), predicted(name, sample))
    runner.end(Finished())
    assert [r.info.labelled_slices for r in workspace.session.rounds] == [1]
    assert not kept.exists()
    assert runs.state.unfinished == ""
    runs.resume()
    assert "no run to go on with" in said()
    assert runner.started == 1


def test_a_session_with_an_unfinished_run_offers_to_go_on(
    workspace: Workspace, runs: LearnController, kept: Path
) -> None:
    asked: list[Any] = []
    workspace.questions.asked.connect(asked.append)
    runs.start("round", SETTINGS)
    runs.cancel()
    cast("FakeRunner", runs.runner).end(Cancelled())
    assert runs.state.message
    workspace.replace(Session())
    assert "stopped before its first checkpoint" in asked[-1].text
    assert runs.state.message == ""
    assert runs.state.why_not == "Add a volume in step Data first"
    assert kept.is_dir()


def test_a_model_from_a_folder_predicts(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    kept: Path,
    name: str,
    sample: Sample,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    classes = tuple(
        ModelClass(c.id, c.name, c.colour) for c in workspace.session.classes
    )
    card = SimpleNamespace(recipe="hu2021", classes=classes)
    model: Any = SimpleNamespace(card=card, check_fits=lambda _: None)
    monkeypatch.setattr(models, "load_model", lambda _: model)
    runs.start("round", SETTINGS)
    runner.end(Cancelled())
    runs.use_model(kept)
    workspace.work.finish()
    assert request_of(runs).start is model
    runner.report(Progress("predict", 0.9), predicted(name, sample))
    runner.end(Finished())
    (made,) = workspace.session.rounds
    assert made.model is model
    info: RoundInfo = made.info
    assert info.recipe == "hu2021"
    assert kept.is_dir(), "the run that is kept has nothing to do with it"
    runs.use_model(kept)
    workspace.work.finish()
    runner.end(Cancelled())
    assert runs.state.message == "Cancelled before anything was learned."


def test_the_window_answers_while_a_model_is_read(
    workspace: Workspace,
    runs: LearnController,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    go = threading.Event()

    def load(_folder: Path) -> Any:
        go.wait(60)
        raise InputError("it is no model")

    monkeypatch.setattr(models, "load_model", load)
    classes = workspace.session.classes
    runs.use_model(tmp_path)
    turns: list[int] = []
    QTimer.singleShot(0, lambda: turns.append(1))
    qtbot.waitUntil(lambda: turns == [1])
    with pytest.raises(InputError, match="Reading the model"):
        workspace.session.add_class()
    go.set()
    workspace.work.finish()
    assert said() == "it is no model"
    assert (workspace.session.classes, workspace.busy) == (classes, False)


def test_a_model_gives_voxels_without_a_size_that_of_its_training(
    workspace: Workspace,
    runs: LearnController,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = workspace.session.records[name]
    source = replace(record.volume.source, orientation=None, unit="pixel")
    record.volume = replace(record.volume, source=source)
    wanted = record.volume.spacing * (3e-4, 1e-4, 1e-4)
    training = {"voxel_factor": [3e-4, 1e-4, 1e-4]}
    card = SimpleNamespace(recipe="hu2021", classes=(), training=training)
    fitted: list[Any] = []
    model: Any = SimpleNamespace(card=card, check_fits=fitted.append)
    monkeypatch.setattr(models, "load_model", lambda _: model)
    runs.use_model(tmp_path)
    workspace.work.finish()
    (asked,) = request_of(runs).volumes
    for volume in (*fitted, asked.volume, workspace.session.records[name].volume):
        assert np.allclose(volume.spacing, wanted)
        assert volume.source.unit == "mm"
    ink = workspace.registry.layer(name, "ink")
    assert ink is not None
    assert np.allclose(ink.scale, wanted)
    assert "states no voxel size" in said()
    assert record.status[8] == Status.DONE, "what was labelled stays"


def test_the_end_waits_for_the_mouse_button(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    name: str,
    sample: Sample,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pressed = [Qt.MouseButton.LeftButton]
    later: list[Any] = []
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: pressed[0])
    monkeypatch.setattr(QTimer, "singleShot", lambda _, f: later.append(f))
    runs.start("round", SETTINGS)
    runner.report(began(), STEP, Trained(MODEL), predicted(name, sample))
    runner.end(Finished())
    runs.cancel()
    assert (runs.state.running, runs.state.message) == (True, "")
    assert workspace.busy
    later.pop()()
    assert not workspace.session.rounds
    pressed[0] = Qt.MouseButton.NoButton
    later.pop()()
    assert len(workspace.session.rounds) == 1
    assert not later
    assert runner.asked == []


@pytest.mark.parametrize("stroke", [False, True])
def test_an_end_after_closing_does_nothing(
    workspace: Workspace,
    runs: LearnController,
    runner: FakeRunner,
    name: str,
    sample: Sample,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stroke: bool,
) -> None:
    """Also where closing comes between the task's end and that of a stroke."""
    heard = Heard(runs)
    later: list[Any] = []
    runs.start("round", SETTINGS)
    runner.report(began(), STEP, Trained(MODEL), predicted(name, sample))
    if stroke:
        down = Qt.MouseButton.LeftButton
        with monkeypatch.context() as patch:
            patch.setattr(QGuiApplication, "mouseButtons", lambda: down)
            patch.setattr(QTimer, "singleShot", lambda _, f: later.append(f))
            runner.end(Finished())
    runs.close()
    if stroke:
        later.pop()()
    else:
        runner.report(Note("too late"))
        runner.end(Finished())
    assert not workspace.session.rounds
    assert "ended" not in heard.words


def test_what_is_missing_is_said_and_only_when_it_changes(
    workspace: Workspace, runs: LearnController
) -> None:
    heard: list[object] = []
    runs.state_changed.connect(heard.append)
    runs.refresh()
    assert not heard
    assert (runs.state.why_not, runs.state.why_no_model) == (None, None)
    workspace.undo()
    workspace.undo()
    runs.refresh()
    runs.refresh()
    assert len(heard) == 1
    assert runs.state.why_not == "Paint on a slice first, or mark one done"
