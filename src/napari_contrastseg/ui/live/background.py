"""Learning in the background while nobody needs the cores."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import psutil
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.tasks.background import Learned, learn_in_background
from napari_contrastseg.tasks.drive import Finished
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.ui.worker import UNMISSED_SECONDS, LatestTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.ui.workspace import Workspace

#: Seconds for which nothing was done before it begins, or goes on.
IDLE_SECONDS: Final = 3.0
#: Milliseconds between two looks at that.
LOOK_MS: Final = 250


class BackgroundLearning(QObject):
    """Pretrains a network on the session's volumes, and pauses for a person's work.

    Parameters
    ----------
    workspace : Workspace
    others_rest : callable
        Whether nothing else that a person waits for is worked out.

    Signals
    -------
    learned : Model
        Its features are of use for these volumes.
    words_changed : what it is doing
    """

    learned = Signal(object)
    words_changed = Signal(str)

    def __init__(self, workspace: Workspace, others_rest: Callable[[], bool]) -> None:
        super().__init__(workspace)
        self._workspace, self._others_rest = workspace, others_rest
        self._on = True
        self._touched = time.monotonic()
        self._of: tuple[object, ...] = ()  # volumes that are learned from, or were
        self._fraction, self._words = 0.0, ""
        self._runner = LatestTask(self)
        self._runner.happened.connect(self._on_event)
        self._runner.ended.connect(self._on_ended)
        for changed in (workspace.labels_changed, workspace.slice_changed):
            changed.connect(self._touch)
        workspace.session_closing.connect(self._forget)
        self._looks = QTimer(self)
        self._looks.setInterval(LOOK_MS)
        self._looks.timeout.connect(self._look)
        self._looks.start()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._looks.stop()
        self._runner.close(UNMISSED_SECONDS)

    def switch(self, on: bool) -> None:
        """Let it learn, or not."""
        self._on = on
        self._look()

    @property
    def running(self) -> bool:
        """Whether it is under way, be it paused."""
        return self._runner.running

    @property
    def paused(self) -> bool:
        """Whether it waits until nobody needs the cores."""
        return self._runner.paused

    def _touch(self) -> None:
        self._touched = time.monotonic()
        if self._runner.running:
            self._runner.pause(True)

    def _stop(self) -> None:
        self._runner.cancel()
        self._of = ()

    def _forget(self) -> None:
        self._stop()
        self._workspace.pretrained = None

    def _look(self) -> None:
        """Begin, pause, go on or stop."""
        if not self._wanted():
            if self._runner.running and not self._runner.cancelled:
                self._stop()
        elif self._runner.running:
            self._runner.pause(not self._idle())
        elif self._idle() and self._volumes() != self._of:
            self._begin()
        self._say()

    def _wanted(self) -> bool:
        session = self._workspace.session
        return self._on and bool(session.records) and not session.rounds

    def _idle(self) -> bool:
        pressed = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        if pressed or self._workspace.busy or not self._others_rest():
            self._touched = time.monotonic()
        return time.monotonic() - self._touched > IDLE_SECONDS and not _on_battery()

    def _volumes(self) -> tuple[object, ...]:
        session = self._workspace.session
        return tuple(record.volume for record in session.records.values())

    def _begin(self) -> None:
        self._of, self._fraction = self._volumes(), 0.0
        session = self._workspace.session
        volumes = [record.volume for record in session.records.values()]
        self._runner.start(learn_in_background(volumes))

    def _on_event(self, event: Any) -> None:
        if isinstance(event, Progress):
            self._fraction = event.fraction
            self._say()
        elif isinstance(event, Learned):
            self._workspace.pretrained = event.model
            self.learned.emit(event.model)
            self._workspace.changed.emit()

    def _on_ended(self, outcome: Any) -> None:
        if not self._runner.replaced:
            self._runner.wait()
        if isinstance(outcome, Finished):
            self._fraction = 1.0
        self._say()

    def _say(self) -> None:
        words = self._now()
        if words != self._words:
            self._words = words
            self.words_changed.emit(words)

    def _now(self) -> str:
        if not self._on:
            return ""
        if self._runner.running:
            why = "for the round" if self._workspace.busy else "while you work"
            waits = f", waits {why}" if self._runner.paused else ""
            return f"{100 * self._fraction:.0f} %{waits}"
        return "done" if self._of and self._fraction == 1 else ""


def _on_battery() -> bool:
    battery = psutil.sensors_battery()
    return battery is not None and battery.power_plugged is False
