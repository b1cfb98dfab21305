"""Forecast of a round: worked out in the background while the person paints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.session.freeze import labelled_slices
from napari_contrastseg.tasks.describe import forecast
from napari_contrastseg.ui.learn.requests import freeze
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.worker import UNMISSED_SECONDS, LatestTask

if TYPE_CHECKING:
    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.ui.learn.panel import LearnSettings
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds after the last change, and the last step through the slices: between two
#: strokes nothing is worked out. The first time loads torch, which takes a core for
#: seconds and holds up a brush for half of one: it waits until a person has paused.
WAIT_MS, FIRST_MS = 1000, 6000


class Forecast(QObject):
    """Says what a round would do now, from the labels and what the person chose.

    Without labels there is nothing to say, and torch is not loaded.

    Signals
    -------
    changed : sentences, or ``""`` while nothing is known
    """

    changed = Signal(str)

    def __init__(self, workspace: Workspace, settings: LearnSettings) -> None:
        super().__init__(workspace)
        self._workspace, self._settings = workspace, settings
        self._text = ""
        self._wanted = False  # whether what the thread works out is still asked for
        self._basis = self._look()
        self.runner = LatestTask(self)
        self.runner.happened.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        self._later = single_shot(self._ask, WAIT_MS, self)
        workspace.labels_changed.connect(self.refresh)
        workspace.changed.connect(self._on_changed)
        workspace.slice_changed.connect(self._put_off)

    def choose(self, settings: LearnSettings) -> None:
        """Take what the person chose."""
        self._settings = settings
        self.refresh()

    def refresh(self) -> None:
        """Work it out a moment after the last change; never while a task runs."""
        self._wanted = False
        if not self._workspace.busy:
            self._later.start(WAIT_MS if "torch" in sys.modules else FIRST_MS)

    def _put_off(self) -> None:
        """Wait as long again, if it waits."""
        if self._later.isActive():
            self._later.start()

    def stop(self) -> None:
        """Give way to a person's task; its end asks again."""
        self._wanted = False
        self._later.stop()
        self.runner.cancel()
        self._say("")

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._later.stop()
        self.runner.close(UNMISSED_SECONDS)

    def _look(self) -> tuple[object, ...]:
        """Look at what a round depends on besides labels and settings."""
        session = self._workspace.session
        shown = session, tuple(session.records), session.rounds.selection
        return *shown, self._workspace.pretrained

    def _on_changed(self) -> None:
        """Say nothing of volumes or weights that are not the session's any more."""
        found = self._look()
        if found != self._basis:
            self._basis = found
            self._say("")
            self.refresh()

    def _ask(self) -> None:
        session = self._workspace.session
        if self._workspace.busy:
            return
        asks = session.records and session.classes and labelled_slices(session)
        if not asks:  # the case that is open may have been closed meanwhile
            self._say("")
        elif QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._later.start()
        else:
            self._wanted = True
            pretrained = self._workspace.pretrained
            asked = freeze(session, "round", self._settings, pretrained)
            self.runner.start(forecast(asked))

    def _on_event(self, event: object) -> None:
        if self._wanted and isinstance(event, str):
            where = self._settings.cluster
            self._say(f"{event} It runs at {where}." if where else event)

    def _on_ended(self, _outcome: Outcome) -> None:
        self.runner.wait()

    def _say(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.changed.emit(text)
