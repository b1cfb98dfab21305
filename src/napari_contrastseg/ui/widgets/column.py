"""A column of widgets that scrolls up and down, never sideways."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QAbstractScrollArea, QFrame, QScrollArea, QWidget

#: Less wide than napari's: beside it there is room for an image on a small screen.
_STYLE: Final = "QScrollBar:vertical { max-width: 9px; }"

#: Lines that are seen at least.
_LINES: Final = 2


def narrow_bar(area: QAbstractScrollArea) -> None:
    """Make a scroll bar narrow; a style of the whole area takes much longer."""
    bar = area.verticalScrollBar()
    if bar is not None:
        bar.setStyleSheet(_STYLE)


class Column(QScrollArea):
    """Scrolls what is higher than there is room; is as wide as that needs to be."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        narrow_bar(self)
        self.setWidget(inner)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Be as wide as what is in it and the scroll bar need, and two lines high."""
        inner, bar, edge = (
            self.widget(),
            self.verticalScrollBar(),
            self.contentsMargins(),
        )
        wide = edge.left() + edge.right()
        if inner is not None and bar is not None:
            wide += inner.minimumSizeHint().width() + bar.sizeHint().width()
        return QSize(wide, _LINES * self.fontMetrics().height())

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """Ask for other room where what is in it needs other room."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))
