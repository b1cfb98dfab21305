"""The keyboard stays in a field that is typed in."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QFocusEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QWidget


class KeepTyping(QObject):
    """Gives the keyboard back to a field from which no act of a person took it.

    napari hands it to the canvas whenever one of its messages goes
    (``NapariQtNotification.close``, napari 0.9): what is typed on would be keys there,
    and A accepts a slice. To be deleted once napari leaves the keyboard where it is.

    Parameters
    ----------
    within : QWidget
        Whose fields are meant.
    """

    def __init__(self, within: QWidget) -> None:
        super().__init__(within)
        self._within = within
        self._lost: QWidget | None = None
        _application().focusChanged.connect(self._on_focus)

    def close(self) -> None:
        """Leave the keyboard alone."""
        _application().focusChanged.disconnect(self._on_focus)

    def _on_focus(self, _old: QWidget | None, now: QWidget | None) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost.setFocus(Qt.FocusReason.OtherFocusReason)
        elif isinstance(now, QLineEdit | QAbstractSpinBox) and self._is_ours(now):
            now.installEventFilter(self)

    def _is_ours(self, widget: QWidget) -> bool:
        return self._within.isAncestorOf(widget)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Do not let a field notice that it loses the keyboard for a moment."""
        if not isinstance(event, QFocusEvent) or not isinstance(watched, QWidget):
            return False
        out = event.type() == QEvent.Type.FocusOut
        if not out or event.reason() != Qt.FocusReason.OtherFocusReason:
            return False
        now = QApplication.focusWidget()
        if now is None or self._is_ours(now) or not watched.isVisible():
            return False
        self._lost = watched
        return True


def _application() -> QApplication:
    found = QApplication.instance()
    assert isinstance(found, QApplication)
    return found
