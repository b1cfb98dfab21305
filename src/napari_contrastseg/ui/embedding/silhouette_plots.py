"""Silhouettes as bars, one a class, and as a curve over looks and rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_contrastseg.insight.silhouettes import adjusted
from napari_contrastseg.ui.widgets.forms import explain, note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_contrastseg.insight.map_history import EmbeddingFrame
    from napari_contrastseg.insight.silhouettes import Silhouettes

#: Where scales of silhouettes begin, unless there are lower ones.
LOWEST = -0.2
#: Pixels for a class's bar and its words, for the axis below, and for the curve.
_BAR, _AXIS, _HISTORY_HEIGHT = 20, 30, 80
LINE, ADJUSTED = "#56b4e9", "#e69f00"


class SilhouettePlots(QWidget):
    """Shows the classes' silhouettes, and how the mean of them went."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars = pg.PlotWidget()
        self.bars.setMouseEnabled(x=False, y=False)
        explain(
            self.bars,
            "Silhouette of each class on labelled voxels: 1 well apart, 0 mixed up, "
            "below 0 more like another class",
            "silhouettes of the classes",
        )
        self.bars.setXRange(LOWEST, 1.0)
        self.history = pg.PlotWidget()
        self.history.setMinimumHeight(_HISTORY_HEIGHT)
        self.history.setMouseEnabled(x=False, y=False)
        self.text = note()
        explain(
            self.history,
            "Mean silhouette of the classes (blue) and CSSL's adjusted coefficient "
            "(orange, 0.05 to 1.05), each time the network was looked at; dots are the "
            "ends of rounds",
            "silhouettes over rounds",
        )
        self.history.setYRange(LOWEST, 1.0)
        for plot in self.plots():  # as high as there is room, and their least
            plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addWidget(self.bars, 3)
        layout.addWidget(self.history, 2)

    def plots(self) -> tuple[pg.PlotWidget, ...]:
        """Give those that follow napari's colours."""
        return self.bars, self.history

    def clear(self) -> None:
        """Show nothing."""
        self.bars.clear()
        self.bars.getAxis("left").setTicks([[]])
        self.text.setText("")
        self.history.clear()

    def show_scores(
        self,
        scores: Silhouettes,
        colours: Mapping[int, str],
        names: Mapping[int, str],
    ) -> None:
        """Draw the bars."""
        self.bars.clear()
        ticks = []
        found = sorted(scores.classes.items(), reverse=True)
        for place, (class_id, score) in enumerate(found):
            brush = pg.mkBrush(colours.get(class_id, "#ff00ff"))
            self.bars.addItem(
                pg.BarGraphItem(x0=0, y=place, height=0.6, width=score, brush=brush)
            )
            ticks.append((place, f"{names.get(class_id, class_id)} {_figure(score)}"))
        self.bars.getAxis("left").setTicks([ticks])
        self.bars.setMinimumHeight(_BAR * len(ticks) + _AXIS)
        self.bars.setXRange(min([LOWEST, *scores.classes.values()]), 1.0)
        self.text.setText(
            f"The classes lie apart by {_figure(scores.overall)} (1: wholly, 0: mixed "
            "up). Below: how that went, round after round."
        )

    def show_curve(
        self, frames: Sequence[EmbeddingFrame], earlier: Sequence[tuple[int, float]]
    ) -> None:
        """Draw the curve: what was seen of rounds, and `earlier` rounds' means."""
        seen = {s.round for s in frames}
        points = [(n, mean, True) for n, mean in earlier if n not in seen]
        points += [(s.round, s.scores.overall, not s.when) for s in frames]
        points.sort(key=lambda p: p[0])
        means = [mean for _, mean, _ in points]
        self.history.clear()
        if not points:
            return
        self.history.setYRange(min([LOWEST, *means]), 1.0)
        where = list(range(len(points)))
        dots = [i for i in where if points[i][2]]
        self.history.plot(where, means, pen=pg.mkPen(LINE, width=2))
        self.history.plot(
            where, [adjusted(m) for m in means], pen=pg.mkPen(ADJUSTED, width=1)
        )
        self.history.plot(
            dots, [means[i] for i in dots], pen=None, symbol="o", symbolSize=7
        )
        starts = [i for i in where if not i or points[i][0] != points[i - 1][0]]
        ticks = [(i, str(points[i][0])) for i in starts]
        self.history.getAxis("bottom").setTicks([ticks])


def _figure(score: float) -> str:
    """Write a score with two decimals; what rounds to nothing has no sign."""
    return f"{round(score, 2) + 0.0:.2f}"
