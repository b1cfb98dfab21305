"""The viewer's scale bar, which says lengths in the unit of the layers."""

from __future__ import annotations

from typing import Any


def scale_bar(viewer: Any) -> Any:
    """Find it: napari 0.9 has moved it to the canvas."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.scale_bar if canvas is None else canvas.overlays.scale_bar
