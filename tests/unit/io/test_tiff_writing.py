"""TIFF masks: whole, packed, with voxel size and unit; read by tifffile and ITK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_contrastseg.io import tiff_writing
from napari_contrastseg.io.images import read_volume, write_map, write_mask
from napari_contrastseg.io.volume import Source, Volume, array_affine

if TYPE_CHECKING:
    from pathlib import Path


MASK = np.random.default_rng(0).integers(0, 4, (5, 9, 7)).astype(np.uint8)
#: mm along z, y, x, and how a microscopist would say that.
SIZES = {
    "mm": ((2.0, 0.5, 0.25), (2.0, 0.5, 0.25), "mm"),
    "micrometres": ((3e-3, 1e-4, 2e-4), (3.0, 0.1, 0.2), "µm"),
}


def volume(spacing: tuple[float, ...], **source: Any) -> Volume:
    affine = array_affine(np.array(spacing))
    return Volume("a", (np.zeros(MASK.shape),), affine, source=Source(**source))


def sizes_of_imagej(path: Path) -> tuple[Any, str]:
    with tifffile.TiffFile(path) as tif:
        about = tif.imagej_metadata
        assert about is not None
        tags = tif.pages.first.tags
        y, x = (tags[f"{a}Resolution"].value for a in "YX")
    return (about["spacing"], y[1] / y[0], x[1] / x[0]), about["unit"]


def sizes_of_ome(path: Path) -> tuple[Any, set[str]]:
    with tifffile.TiffFile(path) as tif:
        assert tif.ome_metadata is not None
        root = ET.fromstring(tif.ome_metadata)
    (pixels,) = (e for e in root.iter() if e.tag.endswith("}Pixels"))
    sizes = tuple(float(pixels.attrib[f"PhysicalSize{a}"]) for a in "ZYX")
    return sizes, {pixels.attrib[f"PhysicalSize{a}Unit"] for a in "ZYX"}


@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize("ending", [".tif", ".ome.tif"])
def test_voxel_size_and_unit_are_what_they_were(
    case: str, ending: str, tmp_path: Path
) -> None:
    spacing, wanted, unit = SIZES[case]
    path = tmp_path / f"a{ending}"
    write_mask(path, MASK, volume(spacing))
    if ending == ".tif":
        found, word = sizes_of_imagej(path)
        assert word == {"mm": "mm", "µm": "micron"}[unit]
    else:
        found, words = sizes_of_ome(path)
        assert words == {unit}
    assert found == pytest.approx(wanted, rel=1e-6)
    assert np.array_equal(tifffile.imread(path), MASK)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), MASK)


@pytest.mark.parametrize("ending", [".tif", ".ome.tif"])
def test_a_unit_that_nobody_knows_stays_unknown(ending: str, tmp_path: Path) -> None:
    """How the sides of a voxel are related is kept."""
    path = tmp_path / f"a{ending}"
    write_mask(path, MASK, volume((3.0, 1.0, 1.0), unit="pixel"))
    if ending == ".tif":
        assert sizes_of_imagej(path) == (pytest.approx((3.0, 1.0, 1.0)), "pixel")
    else:
        assert sizes_of_ome(path) == (pytest.approx((3.0, 1.0, 1.0)), {"pixel"})


@pytest.mark.parametrize("ending", [".tif", ".ome.tif"])
def test_masks_are_packed(ending: str, tmp_path: Path) -> None:
    path, mask = tmp_path / f"a{ending}", np.zeros((40, 300, 300), np.uint8)
    mask[3, 20:40, 50:70] = 1
    affine = array_affine(np.ones(3))
    write_mask(path, mask, Volume("a", (mask,), affine))
    assert path.stat().st_size < mask.nbytes / 50
    assert np.array_equal(tifffile.imread(path), mask)


def test_what_is_too_large_for_imagej_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ImageJ's kind would be cut to one page without a word."""
    monkeypatch.setattr(tiff_writing, "MOST_OF_IMAGEJ", MASK.nbytes - 1)
    path = tmp_path / "a.tif"
    write_mask(path, MASK, volume((2.0, 0.5, 0.25)))
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
        assert len(tif.pages) == len(MASK)
        assert np.array_equal(tif.asarray(), MASK)
    assert sizes_of_ome(path) == (pytest.approx((2.0, 0.5, 0.25)), {"mm"})


@pytest.mark.slow
def test_more_than_four_gigabytes_are_written_whole(tmp_path: Path) -> None:
    mask = np.zeros((5, 30_000, 30_000), np.uint8)
    mask[4, 29_999, 29_999] = 3
    path = tmp_path / "a.tif"
    write_mask(path, mask, Volume("a", (mask,), array_affine(np.ones(3))))
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
        assert tif.series[0].shape == mask.shape
        assert tif.pages[4].asarray()[29_999, 29_999] == 3


@pytest.mark.parametrize("ending", [".tif", ".ome.tif"])
def test_real_values_are_kept_exactly(ending: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(MASK.shape).astype(np.float32)
    path = tmp_path / f"a{ending}"
    write_map(path, values, volume((2.0, 0.5, 0.25)))
    assert np.array_equal(tifffile.imread(path), values)


@pytest.mark.parametrize("ending", [".tif", ".ome.tif"])
@pytest.mark.parametrize(
    "shape", [(4, 9, 3), (4, 9, 4), (4, 9, 1), (4, 1, 9), (1, 9, 1), (1, 9, 3)]
)
def test_thin_stacks_are_neither_colours_nor_samples(
    shape: tuple[int, int, int], ending: str, tmp_path: Path
) -> None:
    """Thin slabs of a scan, whose last axis has a few voxels."""
    mask = np.random.default_rng(0).integers(1, 4, shape).astype(np.uint8)
    affine = array_affine(np.array((2.0, 0.5, 0.25)))
    path = tmp_path / f"a{ending}"
    write_mask(path, mask, Volume("a", (mask,), affine))
    found = read_volume(path)
    assert np.array_equal(found.data[0], mask)
    assert found.spacing == pytest.approx((2.0, 0.5, 0.25))
    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(path))).ravel(), mask.ravel()
    )
