"""Bring the step that is worked on next to the front, never while a person is busy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit

from napari_contrastseg.ui.timers import single_shot

if TYPE_CHECKING:
    from napari_contrastseg.ui.learn.panel_state import LearnState
    from napari_contrastseg.ui.widgets.step_tabs import StepTabs
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds after a change of the labels in which a person is taken to go on.
STILL_AT_IT_MS: Final = 3000


class FollowWork(QObject):
    """Shows the step that comes next; marks its tab instead while a person is busy.

    Parameters
    ----------
    workspace : Workspace
    tabs : StepTabs
    """

    def __init__(self, workspace: Workspace, tabs: StepTabs) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._tabs = tabs
        self._can_run = False
        self._round: int | None = None
        self._at_it = single_shot(_nothing, STILL_AT_IT_MS, self)
        self._soon = single_shot(self._go_on, parent=self)
        workspace.work_changed.connect(self._on_work)
        workspace.session_replaced.connect(self._on_session)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._at_it.stop()
        self._soon.stop()

    def on_run(self, state: LearnState) -> None:
        """Go on from Data once a class has ink, so that a round can be run."""
        before, self._can_run = self._can_run, state.why_not is None
        if self._can_run and not before:
            self._soon.start()  # of a stroke only its step is known by now

    def on_run_ended(self) -> None:
        """Show the round that has come."""
        before, self._round = self._round, self._current_round()
        if self._round is not None and self._round != before:
            self._offer("Review", "a round is ready")

    def _go_on(self) -> None:
        if self._can_run and self._tabs.shown == "Data":
            self._offer("Learn", "a round can be run")

    def _on_session(self) -> None:
        self._round = self._current_round()
        self._tabs.unmark()
        if not self._workspace.session.records:
            self._tabs.show_step("Data")
        elif self._round is not None:
            self._offer("Review", "the session holds a round")

    def _on_work(self, _volume_id: str, _slices: object) -> None:
        self._at_it.start()

    def _current_round(self) -> int | None:
        current = self._workspace.session.rounds.current
        return current.info.number if current is not None else None

    def _offer(self, title: str, why: str) -> None:
        if self.busy:
            self._tabs.mark(title, why)
        else:
            self._tabs.show_step(title)

    @property
    def busy(self) -> bool:
        """Whether a person paints, drags or types right now."""
        held = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        focus = QApplication.focusWidget()
        types = isinstance(focus, QLineEdit | QAbstractSpinBox)
        return held or types or self._at_it.isActive()


def _nothing() -> None:
    """Only whether the timer runs counts."""
