"""Notice that a person uses the window, so that tasks leave a core free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QCursor, QGuiApplication

from napari_contrastseg.learning.runtime.cores import PERSON

if TYPE_CHECKING:
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds between two looks at the mouse. A filter of all events would be called
#: far more often, and each time wait for the interpreter.
LOOK_MS: Final = 250


class PersonWatch(QObject):
    """Looks whether the mouse moves, and hears of what is painted or turned over.

    Parameters
    ----------
    workspace : Workspace
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._mouse = QCursor.pos()
        for changed in (workspace.labels_changed, workspace.slice_changed):
            changed.connect(self._acts)
        self._looks = QTimer(self)
        self._looks.setInterval(LOOK_MS)
        self._looks.timeout.connect(self._look)
        self._looks.start()

    def close(self) -> None:
        """Look no more."""
        self._looks.stop()

    def _acts(self, *_: object) -> None:
        PERSON.acts()

    def _look(self) -> None:
        before, self._mouse = self._mouse, QCursor.pos()
        pressed = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        if pressed or self._mouse != before:
            PERSON.acts()
