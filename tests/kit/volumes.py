"""Volumes of a few voxels."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.io.volume import Volume, array_affine


def a_volume(data: np.ndarray) -> Volume:
    return Volume("v", (data,), array_affine(np.ones(3)))
