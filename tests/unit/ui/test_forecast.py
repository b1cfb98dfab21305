"""What a round would do, said before Run is pressed; the thread is played or real."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.drive import Finished
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.learn import forecast as module
from napari_contrastseg.ui.learn.forecast import Forecast
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.viewer.image_layers import layer_for
from napari_contrastseg.ui.worker import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

SLICES = (6, 8, 10)


class FakeRunner(QObject):
    """Keeps the tasks; the test says what they answer."""

    happened = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.started = 0
        self.cancelled = 0

    def start(self, task: Any) -> None:
        task.close()
        self.started += 1

    def cancel(self) -> None:
        self.cancelled += 1

    def wait(self) -> None:
        """Nothing runs."""

    def close(self, _seconds: float) -> None:
        """Nothing runs."""


def annotate(session: Session, sample: Sample, *slices: int) -> None:
    """Paint slices of the phantom and mark them done."""
    for index in slices:
        where = np.zeros(sample.truth.shape, bool)
        where[index] = sample.truth[index] > 0
        painting.paint(session, sample.volume.id, where, sample.truth[where])
        painting.mark(session, sample.volume.id, index, Status.DONE)


@pytest.fixture
def name(workspace: Workspace, add: Add, sample: Sample) -> str:
    """A volume in the session, with two classes and no label."""
    added = add(sample)
    workspace.session.add_class()
    return added


@pytest.fixture
def heard() -> list[str]:
    """What the forecast said."""
    return []


@pytest.fixture
def forecast(
    workspace: Workspace, name: str, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Forecast]:
    """A forecast whose thread the test plays."""
    del name
    monkeypatch.setattr(module, "LatestTask", FakeRunner)
    monkeypatch.setattr(module, "WAIT_MS", 0)
    monkeypatch.setattr(module, "FIRST_MS", 0)
    made = Forecast(workspace, LearnSettings("supervised"))
    made.changed.connect(heard.append)
    yield made
    made.close()


@pytest.fixture
def runner(forecast: Forecast) -> FakeRunner:
    """The runner that runs nothing."""
    return cast("FakeRunner", forecast.runner)


def pass_time(qtbot: QtBot) -> None:
    """Let what waits a moment come."""
    qtbot.wait(30)


def test_nothing_is_asked_before_there_are_labels(
    forecast: Forecast, runner: FakeRunner, heard: list[str], qtbot: QtBot
) -> None:
    forecast.refresh()
    pass_time(qtbot)
    assert (runner.started, heard) == (0, [])


def test_changes_are_answered_once(
    workspace: Workspace,
    forecast: Forecast,
    runner: FakeRunner,
    heard: list[str],
    sample: Sample,
    qtbot: QtBot,
) -> None:
    annotate(workspace.session, sample, *SLICES)
    forecast.choose(LearnSettings("supervised", minutes=3))
    pass_time(qtbot)
    assert runner.started == 1
    runner.happened.emit(Progress("preparing", 0.0))
    runner.happened.emit("1 network.")
    runner.ended.emit(Finished())
    assert heard == ["1 network."]
    workspace.choose_class(2)
    pass_time(qtbot)
    assert runner.started == 1, "what a round does not depend on"


def test_nothing_is_asked_while_every_case_is_closed(
    workspace: Workspace,
    forecast: Forecast,
    runner: FakeRunner,
    name: str,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    annotate(workspace.session, sample, *SLICES)
    pass_time(qtbot)
    workspace.session.close_volume(name)
    forecast.refresh()
    pass_time(qtbot)
    assert runner.started == 1


@pytest.mark.parametrize("stopped", [False, True])
def test_a_late_answer_is_dropped(
    workspace: Workspace,
    forecast: Forecast,
    runner: FakeRunner,
    heard: list[str],
    sample: Sample,
    qtbot: QtBot,
    *,
    stopped: bool,
) -> None:
    annotate(workspace.session, sample, *SLICES)
    pass_time(qtbot)
    if stopped:
        forecast.stop()
        assert runner.cancelled == 1
    else:
        forecast.choose(LearnSettings("supervised", minutes=3))
    runner.happened.emit("The answer to what was asked before.")
    assert heard == []


def test_it_waits_while_a_mouse_button_is_down(
    workspace: Workspace,
    forecast: Forecast,
    runner: FakeRunner,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del forecast
    pressed = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: pressed[0])
    annotate(workspace.session, sample, *SLICES)
    pass_time(qtbot)
    assert runner.started == 0
    pressed[0] = Qt.MouseButton.NoButton
    qtbot.waitUntil(lambda: runner.started == 1)


def test_it_waits_while_a_person_turns_over_the_slices(
    workspace: Workspace, forecast: Forecast, sample: Sample
) -> None:
    forecast._later.stop()
    workspace.next_slice()
    assert not forecast._later.isActive(), "nothing has changed"
    annotate(workspace.session, sample, *SLICES)
    forecast._later.setTimerType(Qt.TimerType.PreciseTimer)
    forecast._later.start(10_000)
    begun = forecast._later.remainingTime()
    while forecast._later.remainingTime() > begun - 20:
        time.sleep(0.001)
    workspace.next_slice()
    assert forecast._later.remainingTime() > begun - 20


def test_it_rests_while_a_run_is_in_progress_and_comes_back(
    workspace: Workspace,
    forecast: Forecast,
    runner: FakeRunner,
    heard: list[str],
    sample: Sample,
    qtbot: QtBot,
) -> None:
    annotate(workspace.session, sample, *SLICES)
    pass_time(qtbot)
    runner.happened.emit("1 network.")
    workspace.busy = True
    forecast.stop()
    annotate(workspace.session, sample, 4)
    pass_time(qtbot)
    assert (runner.started, heard) == (1, ["1 network.", ""])
    workspace.busy = False
    forecast.refresh()
    pass_time(qtbot)
    runner.happened.emit("1 network.")
    assert (runner.started, heard[2:]) == (2, ["1 network."])


def test_another_session_has_another_forecast(
    workspace: Workspace,
    forecast: Forecast,
    runner: FakeRunner,
    heard: list[str],
    sample: Sample,
    qtbot: QtBot,
) -> None:
    del forecast
    annotate(workspace.session, sample, *SLICES)
    pass_time(qtbot)
    runner.happened.emit("1 network.")
    workspace.replace(Session())
    assert heard == ["1 network.", ""]
    pass_time(qtbot)
    assert runner.started == 1


# -- in the dock, with a thread ------------------------------------------------------


@pytest.fixture
def dock(
    qtbot: QtBot, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ContrastSegWidget]:
    """The dock with a volume and two classes; a run in it trains nothing."""
    monkeypatch.setattr(module, "WAIT_MS", 0)
    monkeypatch.setattr(module, "FIRST_MS", 0)
    monkeypatch.setattr(ContrastSegWidget, "show_embedding", lambda _: None)
    viewer = ViewerModel()
    made = ContrastSegWidget(viewer)
    qtbot.addWidget(made)
    image, about, _ = layer_for(sample.volume)
    viewer.add_image(image, **about)
    made.data.add.click()
    made.class_controller.add_class()
    made.learn.setValue(LearnSettings("supervised", minutes=3, device="cpu"))
    yield made
    made.shut_down()


def wait_for(qtbot: QtBot, dock: ContrastSegWidget, words: str) -> None:
    """Wait until the panel says so."""
    label = dock.learn.forecast
    qtbot.waitUntil(lambda: label.text().startswith(words), timeout=60_000)
    assert label.isVisibleTo(dock.learn)


def test_the_panel_says_what_a_round_will_do(
    dock: ContrastSegWidget, sample: Sample, qtbot: QtBot
) -> None:
    label = dock.learn.forecast
    assert label.isHidden()
    annotate(dock.workspace.session, sample, *SLICES)
    wait_for(qtbot, dock, "1 network, about 3 minutes: some")
    dock.learn.minutes.setValue(5)
    wait_for(qtbot, dock, "1 network, about 5 minutes: some")
    dock.learn.recipe.setValue("recommended")
    qtbot.waitUntil(lambda: "the other axes are left" in label.text(), timeout=60_000)
    dock.learn.more.unfold()
    form = dock.learn._form
    assert form is not None
    form["every_axis"].value = False
    qtbot.waitUntil(lambda: "axes" not in label.text(), timeout=60_000)
    while dock.run_bar.run.isEnabled():
        dock.workspace.undo()
    assert label.isHidden()


def test_what_is_missing_is_said_without_a_notification(
    dock: ContrastSegWidget, sample: Sample, qtbot: QtBot
) -> None:
    said = len(notification_manager.records)
    empty = np.flatnonzero(~sample.truth.any(axis=(1, 2)))
    painting.mark(dock.workspace.session, sample.volume.id, int(empty[0]), Status.DONE)
    wait_for(qtbot, dock, "Only background is labelled")
    assert len(notification_manager.records) == said


def test_a_run_takes_its_place_and_gives_it_back(
    dock: ContrastSegWidget,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annotate(dock.workspace.session, sample, *SLICES)
    wait_for(qtbot, dock, "1 network, about 3 minutes: some")
    with monkeypatch.context() as patch:
        patch.setattr(TaskRunner, "run", lambda *_: None)
        dock.run_bar.run.click()
    assert dock.learn_controller.state.running
    assert dock.learn.forecast.isHidden()
    dock.learn_controller.runner.ended.emit(Finished())
    wait_for(qtbot, dock, "1 network, about 3 minutes: some")
