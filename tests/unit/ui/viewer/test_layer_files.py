"""Files that napari's own reader opened: whole, or refused as our readers would."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._layer_actions import _duplicate_layer
from PIL import Image

from napari_contrastseg.io.choice import SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.ui.viewer.image_layers import volume_from
from napari_contrastseg.ui.viewer.masks import take_layer as take_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari.layers import Layer

    from napari_contrastseg.session.session import Session

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 200, (6, 20, 24)).astype(np.uint8)


@pytest.fixture(autouse=True)
def _naparis_reader(npe2pm: Any) -> Iterator[None]:
    """Let napari read files by its own reader alone."""
    with npe2pm.tmp_plugin(package="napari"):
        yield


def opened(path: Path) -> tuple[ViewerModel, Layer]:
    viewer = ViewerModel()
    (layer,) = viewer.open(path, plugin="napari")
    assert layer.source.path == str(path)
    return viewer, layer


def two_stacks(path: Path) -> None:
    with tifffile.TiffWriter(path) as tif:
        tif.write(STACK, photometric="minisblack")
        tif.write(STACK[:4], photometric="minisblack")


def first_pages(path: Path) -> None:
    """Write a file of a copy that ended early, after two pages of six."""
    tifffile.imwrite(path, STACK, compression="lzw")
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[1].offset
    raw = bytearray(path.read_bytes())
    place += 2 + 12 * struct.unpack_from("<H", raw, place)[0]
    raw[place : place + 4] = bytes(4)
    path.write_bytes(raw)


def some_compressed(path: Path) -> None:
    """Write a stack whose first slice alone is read elsewhere; ours reads it whole."""
    with tifffile.TiffWriter(path) as tif:
        for index, page in enumerate(STACK):
            compression = "lzw" if index % 2 else None
            tif.write(page, compression=compression, metadata=None)


@pytest.mark.parametrize("make", [two_stacks, first_pages])
def test_a_layer_is_refused_with_the_sentence_of_our_reader(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    make(path)
    with pytest.raises(InputError) as ours:
        read_volume(path)
    _, layer = opened(path)
    with pytest.raises(InputError) as caught:
        volume_from([layer], "a")
    assert str(caught.value) == str(ours.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_layer_that_shows_a_part_of_its_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    some_compressed(path)
    viewer, layer = opened(path)
    assert read_volume(path).shape == STACK.shape
    with pytest.raises(InputError, match="holds 2880 voxels, but its layer a shows"):
        volume_from([layer], "a")
    viewer.layers.selection = {layer}
    _duplicate_layer(viewer.layers)
    assert volume_from([viewer.layers[-1]], "a").shape[1:] == STACK.shape[1:]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("ending", [".tif", ".png"])
def test_whole_files_are_taken(ending: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    shape = (40, 48) if channels == 1 else (40, 48, channels)
    picture = RNG.integers(0, 200, shape).astype(np.uint8)
    Image.fromarray(picture).save(path)
    _, layer = opened(path)
    volume = volume_from([layer], "a")
    assert volume.shape == (1, 40, 48)
    assert len(volume.data) == min(3, channels)


@pytest.mark.parametrize(
    "options",
    [{}, {"imagej": True}, {"bigtiff": True}],
)
def test_whole_stacks_are_taken(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, **options)
    _, layer = opened(path)
    assert volume_from([layer], "a").shape == read_volume(path).shape


def test_time_points_that_napari_shows_as_slices_are_asked_about(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, metadata={"axes": "TYX"})
    _, layer = opened(path)
    with pytest.raises(SeveralPartsError, match="6 time points") as caught:
        volume_from([layer], "a")
    assert caught.value.parts[-1].title == "all time points, as slices"


def test_a_stack_of_several_files_is_taken(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.tif" for number in range(3)]
    for path, page in zip(paths, STACK, strict=False):
        tifffile.imwrite(path, page)
    (layer,) = ViewerModel().open(paths, stack=True, plugin="napari")
    assert volume_from([layer], "a").shape == (3, 20, 24)


def test_a_file_that_has_gone_is_not_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK)
    _, layer = opened(path)
    path.unlink()
    assert volume_from([layer], "a").shape == STACK.shape


def test_a_mask_of_a_damaged_file_is_refused(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    first_pages(path)
    _, layer = opened(path)
    (name,) = session.records
    with pytest.raises(InputError, match=r"mask\.tif: is damaged or incomplete"):
        take_mask(session, name, layer, all_done=True)
    assert not session.records[name].ink.any()
