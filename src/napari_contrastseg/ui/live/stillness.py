"""Notice when a person pauses: no stroke, and no step through the slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.ui.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.utils.events import Event

    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds without a stroke or another slice after which a person pauses.
STILL_MS: Final = 250


class Stillness(QObject):
    """Hears of mouse buttons that go down in the canvas, of strokes and of slices.

    Parameters
    ----------
    workspace : Workspace
    parent : QObject

    Signals
    -------
    moved : ()
        A person did something.
    rested : ()
        Nothing was done for a moment.
    """

    moved = Signal()
    rested = Signal()

    def __init__(self, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._presses: list[Any] = workspace.viewer.mouse_drag_callbacks
        self._timer = single_shot(self._look, STILL_MS, self)
        self._drags = False
        self._presses.append(self._on_press)
        workspace.work_changed.connect(self._on_moved)
        workspace.slice_changed.connect(self._on_moved)

    def close(self) -> None:
        """Hear no more, and say nothing."""
        self.blockSignals(True)
        self._timer.stop()
        if self._on_press in self._presses:
            self._presses.remove(self._on_press)

    @property
    def presses(self) -> bool:
        """Whether a mouse button is down."""
        buttons = QGuiApplication.mouseButtons()
        return self._drags or buttons != Qt.MouseButton.NoButton

    @property
    def is_still(self) -> bool:
        """Whether the person pauses."""
        return not (self.presses or self._timer.isActive())

    def _on_press(self, _viewer: object, event: Event) -> Generator[None, None, None]:
        """Follow a mouse button, as napari asks for, until it is let go of."""
        self._drags = True
        self._on_moved()
        yield
        while event.type == "mouse_move":
            yield
        self._drags = False
        self._on_moved()

    def _on_moved(self, *_: object) -> None:
        self._timer.start()
        self.moved.emit()

    def _look(self) -> None:
        if self.presses:
            self._timer.start()
        else:
            self.rested.emit()
