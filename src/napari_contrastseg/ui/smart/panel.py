"""Smart tools: the brush's switch, the box, and how pieces are numbered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QPushButton, QVBoxLayout, QWidget

from napari_contrastseg.ui.widgets.forms import button, enable, keep_narrow, note, row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_contrastseg.session.instances import Order, Touching

_SCOPES: Final = {"all slices": False, "this slice": True}
_ORDERS: Final[Mapping[str, Order]] = {"by size": "size", "by position": "position"}
_JOINS: Final[Mapping[str, Touching]] = {
    "join at corners": "corner",
    "at faces": "face",
}
_BRUSH: Final = (
    "Smart brush (G): what you paint snaps to edges of the image near the stroke. Ink "
    "of other classes stays as it is."
)
_BOX: Final = (
    "Box and clicks (Alt+B): drag a box around one structure on the slice, or click on "
    "it; Ctrl and a click, or the right button, take a place away. A makes the "
    "suggestion yours, R takes it away."
)
_WAITS: Final = "Box, clicks  Alt+B"
_NUMBER: Final = (
    "Number pieces (Alt+I): give each connected piece of the chosen class a number, "
    "in a layer of its own that nothing learns from."
)


@dataclass(frozen=True)
class NumberingSettings:
    """How pieces are numbered.

    Attributes
    ----------
    in_slice : bool
        Only those of the shown slice.
    order : {"size", "position"}
    touching : {"corner", "face"}
    """

    in_slice: bool = False
    order: Order = "size"
    touching: Touching = "corner"


class SmartPanel(QWidget):
    """Switches the smart brush, begins boxes and clicks, and edits `NumberingSettings`.

    Signals
    -------
    brush_toggled : whether it is to be on
    box_requested, numbers_requested : ()
    """

    brush_toggled = Signal(bool)
    box_requested = Signal()
    numbers_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.brush = QPushButton("Smart brush  G")
        self.brush.setCheckable(True)
        self.brush.setToolTip(_BRUSH)
        self.brush.clicked.connect(self.brush_toggled)
        self.box = button(_WAITS, _BOX, self.box_requested.emit)
        self.box.setCheckable(True)
        self.number = button(
            "Number pieces  Alt+I", _NUMBER, self.numbers_requested.emit
        )
        self.scope = _choice(_SCOPES, "Where", "Through the volume, or on one slice")
        self.order = _choice(
            _ORDERS, "Order", "1 is the largest piece, or the one that begins first"
        )
        self.joins = _choice(
            _JOINS,
            "Neighbours",
            "Voxels of a piece share a corner (26 neighbours, 8 in a slice) or a face "
            "(6 neighbours, 4 in a slice)",
        )
        self.words = note()
        for widget, name in (
            (self.brush, "Smart brush"),
            (self.box, "Box around a structure, or clicks on it"),
            (self.number, "Number the pieces of the chosen class"),
            (self.words, "What the smart tools did last"),
        ):
            widget.setAccessibleName(name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(4)
        layout.addWidget(row(self.brush, self.box, stretch=0))
        layout.addWidget(row(self.number, self.scope, stretch=0))
        layout.addWidget(row(self.order, self.joins, stretch=1))
        layout.addWidget(self.words)

    def value(self) -> NumberingSettings:
        """Return how pieces are to be numbered."""
        return NumberingSettings(
            _SCOPES[self.scope.currentText()],
            _ORDERS[self.order.currentText()],
            _JOINS[self.joins.currentText()],
        )

    def setValue(self, value: NumberingSettings) -> None:  # noqa: N802
        """Show how pieces are to be numbered."""
        self.scope.setCurrentIndex(list(_SCOPES.values()).index(value.in_slice))
        self.order.setCurrentIndex(list(_ORDERS.values()).index(value.order))
        self.joins.setCurrentIndex(list(_JOINS.values()).index(value.touching))

    def setBrush(self, on: bool, why_not: str | None) -> None:  # noqa: N802
        """Show whether the smart brush is on, or why it cannot be."""
        self.brush.setChecked(on)
        enable(self.brush, why_not)

    def setBox(self, waiting: bool, why_not: str | None) -> None:  # noqa: N802
        """Show whether boxes and clicks are waited for, or why there can be none."""
        self.box.setChecked(waiting)
        self.box.setText("End  Alt+B" if waiting else _WAITS)
        enable(self.box, why_not)

    def setNumbers(self, words: str, why_not: str | None) -> None:  # noqa: N802
        """Show what was numbered last, or why nothing can be."""
        self.words.setText(words)
        for widget in (self.number, self.scope, self.order, self.joins):
            enable(widget, why_not)


def _choice(words: Mapping[str, object], name: str, tip: str) -> QComboBox:
    box = QComboBox()
    box.addItems(list(words))
    box.setToolTip(tip)
    box.setAccessibleName(name)
    keep_narrow(box)
    return box
