"""Masks with their instances: numbers, a table, and a file that holds many."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image
from scipy import ndimage

from napari_contrastseg.io.images import read_labels, read_volume
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.exports import Output, export_named, options_of
from tests.kit.nifti import save
from tests.kit.ome_zarr import write
from tests.kit.placed import PLACES
from tests.kit.sessions import NAME

if TYPE_CHECKING:
    from pathlib import Path


def written(session: Session, folder: Path, **changes: str) -> list[str]:
    masks = export_named("masks")
    options = options_of(masks, changes)
    return [path.name for path in masks.write(session, options, Output(folder))]


def pieces_of_two_classes(session: Session) -> np.ndarray:
    record = session.records[NAME]
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=record.volume.shape), 1.0)
    bounds = np.quantile(smooth, [0.8, 0.9])
    classes: np.ndarray = np.digitize(smooth, bounds).astype(np.uint8)
    painting.paint(session, NAME, classes > 0, classes[classes > 0])
    return classes


@pytest.mark.parametrize("touching", ["corner", "face"])
def test_instances_are_numbered_class_by_class_with_a_table(
    session: Session, tmp_path: Path, touching: str
) -> None:
    classes = pieces_of_two_classes(session)
    names = written(session, tmp_path, instances=touching, origin="true")
    assert names == [
        f"{NAME}.nii.gz",
        f"{NAME}_origin.nii.gz",
        f"{NAME}_instances.nii.gz",
        f"{NAME}_instances.csv",
    ]
    back = np.asarray(read_labels(tmp_path / f"{NAME}_instances.nii.gz").data[0])
    with (tmp_path / f"{NAME}_instances.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    structure = ndimage.generate_binary_structure(3, 3 if touching == "corner" else 1)
    expected = []
    for class_id, name in ((1, "core"), (2, "shell")):
        whole, _ = ndimage.label(classes == class_id, structure)
        sizes = np.sort(np.bincount(whole.ravel())[1:])[::-1]
        expected += [(name, str(class_id), str(size)) for size in sizes]
    assert [(r["class"], r["class_id"], r["voxels"]) for r in rows] == expected
    assert [int(row["instance"]) for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        here = back == int(row["instance"])
        assert here.sum() == int(row["voxels"])
        assert set(classes[here].tolist()) == {int(row["class_id"])}
    assert np.array_equal(back > 0, classes > 0)


def test_a_file_of_bytes_gets_instances_of_more_than_255(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 42, 6)).astype(np.uint8)
    save(tmp_path / "bytes.nii.gz", image, np.eye(4))
    session = Session()
    session.add_volume(read_volume(tmp_path / "bytes.nii.gz"))
    session.add_class()
    shape = session.records["bytes"].volume.shape
    where = np.zeros(shape, np.bool_)
    where[::2, ::2, ::2] = True
    painting.paint(session, "bytes", where, 1)
    written(session, tmp_path / "out", instances="corner")
    back = read_labels(tmp_path / "out" / "bytes_instances.nii.gz").data[0]
    assert int(np.max(back)) == where.sum() > 255
    assert len(np.unique(np.asarray(back))) == where.sum() + 1


def test_pictures_one_a_slice_hold_instances(session: Session, tmp_path: Path) -> None:
    pieces_of_two_classes(session)
    names = written(session, tmp_path, instances="face", ending="folder")
    assert names == [NAME, f"{NAME}_instances", f"{NAME}_instances.csv"]


def test_a_class_without_voxels_leaves_a_table_with_its_head(
    session: Session, tmp_path: Path
) -> None:
    written(session, tmp_path, instances="corner")
    text = (tmp_path / f"{NAME}_instances.csv").read_text(encoding="utf-8")
    assert text.split() == ["instance,class,class_id,voxels"]


def of_a_file(path: Path, folder: Path, **changes: str) -> tuple[str, np.ndarray, Path]:
    """Export a mask; gives what is said, the labels, and the mask's file."""
    session = Session()
    session.add_volume(read_volume(path, name="a"))
    session.add_class()
    record = session.records["a"]
    labels = np.random.default_rng(1).random(record.volume.shape) > 0.5
    painting.paint(session, "a", labels, 1)
    masks = export_named("masks")
    options = options_of(masks, changes)
    (file,) = masks.write(session, options, Output(folder))
    return masks.note(session, options), labels.astype(int), file


