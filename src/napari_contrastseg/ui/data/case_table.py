"""The table of cases: searched, sorted by name, status or the Dice to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_contrastseg.ui.data.cohort_state import WORDS, CaseRow, CaseStatus
from napari_contrastseg.ui.widgets.column import narrow_bar

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent

_HEADS: Final = ("case", "status", "exp. Dice")
_TIPS: Final = (
    "Name of the case; click to sort by name",
    "How far it is; click to sort by it",
    "Dice of the prediction, estimated from the network's confidence; click to "
    "have the worst on top",
)
NAME, STATUS, DICE = range(3)
_SORT: Final = Qt.ItemDataRole.UserRole
#: What has no number comes after all that have one.
_LAST: Final = 2.0
_SIDE: Final = 14
_ROWS: Final = 7


class CaseModel(QAbstractTableModel):
    """Cases as Qt's views read them; only what differs is changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[CaseRow, ...] = ()
        self._icons: dict[CaseStatus, QIcon] = {}

    def show(self, rows: tuple[CaseRow, ...]) -> None:
        """Show other rows."""
        old = self.rows
        if [row.id for row in rows] != [row.id for row in old]:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
            return
        self.rows = rows
        for number, (one, other) in enumerate(zip(old, rows, strict=True)):
            if one != other:
                ends = self.index(number, 0), self.index(number, DICE)
                self.dataChanged.emit(*ends)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Count the cases."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, _parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Count the columns."""
        return len(_HEADS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = 0
    ) -> Any:
        """Name the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS[section]
        return _HEADS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Give what a cell shows."""
        row, column = self.rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return (row.id, row.status.value, _dice_words(row))[column]
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{_HEADS[column]}: {self.data(index) or 'not known'}"
            case Qt.ItemDataRole.DecorationRole if column == STATUS:
                return self._icon(row.status)
            case Qt.ItemDataRole.ToolTipRole:
                return (row.id, WORDS[row.status], _dice_tip(row))[column]
            case _ if role == _SORT:
                dice = _LAST if row.dice is None else row.dice
                order = list(CaseStatus).index(row.status)
                return (row.id, order, -1.0 if row.failed else dice)[column]
            case _:
                return None

    def _icon(self, status: CaseStatus) -> QIcon:
        if status not in self._icons:
            self._icons[status] = QIcon(_drawn(status))
        return self._icons[status]


def _dice_words(row: CaseRow) -> str:
    if row.failed:
        return "failed"
    if row.dice is None:
        return "" if row.predicted is None else "empty"
    return f"{row.dice:.2f}"


def _dice_tip(row: CaseRow) -> str:
    if row.failed:
        return row.failed
    if row.predicted is None:
        return "It is not predicted yet: press Predict all"
    if row.dice is None:
        return f"The network of round {row.predicted} finds nothing in it"
    return f"Foreground Dice to expect of round {row.predicted}'s prediction"


def _drawn(status: CaseStatus) -> QPixmap:
    """Draw a circle: empty, half or full, or with a tick; shapes, not colours alone."""
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(Qt.GlobalColor.transparent)
    colour = {
        CaseStatus.OPEN: QColor("#5aa9e6"),
        CaseStatus.UNTOUCHED: QColor("#9aa0a6"),
        CaseStatus.LABELLED: QColor("#f2b134"),
        CaseStatus.DONE: QColor("#53b365"),
    }[status]
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 2))
    inner = (2, 2, _SIDE - 4, _SIDE - 4)
    if status is CaseStatus.DONE:
        painter.drawLine(2, 7, 6, 11)
        painter.drawLine(6, 11, 12, 3)
    else:
        painter.drawEllipse(*inner)
    painter.setBrush(colour)
    if status is CaseStatus.OPEN:
        painter.drawEllipse(*inner)
    elif status is CaseStatus.LABELLED:
        painter.drawPie(*inner, 90 * 16, 180 * 16)
    painter.end()
    return pixmap


class CaseTable(QTableView):
    """Shows the cases; a double click or Enter opens one.

    Signals
    -------
    opened : case id
    """

    opened = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cases = CaseModel(self)
        self.sorted = QSortFilterProxyModel(self)
        self.sorted.setSourceModel(self.cases)
        self.sorted.setSortRole(_SORT)
        self.sorted.setFilterKeyColumn(NAME)
        self.sorted.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.sorted.setSortCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setModel(self.sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        narrow_bar(self)
        self.setAccessibleName("Cases of the cohort")
        self.setToolTip("Double click or Enter opens a case")
        rows, heads = self.verticalHeader(), self.horizontalHeader()
        if rows is not None:
            rows.hide()
            rows.setDefaultSectionSize(22)
        if heads is not None:
            heads.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
            for column, width in ((STATUS, 96), (DICE, 88)):
                heads.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
                self.setColumnWidth(column, width)
        self.setFixedHeight(30 + 22 * _ROWS)
        self.doubleClicked.connect(self._open)

    @property
    def order(self) -> tuple[str, ...]:
        """Ids of the cases that are shown, in this order."""
        places = (self.sorted.index(n, NAME) for n in range(self.sorted.rowCount()))
        return tuple(str(place.data()) for place in places)

    @property
    def worst_first(self) -> bool:
        """Whether the case of which the least is to be expected is on top."""
        ascending = self.sorted.sortOrder() == Qt.SortOrder.AscendingOrder
        return self.sorted.sortColumn() == DICE and ascending

    @property
    def chosen(self) -> str | None:
        """Id of the case that is selected."""
        place = self.currentIndex()
        return str(place.siblingAtColumn(NAME).data()) if place.isValid() else None

    def choose(self, case_id: str) -> None:
        """Select a case, and scroll to it."""
        ids = [row.id for row in self.cases.rows]
        if case_id in ids:
            place = self.cases.index(ids.index(case_id), NAME)
            self.setCurrentIndex(self.sorted.mapFromSource(place))

    def search(self, text: str) -> None:
        """Show the cases whose name holds a text."""
        self.sorted.setFilterFixedString(text)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Open the selected case with Enter."""
        enter = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event is not None and event.key() in enter:
            self._open(self.currentIndex())
            return
        super().keyPressEvent(event)

    def _open(self, place: QModelIndex) -> None:
        if place.isValid():
            self.opened.emit(str(place.siblingAtColumn(NAME).data()))
