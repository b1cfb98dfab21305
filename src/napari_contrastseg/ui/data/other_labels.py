"""Strokes in napari's own labels layers: said, for they belong to no session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_contrastseg.ui.notify import notify_info

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_contrastseg.ui.workspace import Workspace


class OtherLabels(QObject):
    """Says, once a layer, that what is painted there is neither kept nor learned."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._heard: WeakSet[Layer] = WeakSet()
        self._said: WeakSet[Layer] = WeakSet()
        workspace.viewer.layers.events.inserted.connect(self._on_layer)
        for layer in workspace.viewer.layers:
            self._hear(layer)

    def close(self) -> None:
        """Let go of the layers."""
        self._workspace.viewer.layers.events.inserted.disconnect(self._on_layer)
        for layer in self._heard:
            layer.events.paint.disconnect(self._on_paint)
        self._heard.clear()

    def _on_layer(self, event: Any) -> None:
        self._hear(event.value)

    def _hear(self, layer: Layer) -> None:
        if isinstance(layer, Labels) and layer not in self._heard:
            self._heard.add(layer)
            layer.events.paint.connect(self._on_paint)

    def _on_paint(self, event: Any) -> None:
        layer, workspace = event.source, self._workspace
        if layer in self._said or workspace.registry.owner(layer) is not None:
            return
        self._said.add(layer)
        volume = workspace.active
        to_do = (
            "add the image in step Data, and paint in the layer that opens"
            if volume is None
            else f"paint in {volume}'s layer of ink, or take this layer as a mask"
        )
        notify_info(
            f"{layer.name}: this layer is not part of the session, so what you paint "
            f"in it is neither saved nor learned from; {to_do}."
        )
