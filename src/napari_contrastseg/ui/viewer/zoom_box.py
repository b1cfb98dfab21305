"""Box overlay: the box that napari draws for zooming, used for other boxes as well.

A layer would do as well, but napari collects garbage whenever a layer is removed, which
takes a fifth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari.components.overlays import ZoomOverlay

if TYPE_CHECKING:
    from napari.components import ViewerModel

    #: Row and column on the canvas, pixels.
    Corner = tuple[float, float]

#: napari's own callback that drags such a box, while Alt is held.
_DRAG_TO_ZOOM: Final = "drag_to_zoom"


class ZoomBox:
    """Napari's zoom box of a viewer; nothing where its napari has none."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._zooming: list[Any] = []

    def take(self) -> None:
        """Take it: Alt and a drag do not zoom meanwhile."""
        callbacks = self._viewer.mouse_drag_callbacks
        found = [c for c in callbacks if getattr(c, "__name__", "") == _DRAG_TO_ZOOM]
        for callback in found:
            callbacks.remove(callback)
        self._zooming += found

    def give_back(self) -> None:
        """Hide it, and let napari have it again."""
        self.show(None)
        self._viewer.mouse_drag_callbacks[:0] = self._zooming
        self._zooming = []

    def show(self, corners: tuple[Corner, Corner] | None) -> None:
        """Draw it between two corners, or not at all."""
        overlay = _overlay(self._viewer)
        if overlay is None:
            return
        if corners is not None:
            overlay.position = corners
        overlay.visible = corners is not None


def _overlay(viewer: Any) -> ZoomOverlay | None:
    canvas = getattr(viewer, "canvas", None)
    overlays = viewer._overlays if canvas is None else canvas.overlays  # noqa: SLF001  napari before 0.9
    boxes = (o for o in overlays.values() if isinstance(o, ZoomOverlay))
    return next(boxes, None)
