"""Form of a mask to be taken: its values, and which class each becomes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHeaderView,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.session.mask_values import (
    AS_BACKGROUND,
    AS_IGNORED,
    KnownClasses,
    Role,
    as_class,
    decide,
    decide_new,
    decide_one_new,
)
from napari_contrastseg.ui.widgets.column import narrow_bar
from napari_contrastseg.ui.widgets.forms import (
    NameBox,
    button,
    colour_icon,
    enable,
    explain,
    note,
    row,
)

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

    from napari_contrastseg.session.mask_values import Becomes, MaskValue

_HEADS: Final = ("value", "voxels", "becomes")
_NEW_EACH: Final = "a new class each"
_NEW_ONE: Final = "one new class"
_BACKGROUND: Final = "background"
_IGNORED: Final = "ignored"
_MOST_ROWS: Final = 5
_VALUE: Final = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class MaskQuestion:
    """What is to be decided about a mask.

    Attributes
    ----------
    title : str
        Which mask, and of which volume.
    text : str
        What a person should look at.
    values : tuple of MaskValue
    classes : KnownClasses
    all_done : bool
        Whether every slice becomes done, or those with labels.
    """

    title: str
    text: str = ""
    values: tuple[MaskValue, ...] = ()
    classes: KnownClasses = field(default_factory=lambda: KnownClasses(()))
    all_done: bool = True


class MaskForm(QFrame):
    """Edits a `MaskQuestion`; shows nothing while there is none.

    Signals
    -------
    valueChanged : ()
        A value becomes something else.
    take_requested, leave_requested : ()
    resized : ()
        It has other room than before.
    """

    valueChanged = Signal()  # noqa: N815
    take_requested = Signal()
    leave_requested = Signal()
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value: MaskQuestion | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.text = note()
        for label in (self.title, self.text):  # names in them come from files
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.table = QTreeWidget()
        narrow_bar(self.table)
        self.table.setRootIsDecorated(False)
        self.table.setHeaderLabels(list(_HEADS))
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        explain(
            self.table,
            "The values of the mask; select one, some or all (Ctrl+A) and choose below "
            "what they become",
            "values of the mask",
        )
        header = self.table.header()
        if header is not None:
            header.setStretchLastSection(True)
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.itemSelectionChanged.connect(self._show_chosen)
        self.becomes = NameBox()
        explain(
            self.becomes,
            "What the selected values become. Ignored: nothing is known there, so that "
            "those slices do not become done",
            "selected values become",
        )
        self.becomes.activated.connect(self._choose)
        self.take = button(
            "take", "Use this mask as your labels", self.take_requested.emit
        )
        self.leave = button(
            "leave it", "Do not take this mask", self.leave_requested.emit
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.title)
        layout.addWidget(self.text)
        layout.addWidget(self.table)
        layout.addWidget(row(QLabel("selected become"), self.becomes, stretch=1))
        layout.addWidget(row(self.take, self.leave))
        self.setValue(None)

    def value(self) -> MaskQuestion | None:
        """Return what is shown, with what was chosen."""
        return self._value

    def setValue(self, question: MaskQuestion | None) -> None:  # noqa: N802
        """Show a question, or nothing."""
        old, self._value = self._value, question
        self.setVisible(question is not None)
        if question is None or question == old:
            return
        other = old is None or old.title != question.title
        self.title.setText(question.title)
        self.text.setText(question.text)
        self.take.setText(
            "take, all slices done" if question.all_done else "take labelled slices"
        )
        if old is None or old.classes != question.classes:
            self._offer(question.classes)
        self._fill(question.values, set() if other else self._chosen())
        if other:
            self._select_first(question.values)
        self._show_chosen()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Say so."""
        super().resizeEvent(event)
        self.resized.emit()

    def _offer(self, classes: KnownClasses) -> None:
        self.becomes.clear()
        for entry in classes.classes:
            self.becomes.addItem(colour_icon(entry.colour), entry.name, entry.id)
        for words in (_NEW_EACH, _NEW_ONE, _BACKGROUND, _IGNORED):
            self.becomes.addItem(words, words)

    def _fill(self, values: tuple[MaskValue, ...], chosen: set[int]) -> None:
        self.table.blockSignals(True)
        self.table.clear()
        for one in values:
            name = f"{one.value} {one.name}" if one.name else str(one.value)
            item = QTreeWidgetItem([name, f"{one.voxels:,}", words_of(one.becomes)])
            item.setData(0, _VALUE, one.value)
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
            item.setToolTip(0, name)
            if one.becomes.entry is not None:
                item.setIcon(2, colour_icon(one.becomes.entry.colour))
            self.table.addTopLevelItem(item)
            item.setSelected(one.value in chosen)
        self.table.blockSignals(False)
        height = self.table.sizeHintForRow(0) if values else 0
        rows = min(len(values), _MOST_ROWS) + 2
        self.table.setFixedHeight(max(height, 16) * rows)

    def _select_first(self, values: tuple[MaskValue, ...]) -> None:
        """Select the value that is most likely to be asked about."""
        labelled = [i for i, one in enumerate(values) if one.value != 0]
        item = self.table.topLevelItem(labelled[0]) if labelled else None
        if item is not None:
            item.setSelected(True)

    def _chosen(self) -> set[int]:
        return {int(item.data(0, _VALUE)) for item in self.table.selectedItems()}

    def _show_chosen(self) -> None:
        """Show what the selected values become, where it is one thing."""
        chosen = self._chosen()
        enable(self.becomes, None if chosen else "Select values of the mask first")
        values = self._value.values if self._value is not None else ()
        kinds = {_key(one.becomes) for one in values if one.value in chosen}
        index = self.becomes.findData(kinds.pop()) if len(kinds) == 1 else -1
        self.becomes.setCurrentIndex(index)

    def _choose(self, index: int) -> None:
        question, chosen = self._value, self._chosen()
        if question is None or not chosen:
            return
        values, classes = question.values, question.classes
        wanted = self.becomes.itemData(index)
        if wanted == _NEW_EACH:
            made = decide_new(values, chosen, classes)
        elif wanted == _NEW_ONE:
            made = decide_one_new(values, chosen, classes)
        elif wanted in (_BACKGROUND, _IGNORED):
            meant = AS_BACKGROUND if wanted == _BACKGROUND else AS_IGNORED
            made = decide(values, chosen, meant)
        else:
            entry = next(c for c in classes.classes if c.id == wanted)
            made = decide(values, chosen, as_class(entry, chosen, classes))
        self.setValue(replace(question, values=made))
        self.valueChanged.emit()


def words_of(becomes: Becomes) -> str:
    """Say what a value becomes."""
    if becomes.entry is None:
        return becomes.role.value
    new = " (new)" if becomes.role is Role.NEW else ""
    return f"{becomes.entry.name}{new}"


def _key(becomes: Becomes) -> int | str:
    """Give the data of the choice that stands for what a value becomes."""
    if becomes.role is Role.NEW:
        return _NEW_EACH
    return becomes.entry.id if becomes.entry is not None else becomes.role.value
