"""Boxes that are dragged on the canvas, and clicks on it, while the brush rests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_contrastseg.ui.viewer.zoom_box import ZoomBox

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_contrastseg.ui.workspace import Workspace

#: Voxels that the mouse may move between press and release for a click.
_CLICK: Final = 2
_LEFT, _RIGHT = 1, 2


class Pointer(QObject):
    """Waits for boxes and clicks on the shown slice, until it is left.

    Signals
    -------
    boxed : rows, columns
        First and last pixel + 1 of each side of a box that was dragged.
    clicked : (row, column), inside
        A place, and whether it is to be part of the structure: not where Ctrl was held
        or the right button was used.
    ended : ()
        It waits no more.
    """

    boxed = Signal(tuple, tuple)
    clicked = Signal(tuple, bool)
    ended = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._layer: Labels | None = None
        self._mode = ""
        self._volume = ""
        self._outline = ZoomBox(workspace.viewer)

    @property
    def waiting(self) -> bool:
        """Whether boxes and clicks are waited for."""
        return self._layer is not None

    def begin(self, volume_id: str, layer: Labels) -> None:
        """Wait for boxes and clicks on a volume, over its ink layer."""
        self.cancel()
        self._volume, self._layer, self._mode = volume_id, layer, str(layer.mode)
        viewer = self._workspace.viewer
        viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        layer.mouse_pan = False
        layer.bind_key("Escape", self._on_escape, overwrite=True)
        layer.events.mode.connect(self._on_mode)
        self._outline.take()
        viewer.mouse_drag_callbacks.append(self._on_press)
        self._workspace.session_closing.connect(self.cancel)
        self._workspace.changed.connect(self._on_changed)

    def cancel(self) -> None:
        """Wait no more, and let the brush go on."""
        layer, viewer = self._layer, self._workspace.viewer
        if layer is None:
            return
        self._layer = None
        self._workspace.session_closing.disconnect(self.cancel)
        self._workspace.changed.disconnect(self._on_changed)
        viewer.mouse_drag_callbacks.remove(self._on_press)
        layer.events.mode.disconnect(self._on_mode)
        layer.bind_key("Escape", None, overwrite=True)
        layer.mouse_pan = layer.mode == "pan_zoom"
        if layer.mode == "pan_zoom" and layer in viewer.layers:
            layer.mode = self._mode
        self._outline.give_back()
        self.ended.emit()

    def _on_escape(self, _layer: object) -> None:
        self.cancel()

    def _on_mode(self, _event: object) -> None:
        """Give way: the person took up another tool."""
        self.cancel()

    def _on_changed(self) -> None:
        """Give way: another volume is worked on, or the layer was closed."""
        known = self._workspace.registry.layer(self._volume, "ink")
        if self._workspace.active != self._volume or known is not self._layer:
            self.cancel()

    def _on_press(self, _viewer: object, event: Any) -> Generator[None, None, None]:
        """Follow the mouse; napari goes on with it as that moves."""
        if event.button not in (_LEFT, _RIGHT):
            return
        inside = event.button == _LEFT and "Control" not in event.modifiers
        here, pressed = self._place(event.position), event.pos[::-1]
        yield
        while event.type == "mouse_move":
            if inside and self.waiting:
                self._outline.show((pressed, event.pos[::-1]))
            yield
        if not self.waiting:
            return
        self._outline.show(None)
        there = self._place(event.position)
        if np.abs(there - here).max() <= _CLICK:
            self.clicked.emit(tuple(there.tolist()), inside)
        elif inside:
            ends = np.stack([here, there])
            rows, columns = np.stack([ends.min(0), ends.max(0) + 1], axis=1).tolist()
            self.boxed.emit(tuple(rows), tuple(columns))

    def _place(self, position: Any) -> NDArray[np.int64]:
        """Row and column of the slice under a place in napari's world."""
        voxel = np.array(self._workspace.registry.voxel(self._volume, position))
        record = self._workspace.session.records[self._volume]
        inside = np.clip(voxel, 0, np.array(record.volume.shape) - 1)
        return np.delete(inside, record.axis)
