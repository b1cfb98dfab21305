"""Refuse napari layers that show only a part of the file they were opened from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import ending_of
from napari_contrastseg.io.images import count_voxels

if TYPE_CHECKING:
    from napari.layers import Layer

#: Key under which our reader leaves the volume in a layer's metadata.
VOLUME_KEY: Final = "contrastseg_volume"


def refuse_part_of_file(layer: Layer) -> None:
    """Refuse a layer whose file is damaged, or holds more than another reader took.

    napari shows the first image of a file, and what it finds of a truncated one.
    """
    file = Path(layer.source.path or "")
    if VOLUME_KEY in layer.metadata or not ending_of(file) or not file.is_file():
        return
    finest = layer.data[0] if layer.multiscale else layer.data
    held, shown = count_voxels(file), math.prod(finest.shape[: layer.ndim])
    if shown < held:
        raise InputError(
            f"{file}: holds {held} voxels, but its layer {layer.name} shows {shown}; "
            "save it as one stack, for example with Fiji, and open that, or duplicate "
            "the layer to use the part it shows."
        )
