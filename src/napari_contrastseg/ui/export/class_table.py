"""The table of classes as a window: sort it, copy it, save it as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.ui.widgets.forms import button, enable, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    Cell = str | float | None

#: Width and height, pixels; the widest; and what is beside the columns.
_SIZE = 640, 320
_WIDEST, _BESIDE = 1240, 80
_TIPS = {
    "voxels": "Labelled, and proposed where nobody labelled",
    "painted voxels": "With ink of the class: painted, corrected or accepted",
    "slices with ink": "Slices on which the class was painted, corrected or accepted",
    "slices done": "Slices of the volume on which every voxel counts",
    "slices": "All slices of the volume",
    "expected Dice of all classes": "Of the round's prediction of the volume, by its "
    "confidence, all classes together: a round keeps how sure it is of its answer at "
    "each voxel, not of each class, so that there is none of a class alone",
    "silhouette": "How well the class separates in the round's embedding: 1 is well "
    "apart, 0 and less is mixed",
}


class _Number(QTableWidgetItem):
    """A cell that is sorted by its number; what is not known comes first."""

    def __init__(self, value: float | None) -> None:
        text = ""
        if value is not None:
            text = str(value) if isinstance(value, int) else f"{value:.4g}"
        super().__init__(text)
        self.value = value
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        self.setTextAlignment(right)

    def __lt__(self, other: Any) -> bool:
        mine, theirs = self.value, other.value
        if mine is None or theirs is None:
            return mine is None and theirs is not None
        return bool(mine < theirs)


class ClassTable(QDialog):
    """Shows a table; edits nothing.

    Signals
    -------
    refresh_requested, save_requested : ()
    """

    refresh_requested = Signal()
    save_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Table of classes")
        self._headers: list[str] = []
        self._rows: list[list[Cell]] = []
        self.table = QTableWidget()
        self.table.setAccessibleName("table of classes")
        self.table.setToolTip("Click on a header to sort")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.words = note()
        self.refresh = button(
            "Refresh", "Count again, as the session is now", self.refresh_requested.emit
        )
        self.copy = button(
            "Copy", "Copy the table; it can be pasted into a spreadsheet", self.copy_all
        )
        self.save = button(
            "Save as CSV ...", "Write the table to a file", self.save_requested.emit
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.words, 1)
        for one in (self.refresh, self.copy, self.save):
            one.setAutoDefault(False)
            buttons.addWidget(one)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        self.resize(*_SIZE)
        self.setValue([], [])

    def value(self) -> tuple[list[str], list[list[Cell]]]:
        """Return headers and rows as they were given, whatever the sorting."""
        return self._headers, self._rows

    def setValue(  # noqa: N802
        self, headers: Sequence[str], rows: Sequence[Sequence[Cell]]
    ) -> None:
        """Show a table; the chosen sorting stays."""
        self._headers, self._rows = list(headers), [list(row) for row in rows]
        table = self.table
        table.setSortingEnabled(False)
        table.setColumnCount(len(headers))
        table.setRowCount(len(rows))
        for column, words in enumerate(headers):
            head = QTableWidgetItem(words)
            head.setToolTip(_TIPS.get(words, words))
            table.setHorizontalHeaderItem(column, head)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                made = (
                    QTableWidgetItem(cell) if isinstance(cell, str) else _Number(cell)
                )
                table.setItem(number, column, made)
        table.setSortingEnabled(True)
        table.resizeColumnsToContents()
        self._widen()
        for one in (self.copy, self.save):
            enable(one, None if rows else "There is nothing in the table yet")

    def _widen(self) -> None:
        """Show all columns where a laptop's screen has room for them."""
        header = self.table.horizontalHeader()
        if header is not None:
            self.resize(
                max(self.width(), min(header.length() + _BESIDE, _WIDEST)),
                self.height(),
            )

    def setProgress(self, words: str) -> None:  # noqa: N802
        """Say how far counting is; "" when nothing is counted."""
        self.words.setText(words)
        enable(self.refresh, words or None)

    def as_text(self) -> str:
        """Give the table with tabs, its rows as they are sorted now."""
        table = self.table
        lines = ["\t".join(self._headers)]
        for number in range(table.rowCount()):
            cells = [table.item(number, c) for c in range(table.columnCount())]
            lines.append("\t".join(_text(cell) for cell in cells))
        return "\n".join(lines) + "\n"

    def copy_all(self) -> None:
        """Put the table on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.as_text())


def _text(cell: QTableWidgetItem | None) -> str:
    """Give a cell with all its digits, on one line."""
    if isinstance(cell, _Number):
        return "" if cell.value is None else str(cell.value)
    return "" if cell is None else " ".join(cell.text().split())
