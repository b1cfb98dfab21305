"""Which volumes keep their layers, and how the layers of the others looked.

napari takes long to make a layer and to take it away, and each one that is there makes
every change slower. So volumes that nobody has looked at for a while have none; these
are made again when the volume is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari.layers import Image, Labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

#: Volumes that keep their layers. With more of them one goes to and fro sooner, with
#: fewer one leaves the session sooner; `contrastseg bench ui` measures both.
KEPT: Final = 6
#: What a person may change about a layer, and finds as it was.
_OF_ALL: Final = ("name", "opacity", "blending")
_OF_LABELS: Final = ("brush_size",)
_OF_IMAGES: Final = ("interpolation2d", "interpolation3d", "rendering")
_OF_GREY: Final = ("contrast_limits_range", "contrast_limits", "gamma", "colormap")


class LatelyShown:
    """The volumes that have layers to paint in, the one shown last first."""

    def __init__(self) -> None:
        self._order: list[str] = []

    def note(self, volume_id: str) -> None:
        """Note that a volume is shown."""
        self.forget(volume_id)
        self._order.insert(0, volume_id)

    def forget(self, volume_id: str) -> None:
        """Take a volume off that has no layers to paint in any more."""
        self._order = [name for name in self._order if name != volume_id]

    def __contains__(self, volume_id: str) -> bool:
        return volume_id in self._order

    @property
    def past(self) -> list[str]:
        """Give the volumes that were shown too long ago to keep their layers."""
        return self._order[KEPT:]


class LayerLooks:
    """How layers looked that were taken away and will be made again."""

    def __init__(self) -> None:
        self._looks: dict[tuple[str, str], dict[str, Any]] = {}

    def keep(self, key: tuple[str, str], layer: Layer) -> None:
        """Keep how a layer looks, by its volume and kind."""
        self._looks[key] = {what: getattr(layer, what) for what in _aspects(layer)}

    def give_back(self, key: tuple[str, str], layer: Layer) -> bool:
        """Let a layer that was made again look as before; whether there was one."""
        look = self._looks.pop(key, None)
        for what, value in (look or {}).items():
            setattr(layer, what, value)
        return look is not None

    def forget(self, volume_id: str) -> None:
        """Forget a volume that is gone."""
        self._looks = {k: look for k, look in self._looks.items() if k[0] != volume_id}


def _aspects(layer: Layer) -> Iterable[str]:
    if isinstance(layer, Image):
        return (*_OF_ALL, *_OF_IMAGES, *(() if layer.rgb else _OF_GREY))
    return (*_OF_ALL, *(_OF_LABELS if isinstance(layer, Labels) else ()))
