"""Draw strokes where the graphics card holds only some of a picture's pixels.

Of labels with more pixels along a side than a texture may have, napari hands every
second or third to the card, and at each dab of the brush all of these again: seconds
for one stroke in a picture of 20,000 x 20,000. Here only what a dab has changed is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels

_PLANE = 2
#: How napari's visual of a labels layer draws a dab.
_USUAL: Final = "_on_partial_labels_update"


class CoarseStrokes:
    """Draws what is painted in the layers that it watches."""

    def __init__(self) -> None:
        self._visuals: WeakKeyDictionary[Labels, Any] = WeakKeyDictionary()

    def watch(self, layer: Labels) -> None:
        """Draw the strokes of a layer that has been added to a window from now on."""
        visual = _visual_of(layer)
        if visual is not None:
            self._visuals[layer] = visual
            layer.events.labels_update.disconnect(getattr(visual, _USUAL))
            layer.events.labels_update.connect(self._on_painted)

    def forget(self, layer: Labels) -> None:
        """Leave a layer to napari."""
        visual = self._visuals.pop(layer, None)
        if visual is not None:
            layer.events.labels_update.disconnect(self._on_painted)
            layer.events.labels_update.connect(getattr(visual, _USUAL))

    def _on_painted(self, event: Any) -> None:
        visual = self._visuals[event.source]
        try:
            drawn = _draw_changed(event.source, visual, event)
        except AttributeError:  # a later napari keeps these elsewhere
            drawn = False
        if not drawn:
            getattr(visual, _USUAL)(event)


def _draw_changed(layer: Labels, visual: Any, event: Any) -> bool:
    """Hand the pixels that a dab has changed to the card; False where all fit there."""
    texture = visual.node._texture  # noqa: SLF001
    shown = layer._slice_input.displayed  # noqa: SLF001
    steps = layer._transforms["tile2data"].scale[shown].astype(int)  # noqa: SLF001
    held = -(-np.array(layer._slice.image.raw.shape) // steps)  # noqa: SLF001
    is_coarse = len(shown) == _PLANE and (steps > 1).any() and layer.loaded
    if not is_coarse or texture.shape[:_PLANE] != tuple(held):
        return False
    first = -(-np.array(event.offset) // steps)
    begin = (first * steps - event.offset).tolist()
    rows, columns = (slice(at, None, by) for at, by in zip(begin, steps, strict=True))
    part = np.ascontiguousarray(event.data[rows, columns])
    if part.size:
        texture.scale_and_set_data(part, copy=False, offset=tuple(first.tolist()))
        visual.node.update()
    return True


def _visual_of(layer: Labels) -> Any:
    """Give what draws a layer, from who listens to it; None without a window."""
    for heard in layer.events.labels_update.callbacks:
        if isinstance(heard, tuple) and heard[1] == _USUAL:
            return heard[0]()
    return None
