"""The embedding dock: the map, live while a network learns, and silhouettes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_contrastseg.ui.panels.forms import note, row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.insight.features import FeatureTable
    from napari_contrastseg.insight.layout import Frame
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.round import Embedded
    from napari_contrastseg.tasks.watch import Watched

BACKGROUND_COLOUR = "#9a9a9a"
COLOURS = ("class", "truth or prediction", "volume")
#: Where scales of silhouettes begin, unless there are lower ones.
LOWEST = -0.2
#: Diameters of points that are predicted and that are labelled, pixels.
SMALL, LARGE = 4, 7


class EmbeddingView(QWidget):
    """Shows a network's map of some voxels, and the silhouettes of all rounds.

    Signals
    -------
    visible : bool
        Somebody looks, or nobody does any more.
    """

    visible = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._live = False
        self._table: FeatureTable | None = None
        self._layout: NDArray[np.float32] = np.zeros((0, 2), np.float32)
        self._items: list[tuple[pg.PlotDataItem, NDArray[np.intp]]] = []
        self.colour = QComboBox()
        self.colour.addItems(list(COLOURS))
        self.colour.setToolTip("What the points' colours mean")
        self.colour.currentIndexChanged.connect(self._draw)
        self.text = note("The map appears while a network learns.")
        self.map = pg.PlotWidget()
        self.map.setToolTip(
            "t-SNE of 2,000 voxels' features: near points look alike to the network; "
            "distances between far groups mean nothing"
        )
        self.map.setAspectLocked()
        self.map.hideAxis("left")
        self.map.hideAxis("bottom")
        self.map.addLegend(offset=(4, 4))
        self.bars = pg.PlotWidget()
        self.bars.setMaximumHeight(150)
        self.bars.setMouseEnabled(x=False, y=False)
        self.bars.setToolTip(
            "Silhouette of each class on labelled voxels: 1 well apart, 0 mixed up"
        )
        self.bars.setXRange(LOWEST, 1.0)
        self.history = pg.PlotWidget()
        self.history.setMaximumHeight(110)
        self.history.setMouseEnabled(x=False, y=False)
        self.history.setLabel("bottom", "round")
        self.history.setLabel("left", "silhouette")
        self.history.setToolTip("Mean silhouette, round by round")
        self.history.setYRange(LOWEST, 1.0)
        side = QVBoxLayout()
        side.addWidget(row(QLabel("colour"), self.colour, stretch=1))
        side.addWidget(self.text)
        side.addWidget(self.bars, 1)
        side.addWidget(self.history, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.map, 3)
        layout.addLayout(side, 2)
        self.setMinimumHeight(260)

    def show_round(self, number: int, embedded: Embedded, session: Session) -> None:
        """Show a round."""
        self._session, self._live = session, False
        self._table, self._layout = embedded.table, embedded.layout
        self.text.setText(
            f"round {number}: {len(embedded.table.label)} voxels; large points are "
            "labelled, small ones predicted"
        )
        self._draw()
        self._draw_bars(embedded)
        self._draw_history()

    def show_live(self, watched: Watched, frame: Frame, session: Session) -> None:
        """Show what the network that learns makes of labelled voxels now."""
        self._session, self._live = session, True
        known = self._table is not None and (
            self._table.position is watched.table.position
        )
        self._table, self._layout = watched.table, frame.shown
        self.text.setText(
            f"live, look {watched.number}: {len(watched.table.label)} labelled voxels"
        )
        if known:
            self._move()
        else:
            self._draw()

    def end_live(self, session: Session) -> None:
        """Show the round's map again, or say that this one is not live any more."""
        current = session.current
        if not self._live:
            return
        if current is not None and current.embedding is not None:
            self.show_round(current.info.number, current.embedding, session)
        else:
            self._live = False
            self.text.setText("as the network saw labelled voxels when training ended")

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Tell that somebody looks."""
        super().showEvent(event)
        self.visible.emit(True)

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Tell that nobody looks any more."""
        super().hideEvent(event)
        self.visible.emit(False)

    def apply_theme(self, background: str, foreground: str) -> None:
        """Take napari's colours."""
        for plot in (self.map, self.bars, self.history):
            plot.setBackground(background)
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(foreground)
                axis.setTextPen(foreground)

    def _colours(self) -> dict[int, str]:
        classes = self._session.classes if self._session else ()
        return {0: BACKGROUND_COLOUR} | {c.id: c.colour for c in classes}

    def _draw(self) -> None:
        """Draw the points anew, in their colours."""
        table = self._table
        if table is None or self._session is None:
            return
        self.map.clear()
        self._items = []
        for name, (mask, colour) in self._groups(table).items():
            labelled = bool(table.known[mask].any())
            for solid, size in ((False, SMALL), (True, LARGE)):
                rows = np.flatnonzero(mask & (table.known == solid))
                item = self.map.plot(
                    pen=None,
                    symbol="o",
                    symbolSize=size,
                    symbolPen=None,
                    symbolBrush=pg.mkBrush(colour + ("ff" if solid else "70")),
                    name=name if solid == labelled else None,
                )
                self._items.append((item, rows))
        self._move()

    def _move(self) -> None:
        """Bring the points to where they are now."""
        for item, rows in self._items:
            x, y = self._layout[rows].T
            item.setData(x, y)

    def _groups(self, table: FeatureTable) -> dict[str, tuple[np.ndarray, str]]:
        session = self._session
        assert session is not None
        kind = self.colour.currentText()
        if kind == "volume":
            names = list(session.records)
            return {
                names[v] if v < len(names) else str(v): (
                    table.volume == v,
                    pg.intColor(int(v), 9).name(),
                )
                for v in np.unique(table.volume)
            }
        if kind != "class":
            return {
                "truth": (table.known, "#009e73"),
                "prediction": (~table.known, "#cc79a7"),
            }
        colours = self._colours()
        return {
            session.class_name(int(k)): (
                table.label == k,
                colours.get(int(k), "#ff00ff"),
            )
            for k in np.unique(table.label)
        }

    def _draw_bars(self, embedded: Embedded) -> None:
        self.bars.clear()
        session = self._session
        assert session is not None
        scores = embedded.silhouettes.classes
        colours = self._colours()
        ticks = []
        for place, (class_id, score) in enumerate(sorted(scores.items(), reverse=True)):
            brush = pg.mkBrush(colours.get(class_id, "#ff00ff"))
            self.bars.addItem(
                pg.BarGraphItem(x0=0, y=place, height=0.6, width=score, brush=brush)
            )
            ticks.append((place, f"{session.class_name(class_id)} {score:.2f}"))
        self.bars.getAxis("left").setTicks([ticks])
        self.bars.setXRange(min([LOWEST, *scores.values()]), 1.0)

    def _draw_history(self) -> None:
        session = self._session
        assert session is not None
        numbers, means = [], []
        for entry in session.rounds:
            if entry.info.silhouette:
                numbers.append(entry.info.number)
                means.append(float(np.mean(list(entry.info.silhouette.values()))))
        self.history.clear()
        self.history.setYRange(min([LOWEST, *means]), 1.0)
        self.history.plot(numbers, means, pen=pg.mkPen("#56b4e9", width=2), symbol="o")
        self.history.getAxis("bottom").setTicks([[(n, str(n)) for n in numbers]])
