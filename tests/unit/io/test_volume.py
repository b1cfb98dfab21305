"""Volumes and the axis they are sliced along."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.io.volume import Volume, array_affine, default_axis


def test_a_single_picture_has_one_slice() -> None:
    """Whatever the shape of its pixels: OCT and ultrasound have oblong ones."""
    for spacing in ((1.0, 1.0, 1.0), (1.0, 1.0, 2.0), (1.0, 2.0, 5.0)):
        affine = array_affine(np.array(spacing))
        picture = Volume("a", (np.zeros((1, 50, 60), np.float32),), affine)
        assert default_axis(picture) == 0
