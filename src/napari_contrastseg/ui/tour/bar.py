"""The tour's bar: what to do now, a frame around the control, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRect, Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_contrastseg.ui.widgets.forms import button, row

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Pixels between a control and the frame around it.
_AROUND = 4


class TourBar(QFrame):
    """Offers the tour, then says each step; nothing else waits for it.

    Signals
    -------
    started, sample_wanted, skipped, left : ()
    """

    started = Signal()
    sample_wanted = Signal()
    skipped = Signal()
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("contrastseg-tour")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.start = button(
            "Take the tour", "Six steps on a sample, to a mask", self.started.emit
        )
        self.sample = button(
            "Open sample", "A small made-up volume", self.sample_wanted.emit
        )
        self.skip = button("Skip step", "Go on to the next step", self.skipped.emit)
        self.leave = button("No tour", "End the tour; ? has it again", self.left.emit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.text)
        layout.addWidget(row(self.start, self.sample, self.skip, self.leave))
        self.hide()

    def offer(self) -> None:
        """Ask whether the person wants the tour."""
        self._show("New here? A tour of six steps ends with a mask.", offer=True)

    def show_step(self, number: int, count: int, words: str, *, sample: bool) -> None:
        """Say what to do now."""
        self._show(f"<b>{number} of {count}</b>&nbsp; {words}", sample=sample)

    def show_end(self) -> None:
        """Say that it is over."""
        self._show(
            "That is all: label, learn, review, export. Go on with images of your own; "
            "<b>?</b> shows the keys and the tutorial."
        )
        self.skip.hide()
        self.leave.setText("Close")

    def _show(self, words: str, *, offer: bool = False, sample: bool = False) -> None:
        self.text.setText(words)
        self.start.setVisible(offer)
        self.sample.setVisible(sample)
        self.skip.setVisible(not offer)
        self.leave.setText("No tour" if offer else "End tour")
        self.show()


class ControlFrame(QFrame):
    """A frame around a control of the window, which takes no clicks."""

    def __init__(self, colour: str) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setStyleSheet(
            f"ControlFrame {{ border: 3px solid {colour}; background: transparent; }}"
        )

    def surround(self, control: QWidget | None) -> None:
        """Lie around a control as long as it is seen; None: around nothing."""
        if control is None or not control.isVisible():
            self.hide()
            return
        window = control.window()
        if self.parent() is not window:
            self.setParent(window)
        corner = control.mapTo(window, control.rect().topLeft())
        place = QRect(corner, control.size())
        self.setGeometry(place.adjusted(-_AROUND, -_AROUND, _AROUND, _AROUND))
        self.show()
        self.raise_()


def bring_into_view(control: QWidget) -> None:
    """Open what a control lies in: tabs, folded steps, scroll areas."""
    for around in _around(control):
        if isinstance(around, QTabWidget):
            for index in range(around.count()):
                page = around.widget(index)
                if page is not None and page.isAncestorOf(control):
                    around.setCurrentIndex(index)
        elif isinstance(around, QCollapsible):
            around.expand(animate=False)
        elif isinstance(around, QScrollArea):
            around.ensureWidgetVisible(control)


def _around(control: QWidget) -> Iterator[QWidget]:
    parent = control.parentWidget()
    while parent is not None:
        yield parent
        parent = parent.parentWidget()
