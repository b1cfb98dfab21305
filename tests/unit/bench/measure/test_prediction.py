"""Prediction of a large picture in four ways, which are held against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_contrastseg.bench.measure.prediction import mosaic, prediction

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_every_way_says_how_fast_it_is_and_how_alike() -> None:
    *_, report = prediction(160, "cpu")
    assert isinstance(report, dict)
    for way in ("maps", "tiles", "whole", "sliding_window"):
        assert report[way]["voxels_per_s"] > 0
    assert report["whole"]["agreement"] == 1
    assert report["maps"]["agreement"] > 0.99
    assert report["tiles"]["agreement"] > 0.99


def test_slices_side_by_side_make_a_picture(tmp_path: Path) -> None:
    slices = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    tifffile.imwrite(tmp_path / "a.tif", slices, photometric="minisblack")
    volume = mosaic(tmp_path / "a.tif", 50, (2.0, 3.0))
    assert volume.shape == (1, 50, 50)
    assert volume.spacing[1:] == pytest.approx((2, 3))
    found = np.asarray(volume.data[0])[0]
    assert np.array_equal(found[:20, :30], slices[0])
    assert np.array_equal(found[:20, 30:], slices[1, :, :20])
    assert np.array_equal(found[20:40, :30], slices[2])
