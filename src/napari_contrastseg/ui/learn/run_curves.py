"""Curves of loss and Dice of the running stage."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_contrastseg.ui.widgets.forms import explain
from napari_contrastseg.ui.widgets.plot_theme import apply_theme

if TYPE_CHECKING:
    from pyqtgraph import PlotDataItem, PlotWidget

_HEIGHT = 140
_LOSS, _DICE = "#e69f00", "#56b4e9"
#: Names the curves in their colours; a legend would lie on them in a small plot.
_TITLE = (
    f'{{stage}}: <b style="color: {_LOSS}">loss</b>, <b style="color: {_DICE}">Dice</b>'
)
#: Points of a curve; beyond, the older half of them is thinned out.
MOST_POINTS = 2000


class RunCurves(QWidget):
    """Draws loss and Dice; begins again with every stage.

    Nothing is shown before a stage has begun. The plot is made once somebody sees it:
    pyqtgraph takes time to load.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._losses: list[tuple[int, float]] = []
        self._dices: list[tuple[int, float]] = []
        self._reports = 0
        self._stage = ""
        self._theme = ("#000000", "#808080")
        self.setFixedHeight(_HEIGHT)
        self.hide()  # until there is something to show
        lines = QVBoxLayout(self)
        lines.setContentsMargins(0, 0, 0, 0)

    @cached_property
    def _drawn(self) -> tuple[PlotWidget, PlotDataItem, PlotDataItem]:
        import pyqtgraph as pg  # noqa: PLC0415  loaded once it draws something

        plot = pg.PlotWidget()
        plot.setMouseEnabled(x=False, y=False)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        explain(
            plot,
            "Loss of the running stage, and Dice on the training slices, each time the "
            "run reports how far it is",
            "curves of loss and Dice",
        )
        loss, dice = (plot.plot(pen=pg.mkPen(c, width=2)) for c in (_LOSS, _DICE))
        layout = self.layout()
        assert layout is not None
        layout.addWidget(plot)
        return plot, loss, dice

    @property
    def plot(self) -> PlotWidget:
        """What is drawn."""
        return self._drawn[0]

    def forget(self) -> None:
        """Show none: those that were are of another session."""
        self._stage = ""
        self.start()
        self.hide()

    def start(self) -> None:
        """Begin new curves."""
        self._losses.clear()
        self._dices.clear()
        self._reports = 0
        self._name()
        self._draw()

    def add_point(self, stage: str, loss: float | None, dice: float | None) -> None:
        """Add a point; the curves begin again with every stage."""
        if stage != self._stage:
            self._stage = stage
            self.start()
            self.show()
        self._reports += 1
        for points, value in ((self._losses, loss), (self._dices, dice)):
            if value is not None:
                points.append((self._reports, value))
            if len(points) > MOST_POINTS:
                del points[: MOST_POINTS // 2 : 2]  # the past is thinned out
        self._draw()

    def apply_theme(self, background: str, foreground: str) -> None:
        """Take napari's colours."""
        self._theme = background, foreground
        self._name()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Draw what came before anybody looked."""
        if not self._made:
            self.plot.show()
            self._name()
            self._draw()
        super().showEvent(event)

    @property
    def _made(self) -> bool:
        return "_drawn" in vars(self)

    def _name(self) -> None:
        """Write the stage above the curves, in napari's colours."""
        if self._made:
            background, foreground = self._theme
            apply_theme(self.plot, background, foreground)
            words = _TITLE.format(stage=self._stage) if self._stage else None
            self.plot.setTitle(words, size="9pt", color=foreground)

    def _draw(self) -> None:
        if self._made:
            _, *curves = self._drawn
            for curve, points in zip(curves, (self._losses, self._dices), strict=True):
                curve.setData([x for x, _ in points], [y for _, y in points])
