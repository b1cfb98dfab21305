"""Images of any format: damage, names, colours."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_contrastseg.io import images
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Volume
from tests.kit.nifti import load, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("keep", [0, 10, 200, 0.5])
def test_truncated_files_say_so(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "t.nii.gz"
    rng = np.random.default_rng(0)
    save(path, rng.integers(0, 9, (20, 20, 20)).astype(np.int16), np.eye(4))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])
    with pytest.raises(InputError, match=r"t\.nii\.gz: .*(damaged|is an empty)"):
        images.read_volume(path)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.tif", "x.png"])
def test_rubbish_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"rubbish" * 100))
    with pytest.raises(InputError, match=name):
        images.read_volume(tmp_path / name)


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        images.read_volume(tmp_path / "none.nii.gz")
    with pytest.raises(InputError, match="not of a kind"):
        images.read_volume(tmp_path / "a.docx")


def test_colour_pictures_have_three_channels(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (12, 14, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", picture, photometric="rgb")
    volume = images.read_volume(tmp_path / "c.tif")
    assert volume.channels == ("red", "green", "blue")
    assert volume.shape == (1, 12, 14)
    assert volume.kind == "stack"
    assert np.array_equal(volume.data[1][0], picture[..., 1])


@pytest.mark.parametrize(("samples", "channels"), [(2, 1), (4, 3)])
def test_transparency_is_no_channel(
    tmp_path: Path, samples: int, channels: int
) -> None:
    path = tmp_path / "p.png"
    iio.imwrite(path, np.zeros((8, 8, samples), np.uint8))
    assert len(images.read_volume(path).channels) == channels


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, "no number"), (0.4, "fractions"), (1e30, "too large")],
)
def test_what_no_mask_holds_is_named(tmp_path: Path, value: float, said: str) -> None:
    path = tmp_path / "mask.nii.gz"
    labels = np.ones((2, 3, 4), np.float32)
    labels[1, 1, 1] = value
    save(path, labels, np.eye(4))
    with pytest.raises(InputError, match=said):
        images.read_labels(path)


def test_the_image_itself_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    save(path, np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    before = path.read_bytes()
    volume = images.read_volume(path)
    for write in (images.write_mask, images.write_map):
        with pytest.raises(InputError, match="is the image itself"):
            write(path, np.zeros(volume.shape, np.uint8), volume)
    assert path.read_bytes() == before


def test_file_names_are_safe_and_different() -> None:
    names = images.file_names(["a/b", "a:b", "../x", "  "])
    assert names == {"a/b": "a_b", "a:b": "a_b (2)", "../x": "_x", "  ": "volume"}


def test_exported_files_have_names_that_every_system_takes() -> None:
    """Windows takes some names for devices, and upper for lower case, as macOS does."""
    names = ["nul", "COM1.scan", "Lpt9", "console", "Heart", "heart", "a:b/c", "end. "]
    assert images.file_stems(names) == [
        *("_nul", "_COM1.scan", "_Lpt9", "console"),
        *("Heart", "heart (2)", "a_b_c", "end"),
    ]


@pytest.mark.parametrize("name", ["m.png", "folder"])
@pytest.mark.parametrize("value", [65536, -1])
def test_png_refuses_what_it_cannot_hold(tmp_path: Path, name: str, value: int) -> None:
    mask = np.zeros((1, 4, 5), np.int64)
    volume = Volume("a", (mask,), np.eye(4))
    mask[0, 1, 2] = 65535
    images.write_mask(tmp_path / name, mask, volume)
    (file,) = (path for path in tmp_path.rglob("*.png"))
    assert np.array_equal(iio.imread(file), mask[0])
    mask[0, 1, 2] = value
    with pytest.raises(InputError, match="PNG holds numbers from 0 to 65535"):
        images.write_mask(tmp_path / name, mask, volume)
    assert iio.imread(file).max() == 65535


def test_negative_numbers_are_not_pressed_into_bytes(tmp_path: Path) -> None:
    """The data type of the image is kept where it holds the mask's numbers."""
    bytes_ = save(tmp_path / "a.nii", np.zeros((5, 4, 3), np.uint8), np.eye(4))
    volume = images.read_volume(bytes_)
    mask = np.full(volume.shape, 3)
    mask[0, 0, 0] = -40000
    images.write_mask(tmp_path / "m.nii", mask, volume)
    found = load(tmp_path / "m.nii")
    assert found.get_data_dtype() == np.int32
    assert np.array_equal(volume.source.to_volume_order(found.dataobj), mask)
