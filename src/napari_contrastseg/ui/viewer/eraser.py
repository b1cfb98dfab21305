"""The eraser on the ink layer takes proposals away too: background, as a correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.painting import commit_stroke
from napari_contrastseg.ui.notify import notify_error
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.session_labels import SessionLabels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels, Layer
    from numpy.typing import NDArray

    from napari_contrastseg.ui.viewer.layer_registry import LayerRegistry

_PLANE = 2
#: Milliseconds between two looks at whether a stroke of the eraser is over.
STROKE_MS = 50


class Eraser:
    """Hears the eraser on ink layers, and corrects the proposals that it went over.

    Where there was ink, the ink alone goes.
    """

    def __init__(self, registry: LayerRegistry) -> None:
        self._registry = registry
        self._dabs: dict[str, list[tuple[NDArray[np.int64], NDArray[np.uint8]]]] = {}
        self._soon = single_shot(self._settle)
        registry.layer_made.connect(self._on_layer)

    def close(self) -> None:
        """Hear no more, of layers that stay neither."""
        self._soon.stop()
        self._registry.layer_made.disconnect(self._on_layer)
        for layer in self._registry.viewer.layers:
            if isinstance(layer, SessionLabels):
                layer.before_erasing = None

    def _on_layer(self, layer: Layer) -> None:
        key = self._registry.owner(layer)
        if key is not None and key[1] == "ink" and isinstance(layer, SessionLabels):
            layer.before_erasing = self._on_dab

    def _on_dab(self, layer: SessionLabels, place: Sequence[float]) -> None:
        """Note where the eraser dabs, and what ink there is by now."""
        key, dims = self._registry.owner(layer), self._registry.viewer.dims
        flat_view = dims.ndisplay == layer.n_edit_dimensions == _PLANE
        if key is None or not flat_view:
            return
        if self._registry.shown_of_proposal(key[0]) is None:
            return
        shown = [axis - dims.ndim + layer.ndim for axis in dims.displayed]
        shape = self._registry.session.records[key[0]].volume.shape
        places = under_brush(layer, place, sorted(shown))
        flat = np.ravel_multi_index(places, shape[-layer.ndim :])
        ink = self._registry.session.records[key[0]].ink.reshape(-1)[flat]
        self._dabs.setdefault(key[0], []).append((flat.astype(np.int64), ink))
        self._soon.start(0)

    def _settle(self) -> None:
        """Once the stroke is over, make proposals that it went over background."""
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            self._soon.start(STROKE_MS)
            return
        dabs, self._dabs = self._dabs, {}
        for volume_id, parts in dabs.items():
            if volume_id in self._registry.session.records:
                self._correct(volume_id, parts)

    def _correct(
        self, volume_id: str, parts: list[tuple[NDArray[np.int64], NDArray[np.uint8]]]
    ) -> None:
        session = self._registry.session
        shown = self._registry.shown_of_proposal(volume_id)
        if shown is None:
            return
        flat, first = np.unique(
            np.concatenate([places for places, _ in parts]), return_index=True
        )
        bare = np.concatenate([ink for _, ink in parts])[first] == NOTHING
        record = session.records[volume_id]
        proposed = record.array(shown).reshape(-1)[flat]
        wanted = bare & ~np.isin(proposed, (NOTHING, BACKGROUND))
        if not wanted.any():
            return
        places = np.unravel_index(flat[wanted], record.volume.shape)
        try:
            commit_stroke(
                session, volume_id, [(places, proposed[wanted], NOTHING)], shown
            )
        except InputError as error:
            notify_error(str(error))


def under_brush(
    layer: Labels, place: Sequence[float], shown: Sequence[int]
) -> tuple[NDArray[np.int64], ...]:
    """List the voxels of the shown plane under napari's brush: round in the world."""
    radius = layer.brush_size // 2 + 0.5
    centre = np.round(np.asarray(place)).astype(np.int64)
    scale = np.abs(np.asarray(layer.scale, np.float64))[list(shown)]
    scale /= scale.min()
    shape = layer.data.shape
    ranges = [
        np.arange(
            max(0, centre[axis] - int(radius / step)),
            min(shape[axis], centre[axis] + int(radius / step) + 1),
        )
        for axis, step in zip(shown, scale, strict=True)
    ]
    grid = np.meshgrid(*ranges, indexing="ij")
    away = sum(
        ((along - centre[axis]) * step) ** 2
        for along, axis, step in zip(grid, shown, scale, strict=True)
    )
    inside = np.asarray(away <= radius**2)
    found = [np.full(int(inside.sum()), at, np.int64) for at in centre]
    for along, axis in zip(grid, shown, strict=True):
        found[axis] = along[inside].astype(np.int64)
    return tuple(found)
