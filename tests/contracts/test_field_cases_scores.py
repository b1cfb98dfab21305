"""Scores across formats and units: in the world, in mm only where mm are known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image
from scipy.ndimage import distance_transform_edt

from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.volume import Volume, array_affine, in_unit, spacing_note
from tests.kit.command_line import here
from tests.kit.ome_zarr import write as ome_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MASK = np.zeros((24, 20, 8), np.uint8)
MASK[3:9, 2:14, 1:5] = 1
MASK[3:6, 2:5, 5] = 1  # no mirror image is like it
MOVED = np.roll(MASK, 2, axis=0)
SPACING = (0.5, 0.5, 2.0)


def nifti(path: Path, values: NDArray[Any], unit: str = "mm", scale: float = 1) -> Path:
    image = nib.Nifti1Image(values, np.diag([*(s * scale for s in SPACING), 1]))
    image.header.set_xyzt_units(unit)
    image.to_filename(path)
    return path


def as_itk_writes(path: Path, nifti_file: Path) -> Path:
    image = SimpleITK.ReadImage(str(nifti_file))
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    SimpleITK.WriteImage(image, str(path))
    return path


def fiji(path: Path, values: NDArray[Any], unit: str) -> Path:
    tifffile.imwrite(
        path,
        values.transpose(2, 1, 0),
        imagej=True,
        resolution=(2, 2),
        metadata={"spacing": 2.0, "unit": unit, "axes": "ZYX"},
    )
    return path


def scored(mask: Path, truth: Path) -> dict[str, Any]:
    done = here("evaluate", mask, truth, "--json", "-")
    assert done.status == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def largest_distance(one: NDArray[Any], other: NDArray[Any], spacing: Any) -> float:
    """Hausdorff distance by brute force: a voxel's nearest one of the other mask."""
    away = [distance_transform_edt(m == 0, sampling=spacing) for m in (one, other)]
    return float(max(away[0][other > 0].max(), away[1][one > 0].max()))


def tiff(path: Path) -> Path:
    return as_itk_writes(path.with_suffix(".tif"), nifti(path, MASK))


def metaimage_of_no_place(path: Path) -> Path:
    made = as_itk_writes(path.with_suffix(".mhd"), nifti(path, MASK))
    text = made.read_text().splitlines(keepends=True)
    made.write_text("".join(li for li in text if not li.startswith("TransformMatrix")))
    return made


def nrrd_of_no_place(path: Path) -> Path:
    made = as_itk_writes(path.with_suffix(".nhdr"), nifti(path, MASK))
    text = made.read_text().splitlines(keepends=True)
    made.write_text("".join(li for li in text if not li.startswith("space: ")))
    return made


def zarr(path: Path) -> Path:
    made = path.with_suffix(".zarr")
    ome_zarr(made, "zyx", MASK.transpose(2, 1, 0))
    return made


def png(path: Path) -> Path:
    Image.fromarray(MASK[:, :, 2]).save(path.with_suffix(".png"))
    return path.with_suffix(".png")


NO_PLACE: dict[str, Callable[[Path], Path]] = {
    "TIFF": tiff,
    "MetaImage without directions": metaimage_of_no_place,
    "NRRD of no space": nrrd_of_no_place,
    "OME-Zarr": zarr,
    "PNG": png,
}


