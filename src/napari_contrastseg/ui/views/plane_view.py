"""A plane of a volume with a cross, to look at and to click in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_CROSS = "#ffe119b0"


class _PlaneBox(pg.ViewBox):
    """A left click or drag puts the cross; the middle button moves, the wheel zooms."""

    put = Signal(QPointF)

    def __init__(self) -> None:
        super().__init__(lockAspect=True, enableMenu=False, invertY=True)

    def mouseClickEvent(self, ev: Any) -> None:  # noqa: N802
        """Put the cross."""
        if ev.button() == Qt.MouseButton.LeftButton:
            ev.accept()
            self.put.emit(self.mapSceneToView(ev.scenePos()))

    def mouseDragEvent(self, ev: Any, axis: Any = None) -> None:  # noqa: N802
        """Let the cross follow."""
        if ev.button() == Qt.MouseButton.LeftButton:
            ev.accept()
            self.put.emit(self.mapSceneToView(ev.scenePos()))
        else:
            super().mouseDragEvent(ev, axis)

    def mouseDoubleClickEvent(self, ev: Any) -> None:  # noqa: N802
        """Show the whole plane."""
        ev.accept()
        self.autoRange()


class PlaneView(QWidget):
    """Shows a plane whose pixels may be oblong; says where a person clicks.

    Signals
    -------
    pointed : (row, column)
        In voxels, inside the plane.
    """

    pointed = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shape, self._size = (1, 1), (1.0, 1.0)
        self.title = QLabel()
        self.title.setToolTip(
            "Click or drag to move the cross and the other views; turn the wheel to "
            "zoom, drag with the middle button to move, double-click to see all"
        )
        self._box = _PlaneBox()
        self._box.put.connect(self._on_put)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._box.addItem(self._image)
        self._row = pg.InfiniteLine(angle=0, pen=_CROSS)
        self._column = pg.InfiniteLine(angle=90, pen=_CROSS)
        for line in (self._row, self._column):
            self._box.addItem(line, ignoreBounds=True)
        self.canvas = pg.GraphicsView(background="k")
        self.canvas.setCentralItem(self._box)
        self.canvas.setAccessibleName("plane of the volume")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addWidget(self.canvas, 1)

    def setGrid(  # noqa: N802
        self,
        shape: tuple[int, int],
        size: tuple[float, float],
        mirrored: tuple[bool, bool] = (False, False),
    ) -> None:
        """Say how many voxels the plane has, how large they are, and which way up."""
        self._shape, self._size = shape, size
        self._box.invertY(not mirrored[0])
        self._box.invertX(mirrored[1])
        self._box.setRange(self._extent(shape), padding=0.02)

    def setImage(self, image: NDArray[np.uint8], steps: Sequence[int]) -> None:  # noqa: N802
        """Show colours, (rows, columns, 3), of every so manyth voxel."""
        rows, columns = (
            n * step for n, step in zip(image.shape[:2], steps, strict=True)
        )
        self._image.setImage(image, levels=(0, 255))
        self._image.setRect(self._extent((rows, columns)))

    def setCross(self, row: int, column: int) -> None:  # noqa: N802
        """Show the cross at a voxel's middle."""
        self._row.setValue(row * self._size[0])
        self._column.setValue(column * self._size[1])

    def cross(self) -> tuple[int, int]:
        """Return the voxel that the cross is at."""
        row, column = self._row.value(), self._column.value()
        return round(row / self._size[0]), round(column / self._size[1])

    def place(self, row: int, column: int) -> QPointF:
        """Give the place of a voxel's middle on the canvas, in pixels."""
        at = QPointF(column * self._size[1], row * self._size[0])
        found: QPointF = self._box.mapViewToScene(at)
        return found

    def _extent(self, shape: tuple[int, int]) -> QRectF:
        """Give the rectangle of a plane's voxels, whose middles are whole numbers."""
        (rows, columns), (height, width) = shape, self._size
        return QRectF(-width / 2, -height / 2, columns * width, rows * height)

    def _on_put(self, at: QPointF) -> None:
        row, column = round(at.y() / self._size[0]), round(at.x() / self._size[1])
        last = self._shape[0] - 1, self._shape[1] - 1
        self.pointed.emit(
            int(np.clip(row, 0, last[0])), int(np.clip(column, 0, last[1]))
        )
