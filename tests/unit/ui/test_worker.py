"""Tasks on a thread: the one that was asked for last is the one that runs."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication, QEvent, QObject

from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.ui.worker import LatestTask, TaskRunner

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest
    from pytestqt.qtbot import QtBot


def test_only_the_task_asked_for_last_is_heard(qtbot: QtBot) -> None:
    runner, go = LatestTask(), threading.Event()
    events: list[str] = []
    outcomes: list[Any] = []
    runner.happened.connect(events.append)
    runner.ended.connect(outcomes.append)

    def task(name: str) -> Generator[str, None, None]:
        yield f"{name} begins"
        go.wait(60)
        yield f"{name} ends"

    runner.start(task("first"))
    qtbot.waitUntil(lambda: events == ["first begins"], timeout=60_000)
    runner.start(task("second"))
    runner.start(task("third"))
    assert runner.replaced
    go.set()
    qtbot.waitUntil(lambda: len(outcomes) == 2, timeout=60_000)
    assert events == ["first begins", "third begins", "third ends"]
    assert isinstance(outcomes[0], Cancelled)
    assert isinstance(outcomes[1], Finished)
    runner.close()


def test_a_task_whose_window_is_gone_ends_without_a_word(
    qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    del qtbot
    window = QObject()
    runner, go = LatestTask(window), threading.Event()

    def task() -> Generator[int, None, None]:
        go.wait(60)
        yield 1

    runner.start(task())
    thread = runner._thread
    assert thread is not None
    runner.close(0.0)
    window.deleteLater()
    QCoreApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete.value)
    go.set()
    thread.join(60)
    assert not caplog.records


def test_no_name_of_a_runner_hides_one_of_qt(qtbot: QtBot) -> None:
    del qtbot
    mine = {name for name in vars(TaskRunner) if not name.startswith("_")}
    assert not mine & set(dir(QObject))


def test_a_task_that_is_stopped_takes_the_one_that_waits_along(qtbot: QtBot) -> None:
    runner, go = LatestTask(), threading.Event()
    outcomes: list[Any] = []
    runner.ended.connect(outcomes.append)

    def task() -> Generator[int, None, None]:
        yield 1
        go.wait(60)
        yield 2

    runner.start(task())
    runner.start(task())
    runner.cancel()
    assert not runner.replaced
    go.set()
    qtbot.waitUntil(lambda: not runner.running and bool(outcomes), timeout=60_000)
    qtbot.wait(20)
    assert [type(outcome) for outcome in outcomes] == [Cancelled]
    runner.close()


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


def test_progress_right_after_something_else_is_heard(qtbot: QtBot) -> None:
    progress = Progress("predict", 0.5)

    def task() -> Generator[str | Progress, None, None]:
        yield "some slices"
        yield progress
        yield Progress("predict", 0.51)

    runner = TaskRunner()
    events: list[Any] = []
    runner.happened.connect(events.append)
    with qtbot.waitSignal(runner.ended, timeout=60_000):
        runner.start(task())
    assert events[:2] == ["some slices", progress]
    runner.wait()


_LEFT = """
import time
from napari_contrastseg.ui.worker import TaskRunner
def task():
    time.sleep(1)  # as an import of torch, which cannot be cancelled
    print("ended", flush=True)
    yield
runner = TaskRunner()
runner.start(task())
runner.close(0.0)
"""


def test_a_program_that_ends_lets_a_cancelled_thread_end_first() -> None:
    """Cut off in the middle of torch, it ended with a crash."""
    done = subprocess.run(
        [sys.executable, "-c", _LEFT], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["ended"]
