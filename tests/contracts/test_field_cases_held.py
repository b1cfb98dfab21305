"""What files of people did right already, and must go on doing right."""

from __future__ import annotations

import json
import shutil
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from napari_contrastseg.io.dataset import read_dataset, read_truth
from napari_contrastseg.io.geometry import corner_distance
from napari_contrastseg.io.images import read_labels, read_volume, write_mask
from napari_contrastseg.tasks.splits import Labels, read_training, split_cases

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (24, 20, 8)
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 2000, SHAPE).astype(np.int16)
ORDERS = list(product(permutations(range(3)), product((1, -1), repeat=3)))


def turn(degrees: float) -> NDArray[np.float64]:
    """A rotation about two axes of the world."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    other = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.asarray(one @ other)


def placed(order: Any, signs: Any, degrees: float) -> NDArray[np.float64]:
    affine = np.eye(4)
    steps = np.eye(3)[:, list(order)] * signs * np.array([0.7, 0.9, 4.0])
    affine[:3, :3] = turn(degrees) @ steps
    affine[:3, 3] = (-31, 12.5, 700)
    return affine


def corners(path: Path) -> NDArray[np.float64]:
    """World places of a grid's corners as ITK finds them, RAS."""
    image = SimpleITK.ReadImage(str(path))
    found = product(*((0, n - 1) for n in image.GetSize()))
    lps = [image.TransformIndexToPhysicalPoint(c) for c in found]
    return np.array(lps) * (-1, -1, 1)


@pytest.mark.parametrize("degrees", [0, 10, 45])
def test_masks_of_all_storage_orders_lie_on_their_image(
    degrees: float, tmp_path: Path
) -> None:
    """By nibabel and by ITK; with one voxel painted, at its place in the world."""
    assert len(ORDERS) == 48
    for order, signs in ORDERS:
        affine = placed(order, signs, degrees)
        image = nib.Nifti1Image(GREY, affine)
        image.set_sform(affine, 1)
        image.set_qform(affine, 3)
        image.header.set_xyzt_units("mm")
        image.to_filename(tmp_path / "a.nii")
        volume = read_volume(tmp_path / "a.nii")
        (here,) = np.argwhere(np.asarray(volume.data[0]) == GREY[3, 5, 7])[:1]
        mask = (np.asarray(volume.data[0]) == GREY[3, 5, 7]).astype(np.uint8)
        write_mask(tmp_path / "m.nii", mask, volume)
        back: Any = nib.load(tmp_path / "m.nii")
        assert np.array_equal(np.asarray(back.dataobj), GREY[3, 5, 7] == GREY)
        assert corner_distance(SHAPE, affine, back.affine) < 0.1
        assert corner_distance(SHAPE, affine, back.header.get_qform()) < 0.1
        codes = [int(back.header[f"{form}form_code"]) for form in "sq"]
        assert codes == [1, 3]
        assert back.header.get_xyzt_units()[0] == "mm"
        assert np.allclose(corners(tmp_path / "m.nii"), corners(tmp_path / "a.nii"))
        world = volume.affine @ [*here, 1]
        places = np.argwhere(GREY[3, 5, 7] == GREY)
        theirs = np.c_[places, np.ones(len(places))] @ affine.T
        assert np.abs(theirs - world).max(axis=1).min() < 1e-3


