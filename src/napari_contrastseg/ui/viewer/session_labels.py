"""A labels layer of the session that napari itself saves as the mask it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels

from napari_contrastseg.session.classes import BACKGROUND, NOTHING


class SessionLabels(Labels):
    """Ink or a proposal; background that was painted on purpose is saved as background.

    napari's *Save* and its writers ask for `as_layer_data_tuple`, whatever the format.
    """

    @property
    def _type_string(self) -> str:
        """What napari calls the layer: it knows no others."""
        return "labels"

    def as_layer_data_tuple(self) -> tuple[Any, dict[str, Any], str]:
        """Give values, attributes and type of the layer, as a mask of class numbers."""
        data, attributes, kind = super().as_layer_data_tuple()
        values = np.asarray(data)
        return np.where(values == BACKGROUND, NOTHING, values), attributes, kind
