"""Napari's colours for a plot: background, axes, legend, title."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QBrush, QColor

if TYPE_CHECKING:
    from pyqtgraph import PlotWidget

#: How much a legend hides what lies under it, of 255.
_VEIL = 200


def apply_theme(plot: PlotWidget, background: str, foreground: str) -> None:
    """Draw on napari's background, in the colour of its words."""
    plot.setBackground(background)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(foreground)
        axis.setTextPen(foreground)
    item = plot.getPlotItem()
    _recolour(item.titleLabel, foreground)
    if item.legend is not None:
        behind = QColor(background)
        behind.setAlpha(_VEIL)  # its words are read where points lie under them
        item.legend.setBrush(QBrush(behind))
        item.legend.setLabelTextColor(QColor(foreground))
        for _, label in item.legend.items:
            _recolour(label, foreground)


def _recolour(label: Any, colour: str) -> None:
    """Write words again: pyqtgraph leaves those that are there as they are."""
    label.setText(label.text, color=colour)
