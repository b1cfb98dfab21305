"""The mouse on the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent

from napari_contrastseg.ui.embedding.colours import Group
from napari_contrastseg.ui.embedding.plot import MapPlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytestqt.qtbot import QtBot


def drag(plot: MapPlot, qtbot: QtBot, places: Sequence[QPointF]) -> None:
    """Drag from place to place of the plot's scene."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    last = len(places) - 1
    for number, place in enumerate((*places, places[-1])):
        kind, button, held = QEvent.Type.MouseMove, none, left
        if number == 0:
            kind, button = QEvent.Type.MouseButtonPress, left
        elif number > last:
            kind, button, held = QEvent.Type.MouseButtonRelease, left, none
        port = plot.viewport()
        assert port is not None
        at = QPointF(plot.mapFromScene(place))
        everywhere = QPointF(port.mapToGlobal(at.toPoint()))
        keys = Qt.KeyboardModifier.NoModifier
        event = QMouseEvent(kind, at, everywhere, button, held, keys)
        {
            QEvent.Type.MouseButtonPress: plot.mousePressEvent,
            QEvent.Type.MouseMove: plot.mouseMoveEvent,
            QEvent.Type.MouseButtonRelease: plot.mouseReleaseEvent,
        }[kind](event)
        qtbot.wait(5)


def test_a_lasso_may_begin_on_the_legend(qtbot: QtBot) -> None:
    plot = MapPlot()
    qtbot.addWidget(plot)
    plot.resize(300, 300)
    with qtbot.waitExposed(plot):
        plot.show()
    layout = np.random.default_rng(0).random((50, 2), np.float32)
    plot.draw(layout, [Group("class 1", np.arange(50), "#ff0000", 5)])
    qtbot.wait(50)
    legend = plot.legend.sceneBoundingRect()
    begin = legend.bottomRight() - QPointF(3, 3)
    round_all = [begin, QPointF(298, 2), QPointF(298, 298), QPointF(2, 298)]
    with qtbot.waitSignal(plot.lassoed) as heard:
        drag(plot, qtbot, [*round_all, QPointF(2, begin.y())])
    assert len(heard.args[0])
    assert plot.legend.sceneBoundingRect() == legend, "it stays where it is"
