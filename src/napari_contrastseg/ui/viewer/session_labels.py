"""A labels layer of the session that napari itself saves as the mask it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_contrastseg.session.classes import BACKGROUND, NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class SessionLabels(Labels):
    """Ink or a proposal; background that was painted on purpose is saved as background.

    napari's *Save* and its writers ask for `as_layer_data_tuple`, whatever the format.

    Attributes
    ----------
    before_erasing : callable or None
        Called with the layer and the place in its array before the eraser dabs there:
        napari says nothing of voxels that hold no label.
    """

    before_erasing: Callable[[SessionLabels, Sequence[float]], None] | None = None

    def paint(
        self, coord: Sequence[float], new_label: int, refresh: bool = True
    ) -> None:
        """Dab with the brush, or with the eraser where the label is 0."""
        if new_label == NOTHING and self.before_erasing is not None:
            self.before_erasing(self, coord)
        super().paint(coord, new_label, refresh)

    @property
    def _type_string(self) -> str:
        """What napari calls the layer: it knows no others."""
        return "labels"

    def as_layer_data_tuple(self) -> tuple[Any, dict[str, Any], str]:
        """Give values, attributes and type of the layer, as a mask of class numbers."""
        data, attributes, kind = super().as_layer_data_tuple()
        values = np.asarray(data)
        return np.where(values == BACKGROUND, NOTHING, values), attributes, kind
