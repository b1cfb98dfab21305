"""Rounds in a process of their own: complete, cancelled, killed, closed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.tasks.drive import Finished, never
from napari_contrastseg.tasks.events import StageReport
from napari_contrastseg.tasks.executors.choice import PROCESS, ROUNDS_VARIABLE
from napari_contrastseg.tasks.executors.executor import Job, nothing
from napari_contrastseg.ui.learn.panel import LearnSettings
from tests.kit.training import request
from tests.kit.window import NAME, wait_idle

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample

pytestmark = pytest.mark.viewer


@pytest.fixture(autouse=True)
def _rounds_run_in_a_process(
    _rounds_run_in_a_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROUNDS_VARIABLE, PROCESS)


def children() -> list[psutil.Process]:
    """Find the processes in which rounds run."""
    mine = psutil.Process().children()
    return [p for p in mine if "tasks.executors.child" in " ".join(p.cmdline())]


def begin(widget: Any, qtbot: QtBot, minutes: float) -> None:
    """Fine-tune for some minutes, and wait until it trains."""
    runs = widget.learn_controller
    runs.start("fine-tune", LearnSettings("supervised", minutes=minutes))
    qtbot.waitUntil(lambda: runs.state.fraction > 0, timeout=120_000)


@pytest.mark.slow
def test_a_process_is_ready_before_the_round_and_ends_with_the_window(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    qtbot.waitUntil(lambda: bool(children()), timeout=60_000)
    (ready,) = children()
    begin(widget, qtbot, 0.05)
    assert children() == [ready]
    wait_idle(qtbot, widget)
    assert len(widget.workspace.session.rounds) == 1
    assert widget.workspace.session.records[NAME].proposal is not None
    assert not (widget.workspace.folder / "run").exists()
    begin(widget, qtbot, 5)
    widget.shut_down()
    assert not ready.is_running()
    assert not children()


@pytest.mark.slow
def test_a_round_in_a_process_is_paused_and_cancelled(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    begin(widget, qtbot, 5)
    runs, bar = widget.learn_controller, widget.run_bar
    heard: list[object] = []
    runs.progressed.connect(heard.append)
    bar.pause.click()
    qtbot.wait(3000)
    assert runs.state.paused
    assert len(heard) <= 2  # one was on its way here, and one is being worked out
    bar.pause.click()
    qtbot.waitUntil(lambda: len(heard) > 3, timeout=60_000)
    bar.cancel.click()
    wait_idle(qtbot, widget)
    assert runs.weights is not None
    assert len(widget.workspace.session.rounds) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")
def test_a_killed_process_costs_a_message(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    begin(widget, qtbot, 0.04)
    (child,) = children()
    child.kill()
    wait_idle(qtbot, widget)
    said = [str(record.message) for record in notification_manager.records]
    assert any("was killed, as the system does" in text for text in said)
    assert len(widget.workspace.session.rounds) == 1


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_training_with_triton_runs_beside_a_window_drawn_by_software(
    loaded: tuple[Any, Any, Sample],
) -> None:
    """In one process Triton and Mesa's llvmpipe crash."""
    viewer, widget, _ = loaded
    viewer.screenshot(flash=False)
    events: list[Any] = []
    job = Job("tests.kit.jobs:trains_with_triton", request())
    executor = widget.learn_controller.executor
    assert executor.run(job, events.append, never, nothing) == Finished()
    assert events[0] is True
    assert any(isinstance(event, StageReport) for event in events)
    viewer.screenshot(flash=False)
