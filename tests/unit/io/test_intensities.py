"""Intensity ranges, fill values and grey values of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from napari_contrastseg.io.intensities import (
    INTENSITY_SAMPLE,
    fill_note,
    intensity_range,
    levelled,
)
from tests.kit.volumes import a_volume

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.mark.parametrize("value", [-3.4028235e38, -1e30, -32768.0, np.nan, -np.inf])
def test_fill_values_leave_an_image_its_contrast(value: float) -> None:
    """An eighth of it is outside; the rest is as if there were nothing outside."""
    grey = np.random.default_rng(0).normal(300, 60, (8, 20, 20)).astype(np.float32)
    filled = grey.copy()
    filled[0] = value
    low, high = intensity_range(a_volume(filled), 0)
    wanted = np.percentile(grey[1:], (0.5, 99.5))
    assert np.allclose((low.item(), high.item()), wanted)
    at = levelled(a_volume(filled), 0)
    assert np.isclose(at(3).std(), grey[3].std() / np.ptp(wanted))
    assert np.isfinite(at(0)).all()
    if value > -np.inf:
        assert (at(0) == 0).all(), "black"


def test_a_fill_value_is_named() -> None:
    grey = np.random.default_rng(0).normal(300, 60, (8, 20, 20)).astype(np.float32)
    assert fill_note(a_volume(grey), 0) is None
    assert fill_note(a_volume(np.full_like(grey, np.nan)), 0) is None
    grey[0] = -1e30
    note = fill_note(a_volume(grey), 0)
    assert note is not None
    assert "many voxels hold -1e+30" in note


class _Counted:
    """An array that counts the voxels that are read of it."""

    def __init__(self, values: NDArray[np.uint16]) -> None:
        self.shape, self.dtype = values.shape, values.dtype
        self._values, self.read = values, 0

    def __getitem__(self, key: Any) -> NDArray[np.uint16]:
        found = np.asarray(self._values[key])
        self.read += found.size
        return found


@pytest.mark.parametrize("shape", [(1, 3000, 4000), (9, 1500, 1500)])
def test_of_large_slices_a_part_is_looked_at(shape: tuple[int, int, int]) -> None:
    """Brightness grows along the rows; the first and the last slice are black."""
    ramp = np.linspace(100, 60_000, shape[1]).astype(np.uint16)[:, None]
    values = np.broadcast_to(ramp, shape).copy()
    if shape[0] > 1:
        values[[0, -1]] = 0
    counted = _Counted(values)
    low, high = intensity_range(a_volume(cast("Any", counted)), 0)
    assert counted.read <= INTENSITY_SAMPLE
    wanted = np.percentile(values, (0.5, 99.5))
    assert np.allclose((low.item(), high.item()), wanted, atol=600)
