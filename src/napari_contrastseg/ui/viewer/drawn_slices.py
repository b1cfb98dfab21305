"""Know what napari has drawn of label layers, so that no slice is drawn twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from napari_contrastseg.io.scratch import copy_of

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

_PLANE = 2
#: Pixels of a slice whose copy shall take no time and memory where it is empty.
_LARGE = 2**24


class DrawnSlices:
    """Copies of the slices of layers as they were last handed to the graphics card.

    Drawing a layer again costs milliseconds of the window's time, and the same again
    where OpenGL is done in software; comparing a slice costs a hundredth of that.
    """

    def __init__(self) -> None:
        self._drawn: WeakKeyDictionary[Labels, NDArray[Any]] = WeakKeyDictionary()

    def watch(self, layer: Labels) -> None:
        """Follow a layer from now on."""
        layer.events.set_data.connect(self._on_drawn)
        layer.events.labels_update.connect(self._on_painted)

    def forget(self, layer: Labels) -> None:
        """Follow a layer no more."""
        layer.events.set_data.disconnect(self._on_drawn)
        layer.events.labels_update.disconnect(self._on_painted)
        self._drawn.pop(layer, None)

    def refresh(self, layer: Labels) -> None:
        """Draw a layer again if it shows something else than what its array holds."""
        drawn, now = self._drawn.get(layer), _slice_of(layer)
        if (
            drawn is None
            or not np.may_share_memory(now, np.asarray(layer.data))
            or not np.array_equal(drawn, now)
        ):
            layer.refresh(extent=False, highlight=False)

    def _on_drawn(self, event: Any) -> None:
        now = _slice_of(event.source)
        if now.ndim == _PLANE:
            copied = copy_of(now) if now.size > _LARGE else now.copy()
            self._drawn[event.source] = copied
        else:
            self._drawn.pop(event.source, None)

    def _on_painted(self, event: Any) -> None:
        """Know no more what is drawn: napari painted without handing on the slice."""
        self._drawn.pop(event.source, None)


def _slice_of(layer: Labels) -> NDArray[Any]:
    """Give what a layer shows as it lies in its array: a view of it, no copy."""
    return np.asarray(layer._slice.image.raw)  # noqa: SLF001  nothing public gives it
