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
from tests.kit.nifti import save

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
