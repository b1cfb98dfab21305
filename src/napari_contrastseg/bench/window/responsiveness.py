"""How long the window's event loop is kept waiting: answering, training and idle.

Training is measured in a thread of the window's process and in a process of its own;
``training`` repeats the numbers of the one that is the default. Beside the waits stands
how much of a core the round took, and the window: what the two compete for.
Then how long the embedding dock takes for its answers (`embedding_dock`), and what a
session with many open volumes costs (`many_volumes`).

A timer asks to be called every few milliseconds while a person's work is played:
brush strokes and steps through the slices. What it is late by is what the person
feels. Run as ``python -m napari_contrastseg.bench.window.responsiveness SECONDS
RESULT``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_contrastseg.bench.window.core_watch import CoreWatch
from napari_contrastseg.bench.window.embedding_dock import measure_map
from napari_contrastseg.bench.window.many_volumes import measure_volumes
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.storage.locations import HOME_VARIABLE
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.executors.choice import (
    PROCESS,
    THREAD,
    USUAL,
    executor_named,
)
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.tour.memory import remember
from napari_contrastseg.ui.viewer.image_layers import layer_for

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session

TICK_MS = 5
#: Milliseconds between two acts of the simulated person.
ACT_MS = 60
SHAPE = (48, 160, 160)
WARM_UP_SECONDS = 3.0
#: What the person does by turns; so many acts each, with the mouse up after the eighth.
DOES = ("brush", "smart brush", "box", "click")
TURNS, RELEASE = 12, 8
_LEFT, _NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
_ALT = Qt.KeyboardModifier.AltModifier

#: PyQt's stubs take QTest's static methods for bound ones.
_MOUSE: Any = QTest


class LoopWatch:
    """Measures the time between two calls of a timer."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.waits: list[float] = []
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin to measure."""
        self.waits.clear()
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> dict[str, float]:
        """End; p50, p99 and max of the waits in ms."""
        self._timer.stop()
        waits = np.asarray(self.waits) * 1000
        p50, p99 = np.percentile(waits, (50, 99))
        return {
            "p50_ms": round(float(p50), 2),
            "p99_ms": round(float(p99), 2),
            "max_ms": round(float(waits.max()), 2),
            "ticks": len(waits),
        }

    def _tick(self) -> None:
        now = time.perf_counter()
        self.waits.append(now - self._last)
        self._last = now


class Person:
    """Paints, points and scrolls, act after act, by mouse and keys.

    In turns a stroke of the brush, one of the smart brush, a box that is accepted, and
    a click that is.
    """

    def __init__(self, viewer: napari.Viewer, widget: ContrastSegWidget) -> None:
        self._widget = widget
        self._canvas = viewer.window._qt_viewer.canvas.native  # noqa: SLF001
        self._rng = np.random.default_rng(0)
        self._acts = 0
        self._place = QPoint(0, 0)
        self._timer = QTimer()
        self._timer.setInterval(ACT_MS)
        self._timer.timeout.connect(self._act)

    def start(self) -> None:
        """Begin."""
        self._timer.start()

    def stop(self) -> None:
        """End what is under way, and let go: a run ends between two strokes."""
        self._timer.stop()
        while self._acts % TURNS:
            self._act()

    def _act(self) -> None:
        cycle, turn = divmod(self._acts, TURNS)
        does = DOES[cycle % len(DOES)]
        self._acts += 1
        points = does in ("box", "click")
        if turn == 0:
            self._take_up(does)
            middle = self._canvas.rect().center()
            jump = self._rng.integers(-80, 80, 2)
            self._place = middle + QPoint(int(jump[0]), int(jump[1]))
            _MOUSE.mousePress(self._canvas, _LEFT, _NONE, self._place)
        elif turn < RELEASE:
            self._move(does)
        elif turn == RELEASE:
            _MOUSE.mouseRelease(self._canvas, _LEFT, _NONE, self._place)
        elif points and turn == RELEASE + 1:
            _MOUSE.keyClick(self._canvas, "a")
        elif points and turn == RELEASE + 2:
            _MOUSE.keyClick(self._canvas, "b", _ALT)
        else:
            self._widget.workspace.go_to(int(self._rng.integers(0, SHAPE[0])))

    def _take_up(self, does: str) -> None:
        """Switch the smart brush on, and off after its stroke; begin to point."""
        if does in ("smart brush", "box"):
            _MOUSE.keyClick(self._canvas, "g")
        if does in ("box", "click"):
            _MOUSE.keyClick(self._canvas, "b", _ALT)

    def _move(self, does: str) -> None:
        """Go on with a stroke, or towards a box's other corner; a click stays."""
        if does == "click":
            return
        low = -12 if "brush" in does else 4
        step = self._rng.integers(low, 13, 2)
        self._place += QPoint(int(step[0]), int(step[1]))
        _MOUSE.mouseMove(self._canvas, self._place)


