"""A column of widgets that scrolls up and down, never sideways."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget


class Column(QScrollArea):
    """Scrolls what is higher than there is room; is as wide as that needs to be."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inner)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Be wide enough for all that is in it, beside the scroll bar."""
        inner, bar, edge = (
            self.widget(),
            self.verticalScrollBar(),
            self.contentsMargins(),
        )
        wide = edge.left() + edge.right()
        if inner is not None and bar is not None:
            wide += inner.minimumSizeHint().width() + bar.sizeHint().width()
        return QSize(wide, super().minimumSizeHint().height())

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """Ask for other room where what is in it needs other room."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))
