"""The circle that napari draws around the brush, kept from ending the process."""

from __future__ import annotations

from typing import Any

from napari.components.overlays import BrushCircleOverlay


def drop_box(viewer: Any) -> None:
    """Take away the box behind the brush's circle, which nobody ever needs to see.

    napari (0.8, 0.9) attaches it when layers come or go while the circle is shown, and
    leaves it there when the circle goes, whatever the mode. Once all layers are hidden,
    drawing it can end the process in the OpenGL driver.
    """
    canvas = getattr(viewer, "canvas", None)
    overlays = viewer._overlays if canvas is None else canvas.overlays  # noqa: SLF001  napari before 0.9
    for overlay in overlays.values():
        if isinstance(overlay, BrushCircleOverlay) and hasattr(overlay, "box"):
            overlay.box = False
