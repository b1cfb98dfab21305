"""Fit the view to some layers, also beside layers of more axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

#: Part of the canvas that is filled along the side that fills it most, as by napari.
_FILLED: Final = 0.95


def fit_view(viewer: ViewerModel, layers: Sequence[Layer]) -> None:
    """Fit the view to layers of as many axes each; to all, where there are none.

    Of layers with fewer axes than others napari 0.9.2 looks at the wrong ones, and
    fails. In 3-D all layers are fitted beside such.
    """
    dims = viewer.dims
    if not layers or layers[0].ndim == dims.ndim:
        viewer.reset_view(layers=layers or None)
        return
    missing = dims.ndim - layers[0].ndim
    shown = [axis - missing for axis in dims.displayed]
    if len(shown) != 2 or min(shown) < 0:  # noqa: PLR2004
        viewer.reset_view()
        return
    low, high = np.asarray(viewer.layers.get_extent(layers).world)[:, shown]
    sides = np.where(np.isclose(high, low), 1.0, high - low)
    camera = viewer.scene.camera
    camera.center = (0.0, *((low + high) / 2).tolist())
    camera.zoom = float(_FILLED * (np.asarray(viewer.canvas.size) / sides).min())
