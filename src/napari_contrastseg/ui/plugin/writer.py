"""napari's writer of a labels layer as a mask with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_contrastseg.io.images import write_mask
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.ui.viewer.layer_files import VOLUME_KEY


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one labels layer; on one of our images' grids, with that geometry."""
    mask = np.asarray(data)
    mask = mask[None] if mask.ndim == 2 else mask  # noqa: PLR2004  a picture
    known = attributes.get("metadata", {}).get(VOLUME_KEY)
    if isinstance(known, Volume) and known.shape == mask.shape:
        volume = known
        mask = np.where(mask == BACKGROUND, 0, mask)
    else:
        spacing = np.ones(3)
        origin = np.zeros(3)
        scale, translate = attributes.get("scale"), attributes.get("translate")
        if scale is not None:
            spacing[-len(scale) :] = np.asarray(scale)[-3:]
        if translate is not None:
            origin[-len(translate) :] = np.asarray(translate)[-3:]
        volume = Volume("mask", (mask,), array_affine(spacing, origin))
    write_mask(Path(path), mask, volume)
    return [path]
