"""Classes: add, delete, rename, recolour, lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_contrastseg.ui.notify import notify_errors

if TYPE_CHECKING:
    from napari_contrastseg.ui.workspace import Workspace


class ClassController(QObject):
    """The intents of the class table."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace

    def add_class(self) -> None:
        """Add a class and paint with it."""
        with notify_errors():
            self._workspace.choose_class(self._workspace.session.add_class())

    def delete_class(self, class_id: int) -> None:
        """Delete a class without ink."""
        with notify_errors():
            self._workspace.session.delete_class(class_id)

    def rename_class(self, class_id: int, name: str) -> None:
        """Rename a class."""
        with notify_errors():
            self._workspace.session.change_class(class_id, name=name)

    def recolour_class(self, class_id: int, colour: str) -> None:
        """Give a class another colour."""
        with notify_errors():
            self._workspace.session.change_class(class_id, colour=colour)

    def lock_class(self, class_id: int, locked: bool) -> None:
        """Protect a class's ink, or let it be changed again."""
        with notify_errors():
            self._workspace.session.change_class(class_id, locked=locked)
