"""Features of slices, from their pixels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.insight.slice_features import slice_features
from napari_contrastseg.io.volume import Volume


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_features_are_means_on_a_grid(axis: int) -> None:
    image = np.random.default_rng(0).normal(size=(32, 48, 64))
    found = slice_features(Volume("v", (image,), np.eye(4)), axis)
    planes = np.moveaxis(image, axis, 0)
    n, h, w = planes.shape
    means = planes.reshape(n, 16, h // 16, 16, w // 16).mean(axis=(2, 4))
    expected = (means - means.mean()) / means.std()
    assert found == pytest.approx(expected.reshape(n, -1))


def test_features_of_thin_constant_and_broken_slices_are_numbers() -> None:
    image = np.full((3, 5, 1), 7.0)
    image[1, 2] = np.nan
    found = slice_features(Volume("v", (image, np.ones((3, 5, 1))), np.eye(4)), 0)
    assert found.shape == (3, 10)
    assert np.isfinite(found).all()