@pytest.mark.parametrize("ending", [".tif", ".png", ".ome.tif"])
def test_the_mask_of_a_picture_lies_on_it_in_itk(tmp_path: Path, ending: str) -> None:
    """ITK-SNAP and 3D Slicer read both as ITK does."""
    pixels = np.random.default_rng(0).integers(0, 255, (4, 6, 9)).astype(np.uint8)
    image = tmp_path / f"a{ending}"
    if ending == ".png":
        pixels = pixels[:1]
        Image.fromarray(pixels[0]).save(image)
    else:
        about = {"axes": "ZYX"} if ending == ".ome.tif" else None
        tifffile.imwrite(
            image,
            pixels,
            photometric="minisblack",
            resolution=(2, 2),
            metadata=about,
        )
    said, labels, file = of_a_file(image, tmp_path / "masks")
    scan, mask = sitk.ReadImage(image), sitk.ReadImage(file)
    for key in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(mask, key)() == getattr(scan, key)()
    found = sitk.GetArrayFromImage(mask).reshape(labels.shape)
    assert np.array_equal(found, labels)
    assert (
        said
        == f"Masks are {'PNG' if ending == '.png' else 'TIFF'}, as their images are."
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_the_mask_of_a_scan_lies_on_it_in_itk(
    tmp_path: Path, ending: str, place: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 6, 4)).astype(np.uint8)
    image = tmp_path / f"a{ending}"
    plain = save(tmp_path / "plain.nii", pixels, PLACES[place])
    sitk.WriteImage(sitk.ReadImage(plain), image)
    said, labels, file = of_a_file(image, tmp_path / "masks")
    assert file.name == ("a.nii" if ending == ".nii" else "a.nii.gz")
    scan, mask = sitk.ReadImage(image), sitk.ReadImage(file)
    corners = [(0, 0, 0), (8, 0, 0), (0, 5, 0), (0, 0, 3)]
    for corner in corners:
        assert mask.TransformIndexToPhysicalPoint(corner) == pytest.approx(
            scan.TransformIndexToPhysicalPoint(corner), abs=1e-3
        )
    shown = read_volume(image).source.to_file_order(labels)
    assert np.array_equal(sitk.GetArrayFromImage(mask).transpose(2, 1, 0), shown)
    assert said == ""


def test_a_format_that_does_not_lie_on_the_image_is_said(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((4, 6, 9), np.uint8), photometric="minisblack"
    )
    said, _, file = of_a_file(tmp_path / "a.tif", tmp_path / "masks", ending=".nii.gz")
    assert file.name == "a.nii.gz"
    assert "the mask of a (TIFF) does not lie on the image in ITK-SNAP" in said


def test_what_is_said_of_an_ome_zarr_names_the_export_that_lies_on_it(
    tmp_path: Path,
) -> None:
    image = write(tmp_path / "a.ome.zarr", "zyx", np.zeros((4, 20, 24), np.uint16))
    said, _, file = of_a_file(image, tmp_path / "masks")
    assert file.name == "a.nii.gz"
    assert "choose the format" not in said, "that of the image is chosen"
    assert said.endswith("the export OME-Zarr writes one that does.")


def test_each_mask_has_the_format_of_its_own_image(tmp_path: Path) -> None:
    """Also where the image is gone; an array that was never a file has none."""
    session = Session()
    tifffile.imwrite(
        tmp_path / "t.tiff", np.zeros((4, 6, 9), np.uint8), photometric="minisblack"
    )
    save(tmp_path / "n.nii", np.zeros((9, 6, 4), np.uint8), np.eye(4))
    for path in (tmp_path / "t.tiff", tmp_path / "n.nii"):
        session.add_volume(read_volume(path))
        path.unlink()
    session.add_volume(Volume("array", (np.zeros((4, 6, 9)),), np.eye(4)))
    assert written(session, tmp_path / "out") == ["t.tiff", "n.nii", "array.nii.gz"]
