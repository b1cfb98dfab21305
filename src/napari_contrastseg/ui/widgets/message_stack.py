"""napari's messages stand above each other, and all of them go by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari.utils.notifications import notification_manager
from qtpy.QtCore import QAbstractAnimation, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtpy.QtWidgets import QWidget

_MESSAGE: Final = "NapariQtNotification"
#: Milliseconds that a message needs to slide into its place.
SETTLE_MS: Final = 300
#: Pixels between two messages.
_APART: Final = 4


class MessageStack(QObject):
    """Moves napari's older messages up, and lets them go after their time.

    napari lays each new one over the others, stops their time and never starts it
    again (``NapariQtNotification.show`` and ``close``, napari 0.9): they stay until a
    person points at them. To be deleted once napari does this by itself.

    Parameters
    ----------
    window : callable
        Gives the window whose messages are meant; None where there is none.
    """

    _came = Signal()  # from any thread

    def __init__(
        self, window: Callable[[], QWidget | None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._settled.timeout.connect(self.tidy)
        self._came.connect(self._settled.start, Qt.ConnectionType.QueuedConnection)
        notification_manager.notification_ready.connect(self._on_message)

    def close(self) -> None:
        """Leave messages alone."""
        notification_manager.notification_ready.disconnect(self._on_message)
        self._settled.stop()

    def tidy(self) -> None:
        """Put the messages above each other, the newest lowest."""
        newer: Any = None
        for message in self._newest_first():
            if newer is not None:
                message.geom_anim.stop()
                message.move(message.x(), _top(newer) - _APART - message.height())
                if message.timer.interval() and not message.underMouse():
                    message.timer_start()
            newer = message

    def _newest_first(self) -> Iterator[Any]:
        window = self._window()
        if window is None:
            return
        for message in reversed(window.findChildren(QDialog)):
            about = message.metaObject()
            if about is not None and about.className() == _MESSAGE:
                yield message

    def _on_message(self, _event: Any = None) -> None:
        self._came.emit()


def _top(message: Any) -> int:
    """Where a message stands, or will once it has slid there."""
    sliding = message.geom_anim
    if sliding.state() == QAbstractAnimation.State.Running:
        return int(sliding.endValue().y())
    return int(message.y())
