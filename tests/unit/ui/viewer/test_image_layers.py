"""Layers and volumes: what is lazy is not read whole when it is added or shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image

from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.lazy_image import LazyImage
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from napari_contrastseg.ui.viewer.image_layers import (
    layer_for,
    levels_note,
    volume_from,
)
from napari_contrastseg.ui.viewer.layer_files import shows_as_it_is

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GREY = np.random.default_rng(5).integers(0, 4000, (12, 40, 36)).astype(np.uint16)


class Counting:
    """An array of slices that notes which of them are read."""

    shape, dtype, ndim = GREY.shape, GREY.dtype, GREY.ndim

    def __init__(self) -> None:
        self.read: set[int] = set()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        part = np.asarray(GREY[key])
        self.read |= {n for n in range(len(GREY)) if np.isin(GREY[n, 0], part).all()}
        return part


@pytest.fixture(autouse=True)
def _beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "0")


def from_dask(behind: Counting) -> Any:
    return dask.array.from_array(behind, (1, 40, 36))  # type: ignore[no-untyped-call]


def test_a_lazy_layer_becomes_a_volume_of_which_nothing_was_read() -> None:
    behind = Counting()
    layer = Image(from_dask(behind), name="scan", contrast_limits=(0, 4000))
    behind.read.clear()
    volume = volume_from([layer], "scan")
    assert not behind.read
    assert np.array_equal(volume.slice(0, 7)[0], GREY[7])
    behind.read.clear()
    assert np.array_equal(volume.slice(0, 7)[0], GREY[7])
    assert not behind.read


def test_the_finest_of_several_resolutions_is_taken_and_said() -> None:
    behind = Counting()
    levels = [from_dask(behind), GREY[:, ::2, ::2]]
    layer = Image(levels, name="scan", multiscale=True, contrast_limits=(0, 4000))
    volume = volume_from([layer], "scan")
    assert volume.shape == GREY.shape
    assert isinstance(volume.data[0], LazyImage)
    said = levels_note([layer], volume)
    assert said is not None
    assert "2 resolutions, of which the finest (12 x 40 x 36 voxels)" in said
    plain = Image(GREY, name="scan")
    assert levels_note([plain], volume_from([plain], "scan")) is None


def test_a_lazy_image_is_shown_slice_by_slice(tmp_path: Path) -> None:
    """With contrast limits of the slice that is shown first; napari's need them all."""
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    volume = read_volume(tmp_path / "a.tif")
    data, about, kind = layer_for(volume)
    assert kind == "image"
    assert isinstance(data, LazyImage)
    viewer = ViewerModel()
    viewer.add_image(np.zeros(GREY.shape))
    low, high = np.percentile(GREY[viewer.dims.current_step[0]], (0.5, 99.5))
    assert about["contrast_limits"] == pytest.approx((low, high), rel=1e-6)
    layer = Image(data, **about)
    layer.set_view_slice()
    assert np.array_equal(layer._slice.image.raw, GREY[0])


def test_a_layer_is_held_against_its_file_without_reading_either_whole(
    tmp_path: Path,
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    behind = Counting()
    layer = Image(from_dask(behind), name="scan", contrast_limits=(0, 4000))
    behind.read.clear()
    volume = read_volume(tmp_path / "a.tif")
    assert shows_as_it_is([layer], volume)
    assert len(behind.read) == 5
    other = Image(GREY[::-1], name="scan", contrast_limits=(0, 4000))
    assert not shows_as_it_is([other], volume)


def test_colours_of_a_large_picture_are_shown_as_the_file_has_them(
    tmp_path: Path,
) -> None:
    colours = np.random.default_rng(1).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    how: dict[str, Any] = {"tile": (16, 16), "compression": "zlib"}
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", **how)
    data, about, _ = layer_for(read_volume(tmp_path / "a.tif"))
    assert about["rgb"]
    assert isinstance(data, LazyImage)
    assert np.array_equal(np.asarray(data), colours)
