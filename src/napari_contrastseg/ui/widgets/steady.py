"""What is meant for the image changes nothing in a box to choose from or a number."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QWidget

_PROPERTY: Final = "steady"
_KEYS = Qt.Key
#: What a closed box to choose from is used with; other keys are the window's.
_OF_A_BOX: Final = frozenset(
    {
        *(_KEYS.Key_Up, _KEYS.Key_Down, _KEYS.Key_PageUp, _KEYS.Key_PageDown),
        *(_KEYS.Key_Home, _KEYS.Key_End, _KEYS.Key_Space, _KEYS.Key_Escape),
        *(_KEYS.Key_Return, _KEYS.Key_Enter, _KEYS.Key_F4),
    }
)
_WITH_VALUES: Final = (QAbstractSlider, QAbstractSpinBox, QComboBox)


class _Steady(QObject):
    """Hands keys and the wheel on to what lies around a control.

    Qt's boxes take each letter for the beginning of a name, though D or A is pressed
    for the slice; and the wheel changes whatever the page scrolls below the mouse.
    """

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is None:
            return False
        if event.type() == QEvent.Type.Wheel:
            used = isinstance(watched, QWidget) and watched.hasFocus()
            meant = used and not isinstance(watched, QComboBox)
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            meant = not isinstance(watched, QComboBox) or event.key() in _OF_A_BOX
        else:
            return False
        if not meant:
            event.ignore()
        return not meant


def keep_steady(widget: QWidget) -> None:
    """Let keys and the wheel pass over a control, unless they are meant for it."""
    for part in (widget, *widget.findChildren(QWidget)):
        if not isinstance(part, _WITH_VALUES) or part.property(_PROPERTY):
            continue
        part.setProperty(_PROPERTY, True)
        part.installEventFilter(_Steady(part))
        if part.focusPolicy() == Qt.FocusPolicy.WheelFocus:
            part.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
