"""The table of classes: colour, name, key, lock, delete."""

from __future__ import annotations

from functools import partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QButtonGroup,
    QColorDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QToolButton,
    QWidget,
)

from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.ui.viewer.label_layers import BACKGROUND_COLOUR
from napari_contrastseg.ui.widgets.forms import explain

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent, QMouseEvent

    from napari_contrastseg.session.classes import AnnotationClass, Classes

#: Pixels that a name has at least.
_LEAST_NAME: Final = 60
#: Keys that end the writing of a name; the image has the keys again then.
_ENDS: Final = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape)


class _NameEdit(QLineEdit):
    """A name, of which a double click selects all its words.

    Enter keeps what was written and Escape the name of before. Both give the keys back
    to the image, as Alt and a digit does, which chooses a class.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.put_back()

    def show_name(self, name: str) -> None:
        """Show the name that is kept; one that is being written is left alone."""
        if name != self._name or not self.hasFocus():
            self._name = name
            self.put_back()

    def put_back(self) -> None:
        """Show the name that is kept, from its beginning."""
        self.setText(self._name)
        self.setCursorPosition(0)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Select the whole name, so that what is typed takes its place."""
        self.selectAll()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Write, or leave the field."""
        if event is None:
            return
        if event.key() == Qt.Key.Key_Escape:
            self.put_back()
        alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
        chooses = alt and Qt.Key.Key_0 <= event.key() <= Qt.Key.Key_9
        if event.key() in _ENDS or chooses:
            self.clearFocus()
            event.setAccepted(not chooses)
        else:
            super().keyPressEvent(event)


class _Row:
    """The controls of one class, which stay while it does."""

    def __init__(self, entry: AnnotationClass, table: ClassTable) -> None:
        self._table, self._entry = table, entry
        class_id = entry.id
        self.radio = QRadioButton()
        self.radio.clicked.connect(partial(table.choose_by_hand, class_id))
        self.colour = QToolButton()
        self.colour.setFixedSize(18, 18)
        self.colour.clicked.connect(self._pick_colour)
        self.name = _NameEdit(entry.name)
        self.name.setMinimumWidth(_LEAST_NAME)
        explain(
            self.name,
            "Name of the class, used in models and reports",
            f"name of class {class_id}",
        )
        self.name.editingFinished.connect(self._rename)
        self.key = QLabel()
        self.key.setToolTip("Key that chooses this class")
        self.lock = QToolButton()
        self.lock.setCheckable(True)
        self.lock.clicked.connect(self._lock)
        self.delete = QToolButton()
        self.delete.setText("✕")
        self.delete.clicked.connect(self._delete)
        self.show(entry)

    @property
    def widgets(self) -> tuple[QWidget, ...]:
        """What is shown of the class, from left to right."""
        return (
            self.radio,
            self.colour,
            self.name,
            self.key,
            self.lock,
            self.delete,
        )

    def show(self, entry: AnnotationClass) -> None:
        """Show the class as it is now."""
        self._entry = entry
        tip = f"Paint {entry.name} ({entry.key or 'no key'})"
        explain(self.radio, tip, f"paint {entry.name}")
        explain(self.colour, "Change the colour", f"colour of {entry.name}")
        self.colour.setStyleSheet(
            f"background: {entry.colour}; border: 1px solid gray; border-radius: 3px;"
        )
        self.name.show_name(entry.name)
        self.key.setText(entry.key or "")
        self.lock.setChecked(entry.locked)
        self.lock.setText("locked" if entry.locked else "lock")
        explain(
            self.lock,
            "A locked class can be neither painted over nor erased, nor painted with; "
            "accepting may still add it where nothing was painted",
            f"lock {entry.name}",
        )
        explain(
            self.delete, "Delete the class (only without ink)", f"delete {entry.name}"
        )

    def _rename(self) -> None:
        text = self.name.text().strip()
        if text and text != self._entry.name:
            self._table.renamed.emit(self._entry.id, text)
        self.name.put_back()  # as it was, if that name was refused

    def _lock(self, locked: bool) -> None:
        self._table.locked.emit(self._entry.id, locked)
        self.lock.setChecked(self._entry.locked)  # as it was, if that was refused

    def _pick_colour(self) -> None:
        dialog = QColorDialog(QColor(self._entry.colour), self._table)
        dialog.colorSelected.connect(self._recolour)
        dialog.open()

    def _recolour(self, colour: QColor) -> None:
        self._table.recoloured.emit(self._entry.id, colour.name())

    def _delete(self) -> None:
        self._table.deleted.emit(self._entry.id)


class ClassTable(QWidget):
    """Edits the session's classes and chooses the one to paint with.

    Signals
    -------
    added : ()
    renamed : (class id, name)
    recoloured : (class id, colour)
    deleted : class id
    locked : (class id, whether)
    selected : class id, 255 for background
    """

    added = Signal()
    renamed = Signal(int, str)
    recoloured = Signal(int, str)
    deleted = Signal(int)
    locked = Signal(int, bool)
    selected = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(2, 1)
        self._classes: Classes = ()
        self._rows: dict[int, _Row] = {}
        self._group = QButtonGroup(self)
        self._background = self._background_row()
        self.add_button = QPushButton("+ add class")
        explain(self.add_button, "Add a class to paint with", "add class")
        self.add_button.clicked.connect(self._add)
        self._place()

    def value(self) -> Classes:
        """Return the classes that are shown."""
        return self._classes

    def setValue(self, classes: Classes) -> None:  # noqa: N802
        """Show classes; the chosen one stays chosen where it still exists."""
        if classes == self._classes:
            return
        chosen = self.chosen()
        before = tuple(self._rows)
        self._classes = classes
        for class_id in set(before) - {entry.id for entry in classes}:
            self._remove(self._rows.pop(class_id))
        rows = {}
        for entry in classes:
            rows[entry.id] = row = self._rows.get(entry.id) or self._new_row(entry)
            row.show(entry)
        self._rows = rows
        if tuple(rows) != before:
            self._place()
        stays = chosen in rows or chosen == BACKGROUND
        self.choose(chosen if stays else next(iter(rows), BACKGROUND))

    def chosen(self) -> int:
        """Return the id to paint with, 255 for background."""
        for class_id, row in self._rows.items():
            if row.radio.isChecked():
                return class_id
        return BACKGROUND

    def choose(self, class_id: int) -> None:
        """Choose the class to paint with."""
        if class_id == BACKGROUND:
            self._background[0].setChecked(True)
        elif class_id in self._rows:
            self._rows[class_id].radio.setChecked(True)

    def choose_by_hand(self, class_id: int) -> None:
        """Say that a person has chosen a class."""
        self.selected.emit(class_id)

    def name_edit(self, class_id: int) -> QLineEdit:
        """Return the field with a class's name."""
        return self._rows[class_id].name

    def _add(self) -> None:
        self.added.emit()

    def _new_row(self, entry: AnnotationClass) -> _Row:
        row = _Row(entry, self)
        self._group.addButton(row.radio)
        return row

    def _remove(self, row: _Row) -> None:
        for widget in row.widgets:
            if widget.hasFocus():
                widget.clearFocus()  # else Qt hands it to the next field, with the keys
            self._grid.removeWidget(widget)
            widget.hide()
            widget.deleteLater()

    def _place(self) -> None:
        """Put the rows in the order of the classes, background and the button last."""
        rows = [row.widgets for row in self._rows.values()]
        for number, widgets in enumerate((*rows, self._background)):
            for column, widget in enumerate(widgets):
                self._grid.addWidget(widget, number, column)
        self._grid.addWidget(self.add_button, len(rows) + 1, 2, 1, 4)
        rows += [(self._background[0], self.add_button)]
        controls = filter(_takes_focus, chain(*rows))  # Qt heeds no others here
        for one, following in pairwise((*self._before(), *controls)):
            QWidget.setTabOrder(one, following)

    def _before(self) -> tuple[QWidget, ...]:
        """Give what the keyboard comes from, if anything stands before the table."""
        start: QWidget = self._background[0]
        at = start.previousInFocusChain()
        while at is not None and at is not start:
            if _takes_focus(at) and not self.isAncestorOf(at):
                return (at,)
            at = at.previousInFocusChain()
        return ()

    def _background_row(self) -> tuple[QRadioButton, QLabel, QLabel, QLabel]:
        radio = QRadioButton()
        explain(radio, "Paint background on purpose (Alt+0)", "paint background")
        radio.clicked.connect(partial(self.choose_by_hand, BACKGROUND))
        self._group.addButton(radio)
        colour = QLabel()
        colour.setFixedSize(18, 18)
        colour.setStyleSheet(
            f"background: {BACKGROUND_COLOUR}; border: 1px dashed gray;"
        )
        text = QLabel("background")
        text.setToolTip("For voxels that are none of the classes, on sparse slices")
        return radio, colour, text, QLabel("Alt+0")


def _takes_focus(widget: QWidget) -> bool:
    return widget.focusPolicy() != Qt.FocusPolicy.NoFocus
