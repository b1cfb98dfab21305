"""Names, colours and locks of classes and slices; where labels came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_contrastseg.session import painting
from napari_contrastseg.ui.notify import notify_errors
from napari_contrastseg.ui.viewer.label_layers import ORIGIN_COLOURS
from napari_contrastseg.ui.viewer.overlays import show_labels

if TYPE_CHECKING:
    from napari_contrastseg.ui.data.controller import Controller


class ClassController(QObject):
    """The intents of step Data that change no label."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._controller = controller

    def rename_class(self, class_id: int, name: str) -> None:
        """Rename a class."""
        with notify_errors():
            self._controller.session.change_class(class_id, name=name)

    def recolour_class(self, class_id: int, colour: str) -> None:
        """Give a class another colour."""
        with notify_errors():
            self._controller.session.change_class(class_id, colour=colour)

    def lock_class(self, class_id: int, locked: bool) -> None:
        """Protect a class's ink, or let it be changed again."""
        with notify_errors():
            self._controller.session.change_class(class_id, locked=locked)

    def lock_slice(self, locked: bool) -> None:
        """Protect the shown slice, or let it be changed again."""
        if self._controller.active is not None:
            index = self._controller.current_slice
            painting.lock_slice(
                self._controller.session, self._controller.active, index, locked=locked
            )

    def show_origin(self, on: bool) -> None:
        """Open or close the layer that tells where each label came from."""
        with notify_errors():
            volume_id = self._controller.need_active()
            record = self._controller.session.records[volume_id]
            self._controller.book.drop(volume_id, "origin")
            if on:
                show_labels(
                    self._controller.book,
                    volume_id,
                    "origin",
                    record.origin,
                    ORIGIN_COLOURS,
                )
        self._controller.changed.emit()
