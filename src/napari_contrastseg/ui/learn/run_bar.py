"""Bar of the running round: Run round, progress, time left, pause, cancel, resume."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_contrastseg.tasks.events import PREPARING
from napari_contrastseg.ui.learn.panel_state import LearnState
from napari_contrastseg.ui.widgets.forms import button, enable, explain, note, row

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent

#: Milliseconds between two looks at the clock while a run is prepared.
_TICK_MS: Final = 1000


class RunBar(QWidget):
    """Shows a `LearnState`; it is on the screen whatever step is shown."""

    run_requested = Signal()
    pause_requested = Signal(bool)
    cancel_requested = Signal()
    resume_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = LearnState()
        self.run = button(
            "Run round",
            "Pretrain and fine-tune on your labels, then propose; step Learn says with "
            "what and for how long",
            self.run_requested.emit,
        )
        self.pause = _Once("Pause")
        self.pause.setCheckable(True)
        explain(self.pause, "Let training wait after its next step", "pause")
        self.pause.clicked.connect(self.pause_requested)
        self.cancel = button(
            "Cancel",
            "Stop; the weights so far are kept, and the run can go on later",
            self.cancel_requested.emit,
        )
        self.resume = button(
            "Resume",
            "Go on with the run that was cancelled or cut off",
            self.resume_requested.emit,
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)  # the line below says it, with the time left
        explain(self.bar, "How far the round is", "progress of the round")
        self.text = note()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(2)
        buttons = (self.run, self.resume, self.pause, self.cancel)
        layout.addWidget(row(*buttons, self.bar, stretch=len(buttons)))
        layout.addWidget(self.text)
        self._since = time.monotonic()
        self._tick = QTimer(self)
        self._tick.setInterval(_TICK_MS)
        self._tick.timeout.connect(self._show_words)
        self._enable(self._state)
        self.setValue(self._state)

    def value(self) -> LearnState:
        """Return what is shown."""
        return self._state

    def setValue(self, state: LearnState) -> None:  # noqa: N802
        """Show what is going on; what has not changed is left alone."""
        old, self._state = self._state, state
        if _for_buttons(old) != _for_buttons(state):
            self._enable(state)
        self.pause.setChecked(state.paused)
        self.bar.setValue(round(1000 * state.fraction))
        if old.stage != state.stage:
            self._since = time.monotonic()
        if _is_preparing(state) != self._tick.isActive():
            (self._tick.stop if self._tick.isActive() else self._tick.start)()
        self._show_words()

    def _show_words(self) -> None:
        """Say what is done, and for how long where nobody knows how long it takes."""
        state = self._state
        why = None if state.running else state.why_not
        words = _words(state, time.monotonic() - self._since)
        self.text.setText(words or (f"{why}." if why else ""))
        self.text.setVisible(bool(self.text.text()))

    def _enable(self, state: LearnState) -> None:
        """Show the buttons that there is a use for, and say why one is disabled."""
        busy = "A task is running; cancel it or wait" if state.running else None
        enable(self.run, busy or state.why_not)
        idle = None if state.running else "Nothing is running"
        enable(self.pause, idle)
        enable(self.cancel, idle)
        none = None if state.unfinished else "No run was cancelled or cut off"
        enable(self.resume, busy or none)
        if state.unfinished and not busy:
            self.resume.setToolTip(f"Go on with the run that {state.unfinished}")
        self.pause.setText("Go on" if state.paused else "Pause")
        self.run.setVisible(not state.running)
        self.resume.setVisible(bool(state.unfinished) and not state.running)
        self.pause.setVisible(state.running)
        self.cancel.setVisible(state.running)


class _Once(QPushButton):
    """A button that a double click presses once.

    It takes the place of another one: the second press was meant for that.
    """

    def mouseDoubleClickEvent(self, _event: QMouseEvent | None) -> None:  # noqa: N802
        """Do nothing."""


def _for_buttons(state: LearnState) -> tuple[object, ...]:
    """Return what the buttons depend on; the rest is progress."""
    return state.running, state.paused, state.unfinished, state.why_not


def _is_preparing(state: LearnState) -> bool:
    """Whether what is done is known, but no part of a whole."""
    begins = state.stage.startswith(PREPARING) and not state.fraction
    return state.running and begins and not state.message


def _words(state: LearnState, seconds: float) -> str:
    if state.message:
        return state.message
    if not state.running:
        return ""
    words = f"{state.stage}: {100 * state.fraction:.0f} %"
    if _is_preparing(state):
        words = f"{state.stage}, {seconds:.0f} s"
    if state.paused:
        words += ", paused"
    elif state.eta is not None:
        minutes, seconds = divmod(round(state.eta), 60)
        words += f", {minutes}:{seconds:02d} left"
    return words + (f"; {state.device}" if state.device else "")
