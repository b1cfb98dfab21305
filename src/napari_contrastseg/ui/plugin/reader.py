"""napari's reader of the image formats that it cannot read by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.images import read_volume
from napari_contrastseg.ui.viewer.image_layers import layers_for

if TYPE_CHECKING:
    from collections.abc import Callable

    LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]]:
    """Offer to read files of the manifest's patterns."""
    del path  # the manifest has matched its ending
    return read


def read(path: str | list[str]) -> list[LayerData]:
    """Read files as image layers, one a channel, that remember their affine and header.

    Raises
    ------
    InputError
        A file cannot be read; napari shows the sentence.
    """
    paths = [path] if isinstance(path, str) else path
    return [layer for p in paths for layer in layers_for(read_volume(Path(p)))]
