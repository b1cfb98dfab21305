"""Bar that says which long work goes on, how far it is, and lets a person cancel it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

#: Milliseconds that work may take before it is shown: what is over at once never is.
SHOWN_AFTER_MS: Final = 300
_FULL: Final = 1000


@dataclass(frozen=True)
class WorkState:
    """What is said of work that goes on.

    Attributes
    ----------
    words : str
        "Opening heart".
    part : float or None
        What is done of it, 0 to 1; None where that is not known.
    ends : bool
        Whether it was cancelled and is about to end.
    """

    words: str
    part: float | None = None
    ends: bool = False


class WorkBar(QFrame):
    """Shows a `WorkState`; hidden while nothing goes on.

    Signals
    -------
    cancel_requested : ()
    """

    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value: WorkState | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setToolTip("How much of it is done")
        self.bar.setAccessibleName("progress of long work")
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("End it; everything stays as it was before")
        self.cancel.setAccessibleName("cancel long work")
        self.cancel.clicked.connect(self.cancel_requested)
        line = QHBoxLayout()
        line.addWidget(self.bar, 1)
        line.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addLayout(line)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SHOWN_AFTER_MS)
        self._soon.timeout.connect(self.show)
        self.hide()

    def value(self) -> WorkState | None:
        """Return what goes on."""
        return self._value

    def setValue(self, value: WorkState | None) -> None:  # noqa: N802
        """Show what goes on, or nothing."""
        before, self._value = self._value, value
        if value is None:
            self._soon.stop()
            self.hide()
            return
        self.text.setText(value.words)
        self.bar.setRange(0, 0 if value.part is None else _FULL)
        self.bar.setValue(0 if value.part is None else round(value.part * _FULL))
        self.cancel.setEnabled(not value.ends)
        if before is None:
            self._soon.start()
