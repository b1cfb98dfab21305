"""napari's reader: all channels of a file come as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from napari.layers import Image

from napari_contrastseg.ui.plugin.reader import get_reader
from napari_contrastseg.ui.viewer.image_layers import volume_from

if TYPE_CHECKING:
    from pathlib import Path


def test_each_channel_of_a_file_is_a_layer(tmp_path: Path) -> None:
    channels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    path = tmp_path / "two.tif"
    stored = channels.swapaxes(0, 1)  # ImageJ's order is z, c, y, x
    tifffile.imwrite(path, stored, imagej=True, metadata={"axes": "ZCYX"})
    read = get_reader(str(path))
    assert read is not None
    made = read([str(path)])
    assert len(made) == 2
    layers = []
    for channel, (data, about, kind) in zip(channels, made, strict=True):
        assert kind == "image"
        assert np.array_equal(data, channel)
        layers.append(Image(data, **about))
    volume = volume_from(layers, "two")
    assert np.array_equal(np.stack(volume.data), channels)
