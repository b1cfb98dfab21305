"""A coloured bar with the status of every slice; a click goes there."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtCore import QEvent

COLOURS = {
    Status.UNTOUCHED: QColor("#808080"),
    Status.SPARSE: QColor("#e69f00"),
    Status.DONE: QColor("#009e73"),
}
WORDS = {
    Status.UNTOUCHED: "untouched",
    Status.SPARSE: "sparse: painted voxels count",
    Status.DONE: "done: every voxel counts",
}


class SliceStrip(QWidget):
    """Shows statuses, slice by slice from left to right.

    Signals
    -------
    clicked : int
        Slice number under the mouse.
    """

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._status: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._locked: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._current = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(22)
        self.setMouseTracking(True)
        self.setToolTip("Status of every slice; click to go to one")
        self.setAccessibleName("status of the slices")

    def value(self) -> NDArray[np.uint8]:
        """Return the statuses."""
        return self._status

    def setValue(self, status: NDArray[np.uint8]) -> None:  # noqa: N802
        """Show statuses."""
        self._status = status.copy()
        self.update()

    def setLocked(self, locked: NDArray[np.uint8]) -> None:  # noqa: N802
        """Show which slices are locked."""
        self._locked = locked.copy()
        self.update()

    def setCurrent(self, index: int) -> None:  # noqa: N802
        """Mark the slice that is shown."""
        self._current = index
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for a low, wide bar."""
        return QSize(200, 22)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw runs of equal status as blocks, and the current slice as a frame."""
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        width, height = self.width(), self.height()
        count = max(1, len(self._status))
        gap = 1.0 if width / count > 4 else 0.0  # noqa: PLR2004  room for a line
        for start, stop in self._blocks(apart=gap > 0):
            status = Status(int(self._status[start]))
            colour = QColor(COLOURS[status])
            colour.setAlpha(90 if status == Status.UNTOUCHED else 230)
            painter.setBrush(colour)
            left, right = (round(n * width / count) for n in (start, stop))
            painter.drawRect(QRectF(left, 4, right - left - gap, height - 8))
            if self._is_locked(start):
                painter.setBrush(self.palette().text())
                painter.drawRect(QRectF(left, height - 8, right - left - gap, 4))
        if len(self._status):
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().text().color(), 2))
            here = self._current * width / count
            painter.drawRect(QRectF(here, 1, max(width / count, 3), height - 2))
        painter.end()

    def _blocks(self, *, apart: bool) -> list[tuple[int, int]]:
        """First slice and the one after the last of what is drawn at once.

        Runs that look alike, but for slices that are drawn apart.
        """
        count = len(self._status)
        locked = np.zeros(count, np.bool_)
        locked[: len(self._locked)] = self._locked[:count]
        change = (np.diff(self._status) != 0) | (locked[1:] != locked[:-1]) | apart
        cuts = (np.flatnonzero(change) + 1).tolist()
        return list(pairwise([0, *cuts, count])) if count else []

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Go to the slice under the mouse."""
        if event is not None and len(self._status):
            self.clicked.emit(self._at(event.position().x()))

    def event(self, event: QEvent | None) -> bool:
        """Say in a tooltip what the slice under the mouse is."""
        if isinstance(event, QHelpEvent) and len(self._status):
            index = self._at(event.pos().x())
            words = WORDS[Status(int(self._status[index]))]
            words += ", locked" * self._is_locked(index)
            QToolTip.showText(event.globalPos(), f"slice {index}, {words}", self)
            return True
        return bool(super().event(event))

    def _is_locked(self, index: int) -> bool:
        return index < len(self._locked) and bool(self._locked[index])

    def _at(self, x: float) -> int:
        count = len(self._status)
        return min(max(int(x * count / max(1, self.width())), 0), count - 1)
