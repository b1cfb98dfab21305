"""Layers that say something about a volume and are not painted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels, Points
from napari.utils.colormaps import DirectLabelColormap

from napari_contrastseg.ui.viewer.known_layers import TITLES
from napari_contrastseg.ui.viewer.label_layers import colormap
from napari_contrastseg.ui.viewer.layer_registry import outline_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.ui.viewer.layer_registry import LayerRegistry

#: Diameter of marks on the canvas, pixels, and their colours.
MARK = 14
#: A suggestion's labels for places that were clicked; its colours are of no class: a
#: proposal of the same class may lie under it.
_INSIDE, _OUTSIDE = 2, 3
_SUGGESTED: Final[dict[int | None, Any]] = {
    None: (0, 0, 0, 0),
    0: (0, 0, 0, 0),
    1: "#00ffff",
    _INSIDE: "#ffffff",
    _OUTSIDE: "#ff2020",
}
COLOURS = {"chosen": "#ffe119", "pointed": "#ffffff", "cross": "#ffe119"}


def show_labels(
    registry: LayerRegistry,
    volume_id: str,
    kind: str,
    array: NDArray[np.uint8],
    colours: dict[int | None, Any] | None = None,
) -> None:
    """Show one label a voxel: a difference, where ink came from."""
    chosen = colormap(registry.session.classes)
    if colours is not None:
        chosen = DirectLabelColormap(color_dict=colours)
    layer = Labels(
        registry.shown(volume_id, array),
        opacity=0.8,
        colormap=chosen,
        **registry.about(volume_id, kind),
    )
    layer.editable = False
    registry.put(volume_id, kind, layer)


def show_numbers(
    registry: LayerRegistry,
    volume_id: str,
    class_name: str,
    numbers: NDArray[np.unsignedinteger],
) -> None:
    """Show the numbered pieces of a class, each in a colour of its own."""
    about = registry.about(volume_id, "instances")
    about["name"] = f"{volume_id} {class_name}: {TITLES['instances']}"
    layer = Labels(registry.shown(volume_id, numbers), opacity=0.8, **about)
    layer.editable = False
    registry.put(volume_id, "instances", layer)


def show_suggestion(
    registry: LayerRegistry,
    volume_id: str,
    found: NDArray[np.bool_],
    clicks: Mapping[bool, Iterable[tuple[int, int]]],
) -> None:
    """Show the outline of what is suggested on a slice, and where somebody clicked.

    Parameters
    ----------
    found : (rows, columns) bool
    clicks : mapping of whether it is inside to places
    """
    record = registry.session.records[volume_id]
    width = outline_width(record)
    plane = found.astype(np.uint8)
    rows, columns = np.indices(found.shape)
    for inside, places in clicks.items():
        for row, column in places:
            near = np.hypot(rows - row, columns - column) <= 1.5 * width
            plane[near] = _INSIDE if inside else _OUTSIDE
    # the same on every slice, without its memory: it is taken away with the slice
    along = np.expand_dims(plane, record.axis)
    array = registry.shown(volume_id, np.broadcast_to(along, record.volume.shape))
    layer = registry.layer(volume_id, "suggestion")
    if not isinstance(layer, Labels):
        about = registry.about(volume_id, "suggestion")
        layer = Labels(array, opacity=1.0, **about)
        layer.editable = False
        layer.contour = 2 * width
        registry.put(volume_id, "suggestion", layer)
    layer.colormap = DirectLabelColormap(color_dict=_SUGGESTED)
    layer.data = array
    layer.visible = True


def show_heat(
    registry: LayerRegistry, volume_id: str, array: NDArray[np.uint8]
) -> None:
    """Show similarities, 0 to 255, as a heat map that follows the array."""
    layer = Image(
        registry.shown(volume_id, array),
        colormap="inferno",
        contrast_limits=(96, 255),
        opacity=0.8,
        **registry.about(volume_id, "similarity"),
    )
    registry.put(volume_id, "similarity", layer)


def show_marks(
    registry: LayerRegistry,
    volume_id: str,
    kind: str,
    places: NDArray[np.int64],
    *,
    shown: bool = True,
) -> None:
    """Mark voxels, (n, 3): ``chosen`` or ``pointed`` at on the map, or the ``cross``.

    Those of a volume that is not `shown` wait until it is.
    """
    layer = registry.layer(volume_id, kind)
    if layer is None and not len(places):
        return
    ndim = registry.ndim(volume_id)
    if layer is None:
        layer = Points(
            np.zeros((0, ndim), np.float32),
            ndim=ndim,
            size=1,
            face_color="transparent",
            border_color=COLOURS[kind],
            border_width=0.2,
            canvas_size_limits=(MARK, MARK),
            **registry.about(volume_id, kind),
        )
        layer.editable = False
        registry.put(volume_id, kind, layer)
    if isinstance(layer, Points):
        layer.data = places[:, 3 - ndim :].astype(np.float32)
        if layer.visible != shown:  # napari draws again even where they are alike
            layer.visible = shown
