"""CZI, LIF and ND2 through a stand-in for bioio: real files have not been tried."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.io import images
from napari_contrastseg.io.choice import Choice, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

DATA = np.arange(3 * 2 * 4 * 5 * 6, dtype=np.uint16).reshape(3, 2, 4, 5, 6)


class UnsupportedFileFormatError(Exception):
    """As bioio raises where no reader is installed."""


class StandIn:
    """The part of `bioio.BioImage` that is used, of axes TCZYX."""

    scenes = ("left", "right")
    sizes = SimpleNamespace(Z=2.0, Y=0.5, X=0.25)
    moments = 3
    channel_names = ("DAPI", "GFP")
    dtype = np.dtype(np.uint16)

    def __init__(self, path: Path) -> None:
        if path.suffix == ".lif":
            raise UnsupportedFileFormatError(path)
        self.scene = self.scenes[0]

    def set_scene(self, scene: str) -> None:
        self.scene = scene

    @property
    def dims(self) -> Any:
        return SimpleNamespace(order="TCZYX", shape=(self.moments, *DATA.shape[1:]))

    @property
    def physical_pixel_sizes(self) -> Any:
        return self.sizes

    def get_image_data(self, order: str, T: int) -> Any:  # noqa: N803  as bioio's
        assert order == "CZYX"
        return DATA[T] + 1000 * self.scenes.index(self.scene)

    get_image_dask_data = get_image_data  # numpy's arrays are cut as dask's are


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(sys.modules, "bioio", SimpleNamespace(BioImage=StandIn))
    file = tmp_path / "a.czi"
    file.write_bytes(b"ZISRAWFILE")
    return file


@pytest.mark.parametrize("memory", ["4 GB", "0"])
def test_scenes_and_times_are_chosen(
    path: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, memory)
    with pytest.raises(SeveralPartsError, match=r"6 images .*'scene 0, time 0' \(left"):
        images.read_volume(path)
    volume = images.read_volume(path, choice=Choice("scene 1, time 2"))
    assert np.array_equal(np.stack(volume.data), DATA[2] + 1000)
    assert volume.channels == ("DAPI", "GFP")
    assert volume.source.unit == "mm"
    assert np.allclose(volume.spacing, [2e-3, 5e-4, 2.5e-4])


def test_one_scene_needs_no_choice_and_no_size_is_claimed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StandIn, "scenes", ("only",))
    monkeypatch.setattr(StandIn, "moments", 1)
    monkeypatch.setattr(StandIn, "sizes", SimpleNamespace(Z=None, Y=0.5, X=0.5))
    volume = images.read_volume(path)
    assert volume.source.unit == "pixel"
    assert images.parts_of(path) == ()
    assert images.count_voxels(path) == 4 * 5 * 6


def test_what_is_not_installed_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = path.with_suffix(".lif")
    other.write_bytes(b"p")
    with pytest.raises(InputError, match="pip install bioio-lif"):
        images.read_volume(other)
    monkeypatch.setitem(sys.modules, "bioio", None)
    with pytest.raises(InputError, match=r"napari-contrastseg\[microscopy\]"):
        images.read_volume(path)
