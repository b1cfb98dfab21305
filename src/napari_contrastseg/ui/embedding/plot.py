"""The map as a plot: points in groups, under the mouse, inside a lasso."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
import skimage
from qtpy.QtCore import QPointF, Qt, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

    from napari_contrastseg.ui.embedding.colours import Group

#: Distance in pixels within which the mouse is at a point.
NEAR = 8.0
#: A lasso with fewer corners is a click that shook.
FEWEST_CORNERS = 4
#: Mouse moves that are answered in a second.
RATE = 30
RING_ALPHA, CHOSEN = 176, "#ffe119"


class _LassoBox(pg.ViewBox):
    """Left drag draws a lasso; the middle button moves, the wheel zooms."""

    drawn = Signal(object)
    finished = Signal(object)

    def __init__(self) -> None:
        super().__init__(lockAspect=True, enableMenu=False)
        self._corners: list[tuple[float, float]] = []

    def mouseDragEvent(self, ev: Any, axis: Any = None) -> None:  # noqa: N802
        """Collect corners."""
        if ev.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(ev, axis)
            return
        ev.accept()
        if ev.isStart():
            self._corners = [self._place(ev.buttonDownScenePos())]
        self._corners.append(self._place(ev.scenePos()))
        corners = np.asarray(self._corners)
        if ev.isFinish():
            self._corners = []
            self.finished.emit(corners)
        else:
            self.drawn.emit(corners)

    def mouseDoubleClickEvent(self, ev: Any) -> None:  # noqa: N802
        """Show everything."""
        ev.accept()
        self.enableAutoRange()

    def _place(self, scene: QPointF) -> tuple[float, float]:
        at = self.mapSceneToView(scene)
        return at.x(), at.y()


class _Legend(pg.LegendItem):
    """A legend that a lasso may begin on: there are points below it."""

    def hoverEvent(self, ev: Any) -> None:  # noqa: N802
        """Claim no drags."""

    def mouseDragEvent(self, ev: Any) -> None:  # noqa: N802
        """Leave it to the map; pyqtgraph's own would move."""
        ev.ignore()