def test_a_qform_other_than_the_sform_is_kept(tmp_path: Path) -> None:
    one, other = placed((0, 1, 2), (1, 1, 1), 10), placed((0, 1, 2), (-1, -1, 1), 0)
    image = nib.Nifti1Image(GREY, one)
    image.set_sform(one, 4)
    image.set_qform(other, 1)
    image.to_filename(tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    assert corner_distance(SHAPE, one, volume.file_affine) < 0.01
    write_mask(tmp_path / "m.nii.gz", np.ones(volume.shape, np.uint8), volume)
    back: Any = nib.load(tmp_path / "m.nii.gz")
    assert np.allclose(back.header.get_sform(), one, atol=1e-4)
    assert np.allclose(back.header.get_qform(), other, atol=1e-4)
    codes = [int(back.header[f"{form}form_code"]) for form in "sq"]
    assert codes == [4, 1]


def with_slope(path: Path) -> NDArray[Any]:
    image = nib.Nifti1Image(GREY, np.eye(4))
    image.header.set_slope_inter(0.5, -1024)
    image.to_filename(path)
    raw = np.asarray(nib.load(path).dataobj.get_unscaled())  # type: ignore[attr-defined]
    return np.asarray(raw * 0.5 - 1024)


def big_endian(path: Path) -> NDArray[Any]:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nib.Nifti1Image(GREY, np.eye(4), header).to_filename(path)
    return GREY


def holes(path: Path) -> NDArray[Any]:
    values = GREY.astype(np.float32)
    values[:2], values[-1] = np.nan, np.inf
    nib.Nifti1Image(values, np.eye(4)).to_filename(path)
    return values


@pytest.mark.parametrize("make", [with_slope, big_endian, holes])
@pytest.mark.parametrize("name", ["a.nii.gz", "Schädel № 7 脳 (2).nii", "a.b c.nii"])
def test_values_and_names_of_any_kind_are_read(
    make: Any, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    expected = make(path)
    volume = read_volume(path)
    found = volume.source.to_file_order(np.asarray(volume.data[0]))
    assert np.array_equal(found, expected, equal_nan=True)
    write_mask(tmp_path / f"mask of {name}", np.ones(volume.shape, int), volume)
    back = read_labels(tmp_path / f"mask of {name}")
    assert np.asarray(back.data[0]).all()


def dataset_of(root: Path, labels: dict[str, int], values: NDArray[Any]) -> Path:
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    affine = np.diag([-1.0, -1, 3, 1])
    for case in ("a", "b"):
        nib.Nifti1Image(GREY, affine).to_filename(
            root / "imagesTr" / f"{case}_0000.nii.gz"
        )
        nib.Nifti1Image(values, affine).to_filename(
            root / "labelsTr" / f"{case}.nii.gz"
        )
    about = {
        "channel_names": {"0": "MR"},
        "labels": labels,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(about))
    return root


@pytest.mark.parametrize("ignore", [1, 2, 5, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_gaps_an_ignore_label_anywhere_and_floats_are_labels(
    ignore: int, dtype: Any, tmp_path: Path
) -> None:
    choices = np.array([0, 3, 7, ignore])
    values = choices[RNG.integers(0, 4, SHAPE)]
    labels = {"background": 0, "core": 3, "ignore": ignore, "shell": 7}
    found = read_dataset(dataset_of(tmp_path / "d", labels, values.astype(dtype)))
    assert (found.classes, found.ignore) == ({3: "core", 7: "shell"}, ignore)
    volume = found.read(found.cases[0])
    truth = volume.source.to_file_order(read_truth(found, found.cases[0], volume))
    assert np.array_equal(truth, np.where(values == ignore, -1, values))


def test_data_sets_of_links_that_may_not_be_written_are_trained_on(
    tmp_path: Path,
) -> None:
    mask = (GREY > 1000).astype(np.uint8)
    there = dataset_of(tmp_path / "there", {"background": 0, "core": 1}, mask)
    linked = tmp_path / "linked"
    for folder in ("imagesTr", "labelsTr"):
        (linked / folder).mkdir(parents=True)
        for file in (there / folder).iterdir():
            (linked / folder / file.name).symlink_to(file)
    shutil.copy(there / "dataset.json", linked)
    whole = tmp_path / "whole"
    whole.symlink_to(there, target_is_directory=True)
    for path in (there / "imagesTr", there / "labelsTr", there):
        path.chmod(0o555)
    try:
        for root in (linked, whole):
            found = read_dataset(root)
            training = read_training(
                found, split_cases(found, None), Labels(), axis=None, unlabelled=False
            )
            assert training.labelled_cases == ("a", "b")
            assert training.labelled_slices == 2 * SHAPE[2]
    finally:
        for path in (there, there / "imagesTr", there / "labelsTr"):
            path.chmod(0o755)
