"""Small pieces that panels are put together from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from magicgui.types import FileDialogMode
from magicgui.widgets import CheckBox, FileEdit
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.ui.widgets.steady import keep_steady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magicgui.widgets import Container, Widget
    from qtpy.QtGui import QPaintEvent

#: Less air in a box to choose from than napari's: names are seen in full more often.
NARROW: Final = """
QComboBox { padding: 3px 0px 3px 5px; }
QComboBox::drop-down { width: 16px; }
"""
#: Letters that a box to choose from has room for at least.
_LETTERS: Final = 5
#: Pixels between an icon and the name beside it.
_BESIDE_ICON: Final = 4
#: Side of a square of a class's colour, pixels.
_SIDE: Final = 12


class NameBox(QComboBox):
    """A box to choose a name from; one that is too long has an ellipsis at its end.

    Files' names differ at their end; theirs have it in the middle.
    """

    def __init__(self, *, of_files: bool = False) -> None:
        super().__init__()
        modes = Qt.TextElideMode
        self._elide = modes.ElideMiddle if of_files else modes.ElideRight
        keep_narrow(self)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the box; Qt alone would cut the name at its end."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        option.currentText = self.shown_name(option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def shown_name(self, option: QStyleOptionComboBox) -> str:
        """Return as much of the name as there is room for."""
        style = self.style()
        assert style is not None
        box, field = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl
        room = style.subControlRect(
            box, option, field.SC_ComboBoxEditField, self
        ).width()
        if not option.currentIcon.isNull():
            room -= option.iconSize.width() + _BESIDE_ICON
        return self.fontMetrics().elidedText(option.currentText, self._elide, room)


def explain(widget: QWidget, tip: str, name: str) -> None:
    """Give a control its tooltip, and the name that a screen reader says."""
    widget.setToolTip(tip)
    widget.setProperty("tip", tip)
    widget.setAccessibleName(name)
    keep_steady(widget)


def button(
    text: str, tip: str, slot: Callable[[], object], name: str = ""
) -> QPushButton:
    """Make a push button with a tooltip that calls `slot` without arguments.

    A screen reader says `name`, or the text but for the key after two spaces.
    """
    made = QPushButton(text)
    explain(made, tip, name or text.partition("  ")[0])
    made.clicked.connect(lambda _checked=False: slot())
    return made


def enable(widget: QWidget, why_not: str | None) -> None:
    """Enable a control, or disable it and let its tooltip say why."""
    if widget.property("tip") is None:
        widget.setProperty("tip", widget.toolTip())
    window = widget.window()
    if why_not and window is not None and window.focusWidget() is widget:
        widget.clearFocus()  # else Qt hands it to the next control, with the keys
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


def stacked(*widgets: QWidget) -> QWidget:
    """Put widgets below each other; one alone stays as it is."""
    if len(widgets) == 1:
        return widgets[0]
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return holder


def choice(words: Iterable[str], tip: str, name: str) -> QComboBox:
    """Make a box to choose from."""
    box = QComboBox()
    box.addItems(list(words))
    explain(box, tip, name)
    keep_narrow(box)
    return box


def folder_field(placeholder: str, tip: str) -> FileEdit:
    """Make a field for a folder, with a button to look for it."""
    field = FileEdit(mode=FileDialogMode.EXISTING_DIRECTORY, value=None, nullable=True)
    field.line_edit.native.setPlaceholderText(placeholder)
    field.line_edit.native.setMinimumWidth(60)
    field.choose_btn.text = "Look ..."
    explain(field.line_edit.native, tip, placeholder)
    explain(
        field.choose_btn.native, f"Look for a {placeholder}", f"look for {placeholder}"
    )
    return field


def folder_in(field: FileEdit) -> Path | None:
    """Return the folder that a field names, None while it is empty."""
    value = field.value
    if value is None or isinstance(value, tuple) or str(value) in ("", "."):
        return None
    return Path(value).expanduser()


class Note(QLabel):
    """Small text that wraps, and is as high as its lines.

    A form of Qt's asks for the height of another width than it gives, and cuts it.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)  # names may look like HTML
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.9)
        self.setFont(font)

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Show other words."""
        if text != self.text():
            super().setText(text)
            self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Take the height of the lines at this width."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: Any) -> None:  # noqa: N802
        """Take the height of the lines in another font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def _fit(self) -> None:
        self.setMinimumHeight(0)  # which Qt would count in
        self.setFixedHeight(max(0, self.heightForWidth(self.width())))


def note(text: str = "") -> QLabel:
    """Make a small line of text that wraps."""
    return Note(text)


def keep_narrow(box: QComboBox) -> None:
    """Ask for the room of a few letters: a long item must not make the dock wide.

    Nor does it take keys and the wheel that are meant for the image.
    """
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setMinimumContentsLength(_LETTERS)
    keep_steady(box)


def fill(box: QComboBox, items: tuple[str, ...], chosen: str | None = None) -> None:
    """Set a combo box's items without a signal; keeps the choice where it can."""
    before = chosen if chosen is not None else box.currentText()
    if tuple(box.itemText(i) for i in range(box.count())) != items:
        keep_narrow(box)
        box.blockSignals(True)
        box.clear()
        box.addItems(list(items))
        box.blockSignals(False)
    if before in items:
        box.setCurrentIndex(items.index(before))


def colour_icon(colour: str) -> QIcon:
    """Make a small square of a colour."""
    pixmap = QPixmap(_SIDE, _SIDE)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)


def in_rows(form: Container[Any]) -> QWidget:
    """Lay out a form's widgets in line.

    magicgui does so by widths of labels, which napari's style resets.
    """
    page = QWidget()
    rows = QFormLayout(page)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    for widget in form:
        has_words = isinstance(widget, CheckBox)
        label = QLabel("" if has_words else widget.label)
        label.setToolTip(widget.tooltip or "")
        for control in _controls(widget):
            explain(control, widget.tooltip or "", widget.label)
        if isinstance(widget.native, QComboBox):
            keep_narrow(widget.native)
        rows.addRow(label, widget.native)
        for control in (widget.native, *widget.native.findChildren(QWidget)):
            if not control.toolTip():
                control.setToolTip(widget.tooltip or "")
    return page


def _controls(widget: Widget) -> tuple[QWidget, ...]:
    """Give what a person clicks on or types into."""
    if isinstance(widget, FileEdit):
        return widget.line_edit.native, widget.choose_btn.native
    return (widget.native,)