class MapPlot(pg.PlotWidget):
    """Shows points; says at which the mouse is, and which are chosen.

    Signals
    -------
    hovered, clicked : int
        Row of a point; -1 where the mouse has left all of them.
    lassoed : (k,) int
        Rows inside a lasso, of groups that are shown.
    """

    hovered = Signal(int)
    clicked = Signal(int)
    lassoed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._box = _LassoBox()
        super().__init__(parent, viewBox=self._box)
        self.hideAxis("left")
        self.hideAxis("bottom")
        self.legend = self.getPlotItem().legend = _Legend(offset=(4, 4))
        self.legend.setParentItem(self._box)
        self.layout_: NDArray[np.float32] = np.zeros((0, 2), np.float32)
        self.items: list[tuple[Any, NDArray[np.intp]]] = []
        self._groups: tuple[Group, ...] = ()
        self._rings = self._marks("w", 9)
        self._chosen = self._marks(CHOSEN, 10)
        self._here = self._marks("w", 15)
        self._rows: dict[Any, NDArray[np.intp]] = {}
        self._lasso = pg.PlotCurveItem(
            pen=pg.mkPen(CHOSEN, width=1, style=Qt.PenStyle.DashLine)
        )
        self._keep_on_top()
        self._at = -1
        self._box.drawn.connect(self._draw_lasso)
        self._box.finished.connect(self._end_lasso)
        scene = self.scene()
        self._moves = pg.SignalProxy(
            scene.sigMouseMoved, rateLimit=RATE, slot=self._on_moved
        )
        scene.sigMouseClicked.connect(self._on_clicked)

    @staticmethod
    def _marks(colour: str, size: int) -> Any:
        return pg.ScatterPlotItem(
            size=size, pen=pg.mkPen(colour, width=1), brush=None, symbol="o"
        )

    def _keep_on_top(self) -> None:
        for item in (self._rings, self._chosen, self._here, self._lasso):
            item.setZValue(10)
            self.addItem(item, ignoreBounds=True)

    # -- drawing ---------------------------------------------------------------

    def ring_in(self, foreground: str) -> None:
        """Ring points in a colour that is seen on the background."""
        colour = pg.mkColor(foreground)
        colour.setAlpha(RING_ALPHA)
        for rings in (self._rings, self._here):
            rings.setPen(pg.mkPen(colour, width=1))

    def draw(self, layout: NDArray[np.float32], groups: Sequence[Group]) -> None:
        """Draw points again, if need be; groups that were switched off stay so."""
        alike = len(groups) == len(self._groups)
        if alike and all(map(_same, groups, self._groups)):
            self.move_to(layout)
            return
        self._groups = tuple(groups)
        off = {i.name() for i, _ in self.items if i.name() and not i.isVisible()}
        for item, _ in self.items:
            self.removeItem(item)
        self.items = []
        leader = None
        for group in groups:
            item = pg.ScatterPlotItem(
                size=group.size,
                pen=None,
                brush=pg.mkBrush(group.colour),
                name=group.name or None,
            )
            self.addItem(item)
            self.items.append((item, group.rows))
            if group.name or leader is None:
                leader = item
                leader.setVisible(group.name not in off)
            else:  # what the legend hides, it hides with all that belongs to it
                leader.visibleChanged.connect(_follower(leader, item))
                item.setVisible(leader.isVisible())
        self.move_to(layout)

    def move_to(self, layout: NDArray[np.float32]) -> None:
        """Bring the points to where they are now."""
        self.layout_ = layout
        for item, rows in self.items:
            _place(item, layout[rows])
        for item, rows in self._rows.items():
            self._ring(item, rows)

    def highlight(self, rows: NDArray[np.intp]) -> None:
        """Ring points: those of what the viewer shows."""
        self._ring(self._rings, rows)

    def choose(self, rows: NDArray[np.intp]) -> None:
        """Ring points in yellow: those that are chosen."""
        self._ring(self._chosen, rows)

    def _ring(self, item: Any, rows: NDArray[np.intp]) -> None:
        rows = rows[rows < len(self.layout_)]
        self._rows[item] = rows
        _place(item, self.layout_[rows])

    # -- the mouse -------------------------------------------------------------

    @property
    def shown(self) -> NDArray[np.intp]:
        """Rows of the groups that are not switched off."""
        rows = [r for item, r in self.items if item.isVisible()]
        return np.concatenate(rows) if rows else np.zeros(0, np.intp)

    def at(self, place: QPointF) -> int:
        """Row of the point nearest to a place of the scene; -1 for none."""
        rows = self.shown
        if not len(rows):
            return -1
        view = self._box.mapSceneToView(place)
        width, height = self._box.viewPixelSize()
        away = (self.layout_[rows] - (view.x(), view.y())) / (width, height)
        far = (away**2).sum(axis=1)
        nearest = int(far.argmin())
        return int(rows[nearest]) if far[nearest] <= NEAR**2 else -1

    def _on_moved(self, event: tuple[QPointF]) -> None:
        self.hover(self.at(event[0]))

    def hover(self, row: int) -> None:
        """Point at a row; -1 for none."""
        if row != self._at:
            self._at = row
            self._ring(self._here, np.array([row] if row >= 0 else [], np.intp))
            self.hovered.emit(row)

    def leaveEvent(self, event: Any) -> None:  # noqa: N802
        """Forget where the mouse was."""
        super().leaveEvent(event)
        self.hover(-1)

    def _on_clicked(self, event: Any) -> None:
        taken = event.acceptedItem
        ours = taken is None or isinstance(taken, pg.ScatterPlotItem)
        if event.button() != Qt.MouseButton.LeftButton or not ours:
            return  # the legend, say
        row = self.at(event.scenePos())
        if row >= 0:
            self.clicked.emit(row)

    def _draw_lasso(self, corners: NDArray[np.float64]) -> None:
        self._lasso.setData(*corners.T)

    def _end_lasso(self, corners: NDArray[np.float64]) -> None:
        self._lasso.setData([], [])
        rows = self.shown
        inside = np.zeros(len(rows), bool)
        if len(corners) >= FEWEST_CORNERS:
            inside = skimage.measure.points_in_poly(self.layout_[rows], corners)
        self.lassoed.emit(np.sort(rows[inside]))


def _same(one: Group, other: Group) -> bool:
    looks = (one.name, one.colour, one.size) == (other.name, other.colour, other.size)
    return looks and np.array_equal(one.rows, other.rows)


def _place(item: Any, places: NDArray[np.float32]) -> None:
    """Bring points to places; new looks only where their number differs."""
    if len(item.data) != len(places):
        item.setData(*places.T)
        return
    item.data["x"], item.data["y"] = places.T
    item.prepareGeometryChange()
    item.informViewBoundsChanged()
    item.bounds = [None, None]
    item.update()


def _follower(leader: Any, item: Any) -> Any:
    return lambda: item.setVisible(leader.isVisible())
