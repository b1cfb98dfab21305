"""Which napari layers show a volume, where its voxels lie in them, and what is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.ui.viewer.image_layers import placement

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

#: ``image`` (further channels: ``image 1`` ...), ``ink``, ``origin``, the proposals'.
LayerKind = str
#: What of a proposal is on the screen: all of it, or only what is sure.
ShownKind = Literal["prediction", "pseudo"]
#: What a layer's name says of it.
TITLES: Final[dict[LayerKind, str]] = {
    "ink": "ink",
    "pseudo": "sure",
    "prediction": "proposal",
    "confidence": "confidence",
    "origin": "origin",
    "difference": "difference",
    "similarity": "similarity",
    "chosen": "chosen on the map",
    "pointed": "pointed at on the map",
    "cross": "cross of the three views",
    "instances": "numbered pieces, not learned from",
    "suggestion": "suggestion",
    "solid": "in 3-D",
    "solid image": "image in 3-D",
}
#: Layers of a proposal, the one that shows more first, and the faintest that is seen.
SHOWN: Final[tuple[ShownKind, ...]] = ("prediction", "pseudo")
_FAINTEST: Final = 0.05
_REFERENCES: Final = ("ink", "image", "prediction")
_PLANE = 2


class KnownLayers:
    """The layers of the session's volumes, by volume and by what they show of it."""

    def __init__(self) -> None:
        self._layers: dict[tuple[str, LayerKind], Layer] = {}

    def layer(self, volume_id: str, kind: LayerKind) -> Layer | None:
        """Find a layer; None once the person has deleted it."""
        return self._layers.get((volume_id, kind))

    def owner(self, layer: Layer | None) -> tuple[str, LayerKind] | None:
        """Find the volume that a layer belongs to, and what it shows of it."""
        for key, known in self._layers.items():
            if known is layer:
                return key
        return None

    def voxel(self, volume_id: str, world: Any) -> tuple[int, ...]:
        """Voxel of a volume at a place in napari's world."""
        layer = self._reference(volume_id)
        place = np.asarray(layer.world_to_data(world))[-layer.ndim :]
        index = [round(float(x)) for x in place]
        return tuple(([0] * (3 - len(index))) + index)

    def world(self, volume_id: str, voxel: tuple[int, ...]) -> NDArray[np.float64]:
        """Place in napari's world of a voxel of a volume."""
        layer = self._reference(volume_id)
        place = np.asarray(layer.data_to_world(voxel[-layer.ndim :]))
        return place[-layer.ndim :].astype(np.float64)

    def all_world(
        self, volume_id: str, voxels: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Places in napari's world of voxels of a volume, (n, 3) to (n, ndim)."""
        layer = self._reference(volume_id)
        ends = np.vstack([np.zeros(layer.ndim), np.eye(layer.ndim)])
        zero, *ones = (np.asarray(layer.data_to_world(e))[-layer.ndim :] for e in ends)
        turn = np.stack(ones) - zero
        return np.asarray(voxels[:, 3 - layer.ndim :] @ turn + zero)

    def _reference(self, volume_id: str) -> Layer:
        for kind in _REFERENCES:
            layer = self._layers.get((volume_id, kind))
            if layer is not None:
                return layer
        raise InputError(
            f"{volume_id}: none of its layers is open; choose it at the top of the "
            "dock."
        )

    def about(self, volume_id: str, kind: LayerKind) -> dict[str, Any]:
        """Name and placement of a layer to be `put`."""
        name = f"{volume_id} {TITLES[kind]}"
        return {"name": name, **placement(self._reference(volume_id))}

    def is_open(self, volume_id: str) -> bool:
        """Whether a layer is there that says where a volume lies."""
        return any((volume_id, kind) in self._layers for kind in _REFERENCES)

    def ndim(self, volume_id: str) -> int:
        """Dimensions of a volume's layers: 2 for a picture."""
        return int(self._reference(volume_id).ndim)

    def shown(self, volume_id: str, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array as its layer shows it: a plane for 2-D layers; no copy."""
        flat = self._reference(volume_id).ndim == _PLANE
        return array[0] if flat else array

    def shown_of_proposal(self, volume_id: str) -> ShownKind | None:
        """Give what of a volume's proposal is on the screen; None: nothing."""
        for kind in SHOWN:
            layer = self._layers.get((volume_id, kind))
            if layer is not None and layer.visible and layer.opacity >= _FAINTEST:
                return kind
        return None

    def show_of_proposal(self, volume_id: str, wanted: ShownKind | None) -> None:
        """Show all of a volume's proposal, only what is sure, or nothing of it."""
        visible = {"prediction": wanted == "prediction", "pseudo": wanted is not None}
        for kind, shown in visible.items():
            layer = self._layers.get((volume_id, kind))
            if layer is not None:
                set_visible(layer, shown)


def set_visible(layer: Layer, visible: bool) -> None:
    """Show or hide a layer; napari draws it again even where nothing changes."""
    if layer.visible != visible:
        layer.visible = visible
