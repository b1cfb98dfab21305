"""Layers of a volume as what a plane is drawn from: data, colours, opacity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels

from napari_contrastseg.ui.views.plane_image import Coat

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.workspace import Workspace

#: Kinds of layers that are drawn; the others mark places or compare rounds.
_DRAWN: Final = frozenset({"image", "ink", "prediction", "pseudo"})
_LEVELS: Final = np.linspace(0, 1, 256)
_NUMBERS: Final = np.arange(256, dtype=np.uint8)


def coats_of(workspace: Workspace, record: VolumeRecord) -> tuple[Coat, ...]:
    """Give the shown layers of a volume, the lowest first; arrays are shared."""
    found = []
    for layer in workspace.viewer.layers:
        owner = workspace.registry.owner(layer)
        if owner is None or owner[0] != record.volume.id or not layer.visible:
            continue
        kind, _, number = owner[1].partition(" ")
        if kind in _DRAWN:
            found.append(_coat(layer, record, kind, int(number or 0)))
    return tuple(found)


def _coat(layer: Layer, record: VolumeRecord, kind: str, channel: int) -> Coat:
    if isinstance(layer, Labels):
        return Coat(
            (record.array(kind),),
            np.asarray(layer.colormap.map(_NUMBERS), np.float32),
            opacity=float(layer.opacity),
            outlined=layer.contour > 0,
        )
    assert isinstance(layer, Image)
    data = record.volume.data
    limits: Any = tuple(layer.contrast_limits)
    if layer.rgb and layer.dtype != np.uint8:
        limits = (0.0, 1.0)
    elif layer.rgb:
        limits = (0.0, 255.0)
    return Coat(
        data if layer.rgb else (data[channel],),
        np.asarray(layer.colormap.map(_LEVELS), np.float32),
        limits=limits,
        gamma=float(layer.gamma),
        opacity=float(layer.opacity),
        additive=layer.blending == "additive",
    )