@pytest.mark.parametrize("kind", NO_PLACE)
def test_what_knows_no_place_is_not_compared_with_what_does(
    kind: str, tmp_path: Path
) -> None:
    """A TIFF of ITK's is the mirror image of the file it was made from."""
    other = NO_PLACE[kind](tmp_path / "a.nii")
    assert not read_volume(other).anatomical
    truth = nifti(tmp_path / "truth.nii.gz", MASK)
    for mask, label in ((other, truth), (truth, other)):
        done = here("evaluate", mask, label)
        assert (done.status, done.out) == (2, "")
        assert done.err.count("\n") == 1
        assert str(mask) in done.err
        assert str(label) in done.err
        assert "save both in one format" in done.err


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".hdr"])
def test_formats_that_know_their_place_are_compared_in_the_world(
    ending: str, tmp_path: Path
) -> None:
    truth = nifti(tmp_path / "truth.nii.gz", MASK)
    moved = nifti(tmp_path / "moved.nii.gz", MOVED)
    same = scored(as_itk_writes(tmp_path / f"a{ending}", truth), truth)
    assert (same["mean_dice"], same["hd"]) == (1.0, 0.0)
    off = scored(as_itk_writes(tmp_path / f"b{ending}", moved), truth)
    overlap = 2 * (MASK & MOVED).sum() / (2 * MASK.sum())
    assert off["mean_dice"] == pytest.approx(overlap, abs=1e-4)
    expected = largest_distance(MASK, MOVED, SPACING)
    assert off["hd"] == pytest.approx(expected)
    assert off["unit"] == "mm"


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm", 1.0), ("micron", 1e-3), ("meter", 1e3), ("unknown", 1)]
)
def test_units_that_a_nifti_file_states_are_those_of_its_distances(
    unit: str, factor: float, tmp_path: Path
) -> None:
    truth = nifti(tmp_path / "truth.nii.gz", MASK, unit)
    found = scored(nifti(tmp_path / "mask.nii.gz", MOVED, unit), truth)
    expected = largest_distance(MASK, MOVED, SPACING) * factor
    assert found["unit"] == "mm"
    assert found["hd"] == pytest.approx(expected, rel=1e-4)
    assert found["hd95_mm"] == found["hd95"]
    assert 0 < found["assd"] < found["hd95"] <= found["hd"]


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm", 1.0), ("micron", 1e-3), ("cm", 10.0), ("nm", 1e-6)]
)
def test_units_that_imagej_states_are_those_of_its_distances(
    unit: str, factor: float, tmp_path: Path
) -> None:
    truth = fiji(tmp_path / "truth.tif", MASK, unit)
    found = scored(fiji(tmp_path / "mask.tif", MOVED, unit), truth)
    expected = largest_distance(MASK, MOVED, SPACING) * factor
    assert found["unit"] == "mm"
    assert found["hd"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("unit", ["pixel", ""])
def test_without_a_unit_no_mm_are_claimed_and_the_ratio_of_sides_counts(
    unit: str, tmp_path: Path
) -> None:
    truth = fiji(tmp_path / "truth.tif", MASK, unit)
    found = scored(fiji(tmp_path / "mask.tif", np.roll(MASK, 1, 2), unit), truth)
    assert found["unit"] == "pixel"
    assert found["hd95_mm"] is None
    assert found["assd_mm"] is None
    assert found["hd95_mm_per_class"] == {}
    assert found["hd"] == pytest.approx(2.0)  # one slice, four times a pixel's side


def test_a_voxel_size_of_zero_gives_no_mm(tmp_path: Path) -> None:
    for name, values in (("truth.nii", MASK), ("mask.nii", MOVED)):
        path = nifti(tmp_path / name, values)
        raw = bytearray(path.read_bytes())
        header = np.frombuffer(raw, nib.Nifti1Header.template_dtype, 1)
        header["pixdim"][0, 1:4] = 0
        header["sform_code"], header["qform_code"] = 0, 0
        path.write_bytes(raw)
    found = scored(tmp_path / "mask.nii", tmp_path / "truth.nii")
    assert found["unit"] == "pixel"
    assert found["hd95_mm"] is None


def test_cases_of_different_units_have_no_mean_distance(tmp_path: Path) -> None:
    for folder, values in (("truth", MASK), ("mask", MOVED)):
        (tmp_path / folder).mkdir()
        fiji(tmp_path / folder / "a.tif", values, "mm")
        fiji(tmp_path / folder / "b.tif", values, "pixel")
    found = scored(tmp_path / "mask", tmp_path / "truth")
    assert found["cases"] == 2
    assert found["mean_dice"] is not None
    assert (found["unit"], found["hd95"], found["hd95_mm"]) == (None, None, None)


def test_sizes_without_a_unit_are_written_without_one(tmp_path: Path) -> None:
    assert in_unit([0.1, 2], "mm") == "0.1 x 2 mm"
    assert in_unit([0.1, 2], "pixel") == "0.1 x 2"
    grey = np.arange(8 * 20 * 24, dtype=np.uint16).reshape(8, 20, 24)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="minisblack")
    odd = read_volume(tmp_path / "a.tif")
    usual = Volume("u", (grey,), array_affine(np.array([1, 0.2, 0.2])))
    said = spacing_note([usual, usual, odd], 0)
    assert said is not None
    assert "a: has pixels of 1 x 1, the cohort mostly 0.2 x 0.2; its slices" in said
    assert "mm" not in said


def test_a_mask_that_lies_elsewhere_is_refused_whatever_its_format(
    tmp_path: Path,
) -> None:
    truth = nifti(tmp_path / "truth.nii.gz", MASK)
    image = SimpleITK.ReadImage(str(truth))
    image.SetOrigin((3.0, 0, 0))
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    done = here("evaluate", tmp_path / "a.mha", truth)
    assert done.status == 2
    assert "lies elsewhere in the world" in done.err
    assert "6 voxels off" in done.err
