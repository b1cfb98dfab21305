"""Prediction of a large picture, by tiles, whole and by MONAI's sliding window."""

from __future__ import annotations

import pytest

from napari_contrastseg.bench.measure.prediction import prediction


@pytest.mark.slow
def test_every_way_says_how_fast_it_is_and_how_alike() -> None:
    *_, report = prediction(160, "cpu")
    assert isinstance(report, dict)
    for way in ("tiles", "whole", "sliding_window"):
        assert report[way]["voxels_per_s"] > 0
    assert report["whole"]["agreement"] == 1
    assert report["tiles"]["agreement"] > 0.99
