"""napari's list of layers as a tab, where the screen is too low for both its docks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_contrastseg.ui.timers import single_shot

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

#: Names of napari's docks: the one that stays in front, and the one behind it.
CONTROLS, LIST = "layer controls", "layer list"
#: Milliseconds after which a window has asked for the room that it needs.
_SETTLED_MS: Final = 100


class LowScreen(QObject):
    """Lays napari's list of layers behind the layer controls, once and if it must.

    With a labels layer the two above each other need 593 pixels beside the bars of the
    window (napari 0.9), which a screen of 768 enlarged by half does not have: the
    window's lower end, and ours in it, would lie below the screen's.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._window: QMainWindow | None = None
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
        """Make the window as low as the screen, if that is what it takes."""
        window = self._window
        if window is None:
            return
        room = room_for(window)
        if window.minimumSizeHint().height() <= room.height():
            return
        docks = {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}
        controls, layers = docks.get(CONTROLS), docks.get(LIST)
        if controls is None or layers is None:
            return
        if not (_stands_in(window, controls) and _stands_in(window, layers)):
            return
        self.close()  # who takes them apart again wants it so
        window.tabifyDockWidget(controls, layers)
        controls.raise_()
        layout = window.layout()
        assert layout is not None
        layout.activate()
        window.resize(window.size().boundedTo(room))


def room_for(window: QMainWindow) -> QSize:
    """Return how large a window may be for all of it to be on its screen."""
    screen = window.screen()
    assert screen is not None
    frame = window.frameGeometry().size() - window.size()
    return screen.availableGeometry().size() - frame


def _stands_in(window: QMainWindow, dock: QDockWidget) -> bool:
    """Whether a dock is shown at the left, neither floating nor a tab already."""
    left = window.dockWidgetArea(dock) == Qt.DockWidgetArea.LeftDockWidgetArea
    alone = not window.tabifiedDockWidgets(dock)
    return left and alone and dock.isVisible() and not dock.isFloating()
