"""The viewer's scale bar, which says lengths in the unit of the layers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from qtpy.QtGui import QColor

#: Seen on a dark image, and on a light canvas beside it.
_BLUE: Final = (0.24, 0.55, 1.0, 1.0)
_HALF: Final = 128


def scale_bar(viewer: Any) -> Any:
    """Find it: napari 0.9 has moved it to the canvas."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.scale_bar if canvas is None else canvas.overlays.scale_bar


def colour_bar(viewer: Any, canvas: str) -> None:
    """Let it be seen on an image: on a light canvas napari draws it black.

    A colour that the person gave it stays.
    """
    bar = scale_bar(viewer)
    ours = np.allclose(bar.color, _BLUE)
    if bar.colored and not ours:
        return
    bar.colored = QColor(canvas).lightness() >= _HALF
    if bar.colored:
        bar.color = _BLUE
