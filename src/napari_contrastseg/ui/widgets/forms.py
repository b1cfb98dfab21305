"""Small pieces that panels are put together from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, FileEdit
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magicgui.widgets import Container


def button(text: str, tip: str, slot: Callable[[], object]) -> QPushButton:
    """Make a push button with a tooltip that calls `slot` without arguments."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setProperty("tip", tip)
    made.clicked.connect(lambda _checked=False: slot())
    return made


def enable(widget: QWidget, why_not: str | None) -> None:
    """Enable a control, or disable it and let its tooltip say why."""
    if widget.property("tip") is None:
        widget.setProperty("tip", widget.toolTip())
    widget.setEnabled(why_not is None)
    widget.setToolTip(why_not or str(widget.property("tip")))


def row(*widgets: QWidget, stretch: int | None = None) -> QWidget:
    """Put widgets side by side; the one numbered `stretch` takes the free room."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if number == stretch else 0)
    return holder


def choice(words: Iterable[str], tip: str) -> QComboBox:
    """Make a box to choose from."""
    box = QComboBox()
    box.addItems(list(words))
    box.setToolTip(tip)
    return box


def folder_field(placeholder: str) -> FileEdit:
    """Make a field for a folder, with a button to look for it."""
    field = FileEdit(mode=FileDialogMode.EXISTING_DIRECTORY, value=None, nullable=True)
    field.line_edit.native.setPlaceholderText(placeholder)
    field.line_edit.native.setToolTip(f"{placeholder.capitalize()}: type its path")
    field.choose_btn.text = "Look ..."
    field.choose_btn.native.setToolTip(f"{placeholder.capitalize()}: look for it")
    return field


def folder_in(field: FileEdit) -> Path | None:
    """Return the folder that a field names, None while it is empty."""
    value = field.value
    if value is None or isinstance(value, tuple) or str(value) in ("", "."):
        return None
    return Path(value).expanduser()


def note(text: str = "") -> QLabel:
    """Make a small line of text that wraps."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 0.9)
    label.setFont(font)
    return label


def keep_narrow(box: QComboBox) -> None:
    """Ask for the room of a few letters: a long item must not make the dock wide."""
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(8)


def fill(box: QComboBox, items: tuple[str, ...], chosen: str | None = None) -> None:
    """Set a combo box's items without a signal; keeps the choice where it can."""
    keep_narrow(box)
    before = chosen if chosen is not None else box.currentText()
    if tuple(box.itemText(i) for i in range(box.count())) != items:
        box.blockSignals(True)
        box.clear()
        box.addItems(list(items))
        box.blockSignals(False)
    if before in items:
        box.setCurrentIndex(items.index(before))


def in_rows(form: Container[Any]) -> QWidget:
    """Lay out a form's widgets in line.

    magicgui does so by widths of labels, which napari's style resets.
    """
    page = QWidget()
    rows = QFormLayout(page)
    for widget in form:
        named = isinstance(widget, CheckBox)
        label = QLabel("" if named else widget.label)
        label.setToolTip(widget.tooltip or "")
        rows.addRow(label, widget.native)
        for control in (widget.native, *widget.native.findChildren(QWidget)):
            if not control.toolTip():
                control.setToolTip(widget.tooltip or "")
    return page