def wait(seconds: float) -> None:
    """Let the event loop run."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def measure(seconds: float) -> dict[str, Any]:
    """Open the window, play a person, measure idle and while rounds train."""
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1400, 900)  # noqa: SLF001
    widget = ContrastSegWidget(viewer)
    viewer.window.add_dock_widget(widget, name="ContrastSeg", area="right")
    sample = phantom(0, SHAPE)
    data, about, _ = layer_for(sample.volume)
    widget.data_controller.add_layers([viewer.add_image(data, **about)])
    session = widget.workspace.session
    widget.workspace.choose_class(session.add_class())
    wait(WARM_UP_SECONDS)
    watch, person = LoopWatch(), Person(viewer, widget)
    report: dict[str, Any] = {"idle": {}, "unlabelled": _one(watch, person, seconds)}
    _label(session, sample)
    wait(WARM_UP_SECONDS)  # the first proposal makes its layers
    report["live"] = _answering(watch, person, widget, seconds)
    for place in (PROCESS, THREAD):  # a process ends its run sooner
        report[place] = _training(watch, person, widget, place, seconds)
    report["training"] = report[USUAL]
    widget.learn_controller.close()
    for source in (widget.live_answers, widget.sources, widget.background):
        source.close()
    report["idle"] = _one(watch, person, seconds)  # with the same layers as before
    widget.live.forget()
    widget.show_embedding()
    report["map"] = measure_map(widget, session)
    widget.shut_down()
    viewer.close()
    report["many_volumes"] = measure_volumes()
    return report


def _label(session: Session, sample: Sample) -> None:
    """Label some slices whole: now there is background, and strokes are answered."""
    for index in range(12, 36, 4):
        where = np.zeros(SHAPE, np.bool_)
        where[index] = sample.truth[index] > 0
        painting.paint(session, sample.volume.id, where, sample.truth[where])
        painting.mark(session, sample.volume.id, index, Status.DONE)


def _answering(
    watch: LoopWatch, person: Person, widget: ContrastSegWidget, seconds: float
) -> dict[str, Any]:
    """Measure while strokes are answered live, and how soon their slice is."""
    session = widget.workspace.session
    asked: dict[int, float] = {}
    waited: list[float] = []

    def ask(_volume_id: str, slices: Collection[int] | None) -> None:
        asked.update(dict.fromkeys(slices or (), time.perf_counter()))

    def answer(_volume_id: str, slices: Collection[int] | None) -> None:
        now = time.perf_counter()
        here = set(asked) if slices is None else set(asked).intersection(slices)
        waited.extend(1000 * (now - asked.pop(index)) for index in here)

    session.work_changed.connect(ask)
    session.derived_changed.connect(answer)
    found = _one(watch, person, seconds)
    session.work_changed.disconnect(ask)
    session.derived_changed.disconnect(answer)
    median = round(float(np.median(waited)), 1) if waited else None
    return found | {"answers": len(waited), "answer_p50_ms": median}


def _training(
    watch: LoopWatch,
    person: Person,
    widget: ContrastSegWidget,
    place: str,
    seconds: float,
) -> dict[str, float]:
    """Measure while a round trains in a thread, or in a process of its own."""
    runs = widget.learn_controller
    while _runs(widget):
        runs.cancel()  # the training before, then the prediction that follows
        wait(0.2)
    runs.executor.close()
    runs.executor = executor_named(place)
    runs.executor.start_ahead()
    minutes = (seconds + 4 * WARM_UP_SECONDS) / 60 * 2
    runs.start("round", LearnSettings(minutes=minutes, device="auto"))
    while runs.state.fraction == 0.0 and _runs(widget):
        wait(0.2)
    wait(WARM_UP_SECONDS)
    cores = CoreWatch(runs.runner, place)
    found = _one(watch, person, seconds)
    if not _runs(widget):
        raise RuntimeError("training ended before the measurement did")
    return found | cores.stop()


def _runs(widget: ContrastSegWidget) -> bool:
    """Whether a round is under way."""
    runs = widget.learn_controller
    return runs.runner.running or runs.state.running


def _one(watch: LoopWatch, person: Person, seconds: float) -> dict[str, float]:
    person.start()
    watch.start()
    wait(seconds)
    result = watch.stop()
    person.stop()
    return result


if __name__ == "__main__":
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        remember()  # nobody is there to take the tour
        found = measure(float(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(found))
