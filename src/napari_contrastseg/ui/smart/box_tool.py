"""A box that is drawn on the canvas: dragged, or clicked corner by corner."""

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


class BoxTool(QObject):
    """Waits for a box on the shown slice; the brush rests meanwhile.

    Signals
    -------
    drawn : volume id, slice number, rows, columns
        First and last pixel + 1 of each side.
    ended : ()
        It waits no more, with or without a box.
    """

    drawn = Signal(str, int, tuple, tuple)
    ended = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._layer: Labels | None = None
        self._mode = ""
        self._volume, self._slice = "", 0
        self._first: NDArray[np.int64] | None = None
        self._pressed = (0.0, 0.0)
        self._outline = ZoomBox(workspace.viewer)

    @property
    def waiting(self) -> bool:
        """Whether a box is waited for."""
        return self._layer is not None

    def begin(self, volume_id: str, index: int, layer: Labels) -> None:
        """Wait for a box on a slice, drawn over its ink layer."""
        self.cancel()
        self._volume, self._slice, self._first = volume_id, index, None
        self._layer, self._mode = layer, str(layer.mode)
        viewer = self._workspace.viewer
        viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        layer.mouse_pan = False
        layer.bind_key("Escape", self._on_escape, overwrite=True)
        layer.events.mode.connect(self._on_mode)
        self._outline.take()
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.mouse_move_callbacks.append(self._on_move)
        self._workspace.slice_changed.connect(self.cancel)
        self._workspace.session_closing.connect(self.cancel)
        self._workspace.changed.connect(self._on_changed)

    def cancel(self) -> None:
        """Wait no more, and let the brush go on."""
        layer, viewer = self._layer, self._workspace.viewer
        if layer is None:
            return
        self._layer = None
        self._workspace.slice_changed.disconnect(self.cancel)
        self._workspace.session_closing.disconnect(self.cancel)
        self._workspace.changed.disconnect(self._on_changed)
        viewer.mouse_drag_callbacks.remove(self._on_press)
        viewer.mouse_move_callbacks.remove(self._on_move)
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

    def _on_press(self, viewer: object, event: Any) -> Generator[None, None, None]:
        """Take a corner; napari goes on with it as the mouse moves."""
        if event.button != 1:
            return
        first, here = self._first, self._place(event.position)
        if first is None:
            self._first, self._pressed = here, event.pos[::-1]
        yield
        while event.type == "mouse_move":
            self._on_move(viewer, event)
            yield
        if not self.waiting:
            return
        there = self._place(event.position)
        if first is not None or np.abs(there - here).max() > _CLICK:
            self._finish(there)

    def _on_move(self, _viewer: object, event: Any) -> None:
        """Show the box that a second click would take."""
        if self._first is not None and self.waiting:
            self._outline.show((self._pressed, event.pos[::-1]))

    def _place(self, position: Any) -> NDArray[np.int64]:
        """Row and column of the slice under a place in napari's world."""
        voxel = np.array(self._workspace.registry.voxel(self._volume, position))
        record = self._workspace.session.records[self._volume]
        inside = np.clip(voxel, 0, np.array(record.volume.shape) - 1)
        return np.delete(inside, record.axis)

    def _sides(self, corner: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give first pixel and last + 1 of both sides, (2, 2)."""
        assert self._first is not None
        ends = np.stack([self._first, corner])
        return np.stack([ends.min(0), ends.max(0) + 1], axis=1)

    def _finish(self, corner: NDArray[np.int64]) -> None:
        rows, columns = self._sides(corner).tolist()
        volume_id, index = self._volume, self._slice
        self.cancel()
        self.drawn.emit(volume_id, index, tuple(rows), tuple(columns))
