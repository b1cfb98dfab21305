"""The table of classes: colour, name, key, lock, delete."""

from __future__ import annotations

from functools import partial
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
        super().__init__(name)
        self._name = name
        self.setCursorPosition(0)  # the beginning of a long name is seen

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Select the whole name, so that what is typed takes its place."""
        self.selectAll()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Write, or leave the field."""
        if event is None:
            return
        if event.key() == Qt.Key.Key_Escape:
            self.setText(self._name)
        alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
        chooses = alt and Qt.Key.Key_0 <= event.key() <= Qt.Key.Key_9
        if event.key() in _ENDS or chooses:
            self.clearFocus()
            event.setAccepted(not chooses)
        else:
            super().keyPressEvent(event)


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
        self._radios: dict[int, QRadioButton] = {}
        self._group = QButtonGroup(self)
        self.add_button = QPushButton("+ add class")
        explain(self.add_button, "Add a class to paint with", "add class")
        self.add_button.clicked.connect(self._add)
        self._build()

    def value(self) -> Classes:
        """Return the classes that are shown."""
        return self._classes

    def setValue(self, classes: Classes) -> None:  # noqa: N802
        """Show classes; the chosen one stays chosen where it still exists."""
        if classes == self._classes:
            return
        chosen = self.chosen()
        self._classes = classes
        self._build()
        self.choose(chosen if chosen in self._radios else next(iter(self._radios)))

    def chosen(self) -> int:
        """Return the id to paint with, 255 for background."""
        for class_id, radio in self._radios.items():
            if radio.isChecked():
                return class_id
        return BACKGROUND

    def choose(self, class_id: int) -> None:
        """Choose the class to paint with."""
        if class_id in self._radios:
            self._radios[class_id].setChecked(True)

    def name_edit(self, class_id: int) -> QLineEdit:
        """Return the field with a class's name."""
        row = [c.id for c in self._classes].index(class_id)
        item = self._grid.itemAtPosition(row, 2)
        widget = item.widget() if item is not None else None
        assert isinstance(widget, QLineEdit)
        return widget

    def _add(self) -> None:
        self.added.emit()

    def _build(self) -> None:
        focused = self.focusWidget()
        if focused is not None and focused is not self.add_button:
            focused.clearFocus()  # else Qt hands it to the next field, and keys with it
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None and widget is not self.add_button:
                widget.hide()
                widget.deleteLater()
        self._radios.clear()
        for row, entry in enumerate(self._classes):
            self._row(row, entry)
        last = len(self._classes)
        self._background_row(last)
        self._grid.addWidget(self.add_button, last + 1, 2, 1, 4)

    def _radio(self, row: int, class_id: int, tip: str, name: str) -> None:
        radio = QRadioButton()
        explain(radio, tip, f"paint {name}")
        radio.clicked.connect(partial(self._choose, class_id))
        self._group.addButton(radio)
        self._radios[class_id] = radio
        self._grid.addWidget(radio, row, 0)

    def _row(self, row: int, entry: AnnotationClass) -> None:
        tip = f"Paint {entry.name} ({entry.key or 'no key'})"
        self._radio(row, entry.id, tip, entry.name)
        colour = QToolButton()
        colour.setFixedSize(18, 18)
        colour.setStyleSheet(
            f"background: {entry.colour}; border: 1px solid gray; border-radius: 3px;"
        )
        explain(colour, "Change the colour", f"colour of {entry.name}")
        colour.clicked.connect(partial(self._pick_colour, entry))
        name = _NameEdit(entry.name)
        name.setMinimumWidth(_LEAST_NAME)
        explain(
            name,
            "Name of the class, used in models and reports",
            f"name of class {entry.id}",
        )
        name.editingFinished.connect(partial(self._rename, entry, name))
        key = QLabel(entry.key or "")
        key.setToolTip("Key that chooses this class")
        lock = QToolButton()
        lock.setText("locked" if entry.locked else "lock")
        lock.setCheckable(True)
        lock.setChecked(entry.locked)
        explain(
            lock,
            "A locked class can be neither painted over nor erased, nor painted with; "
            "accepting may still add it where nothing was painted",
            f"lock {entry.name}",
        )
        lock.toggled.connect(partial(self._lock, entry.id))
        delete = QToolButton()
        delete.setText("✕")
        explain(delete, "Delete the class (only without ink)", f"delete {entry.name}")
        delete.clicked.connect(partial(self._delete, entry.id))
        for column, widget in enumerate((colour, name, key, lock, delete), start=1):
            self._grid.addWidget(widget, row, column)

    def _background_row(self, row: int) -> None:
        tip = "Paint background on purpose (Alt+0)"
        self._radio(row, BACKGROUND, tip, "background")
        colour = QLabel()
        colour.setFixedSize(18, 18)
        colour.setStyleSheet(
            f"background: {BACKGROUND_COLOUR}; border: 1px dashed gray;"
        )
        self._grid.addWidget(colour, row, 1)
        text = QLabel("background")
        text.setToolTip("For voxels that are none of the classes, on sparse slices")
        self._grid.addWidget(text, row, 2)
        self._grid.addWidget(QLabel("Alt+0"), row, 3)

    def _choose(self, class_id: int) -> None:
        self.selected.emit(class_id)

    def _rename(self, entry: AnnotationClass, field: QLineEdit) -> None:
        text = field.text().strip()
        if text and text != entry.name:
            self.renamed.emit(entry.id, text)
        elif not text:
            field.setText(entry.name)

    def _pick_colour(self, entry: AnnotationClass) -> None:
        dialog = QColorDialog(QColor(entry.colour), self)
        dialog.colorSelected.connect(partial(self._recolour, entry.id))
        dialog.open()

    def _recolour(self, class_id: int, colour: QColor) -> None:
        self.recoloured.emit(class_id, colour.name())

    def _lock(self, class_id: int, on: bool) -> None:
        self.locked.emit(class_id, on)

    def _delete(self, class_id: int) -> None:
        self.deleted.emit(class_id)
