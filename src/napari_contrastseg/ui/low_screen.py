"""Docks as tabs of each other, where the screen has no room for them side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_contrastseg.ui.notify import notify_info
from napari_contrastseg.ui.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtWidgets import QWidget

#: Names of napari's docks: the one that stays in front, and the one behind it.
CONTROLS, LIST = "layer controls", "layer list"
#: Milliseconds after which a window has asked for the room that it needs.
_SETTLED_MS: Final = 100
_LEFT: Final = Qt.DockWidgetArea.LeftDockWidgetArea
_RIGHT: Final = Qt.DockWidgetArea.RightDockWidgetArea


class LowScreen(QObject):
    """Lays docks behind each other, each once and if it must.

    With a labels layer napari's layer controls and list above each other need 593
    pixels beside the bars of the window (napari 0.9), which a screen of 768 enlarged by
    half does not have: the window's lower end, and ours in it, would lie below the
    screen's. Enlarged twice, it is too narrow for our docks beside napari's.

    Parameters
    ----------
    ours : callable
        Gives our widgets that may stand in docks.
    """

    def __init__(
        self, ours: Callable[[], Sequence[QWidget]], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._ours = ours
        self._window: QMainWindow | None = None
        self._laid: list[QDockWidget] = []
        self._said = False
        self._soon = single_shot(self.fit, _SETTLED_MS, self)

    def watch(self, window: QWidget | None) -> None:
        """Look after a window from now on."""
        self.close()
        if isinstance(window, QMainWindow):
            self._window = window
            window.installEventFilter(self)
            self._soon.start()

    def close(self) -> None:
        """Leave the window as it is."""
        self._soon.stop()
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Look again where the window's parts ask for other room."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._soon.start()
        return bool(super().eventFilter(watched, event))

    def fit(self) -> None:
        """Make the window as small as the screen, or say that it cannot be."""
        window = self._window
        if window is None:
            return
        room = room_for(window)
        docks = {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}
        controls, layers = docks.get(CONTROLS), docks.get(LIST)
        if controls is None or layers is None:
            return
        changed = False
        if window.minimumSizeHint().height() > room.height():
            changed = self._lay_behind(controls, layers, _LEFT)
            if changed:
                controls.raise_()
        if window.minimumSizeHint().width() > room.width():
            for widget in self._ours():
                dock = widget.parentWidget()
                if isinstance(dock, QDockWidget):
                    moved = self._lay_behind(controls, dock, _RIGHT)
                    changed = changed or moved
        if changed:
            layout = window.layout()
            assert layout is not None
            layout.activate()
            window.resize(window.size().boundedTo(room))
        least = window.minimumSizeHint()
        fits = least.width() <= room.width() and least.height() <= room.height()
        if not (fits or changed or self._said):
            self._said = True
            notify_info(_too_small(least, room))

    def _lay_behind(
        self, front: QDockWidget, dock: QDockWidget, area: Qt.DockWidgetArea
    ) -> bool:
        """Make a dock a tab of another, where it never was; whether that was done."""
        window = self._window
        assert window is not None
        stands = window.dockWidgetArea(front) == _LEFT and not front.isFloating()
        alone = area == _RIGHT or not window.tabifiedDockWidgets(dock)
        here = window.dockWidgetArea(dock) == area and not dock.isFloating()
        shown = front.isVisible() or bool(window.tabifiedDockWidgets(front))
        if dock in self._laid or not (stands and alone and here and shown):
            return False  # who takes them apart again wants it so
        if not dock.isVisible():
            return False
        self._laid.append(dock)
        window.tabifyDockWidget(front, dock)
        dock.show()
        dock.raise_()
        return True


def room_for(window: QMainWindow) -> QSize:
    """Return how large a window may be for all of it to be on its screen."""
    screen = window.screen()
    assert screen is not None
    frame = window.frameGeometry().size() - window.size()
    return screen.availableGeometry().size() - frame


def _too_small(least: QSize, room: QSize) -> str:
    return (
        f"The window needs {least.width()} x {least.height()} points, and the screen "
        f"has {room.width()} x {room.height()}: choose a smaller scale in the settings "
        "of your desktop, or close 'layer controls' in the menu Window; the brush has "
        "keys."
    )
