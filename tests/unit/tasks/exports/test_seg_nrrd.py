"""Segmentations for 3D Slicer, read by SimpleITK and pynrrd."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from napari_contrastseg.io.images import read_labels
from napari_contrastseg.session import painting
from napari_contrastseg.tasks.exports import Output, export_named
from tests.kit.placed import (
    PLACES,
    corners_by_itk,
    corners_by_nibabel,
    placed,
    values_by_itk,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.session import Session


def exported(session: Session, folder: Path) -> Path:
    export = export_named("seg_nrrd")
    (path,) = export.write(session, export.options, Output(folder))
    return path


@pytest.mark.parametrize("place", PLACES)
def test_voxels_and_corners_lie_where_the_image_has_them(
    place: str, tmp_path: Path
) -> None:
    made = placed(tmp_path, PLACES[place])
    path = exported(made.session, tmp_path / "out")
    assert path.name == "case.seg.nrrd"
    found = sitk.ReadImage(str(path))
    assert np.array_equal(values_by_itk(found), made.labels)
    wanted = corners_by_nibabel(made.labels.shape, made.affine)
    assert np.allclose(corners_by_itk(found), wanted, atol=1e-4)
    of_image = corners_by_itk(sitk.ReadImage(str(made.image)))
    assert np.allclose(corners_by_itk(found), of_image, atol=1e-4)


def test_names_and_colours_stand_under_the_keys_of_3d_slicer(tmp_path: Path) -> None:
    made = placed(tmp_path, PLACES["oblique"])
    made.session.change_class(1, name="Kern: a\\b\nä", colour="#ff8000")
    path = exported(made.session, tmp_path / "out")
    labels, header = nrrd.read(str(path))
    assert np.array_equal(labels, made.labels)
    assert header["space"] == "left-posterior-superior"
    assert header["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    assert header["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert header["Segment0_LabelValue"] == "1"
    assert header["Segment0_Layer"] == header["Segment1_Layer"] == "0"
    assert header["Segment0_Color"] == "1 0.501961 0"
    assert header["Segment0_Extent"] == "0 8 0 6 0 4"
    assert header["Segment1_Name"] == "outer shell"
    assert header["Segment1_LabelValue"] == "2"
    assert header["Segment0_ID"] != header["Segment1_ID"]
    by_itk = sitk.ReadImage(str(path))
    assert by_itk.GetMetaData("Segment1_Name") == "outer shell"
    assert "ä" in by_itk.GetMetaData("Segment0_Name")
    assert "\n" not in by_itk.GetMetaData("Segment0_Name")


def test_a_deleted_class_that_is_still_predicted_keeps_a_segment(
    session: Session, tmp_path: Path
) -> None:
    ((name, record),) = session.records.items()
    where = np.zeros(record.volume.shape, bool)
    where[3, 4:9, 5:12] = True
    painting.paint(session, name, where, 2)
    session.classes = session.classes[:1]
    _, header = nrrd.read(str(exported(session, tmp_path)))
    assert [header["Segment0_LabelValue"], header["Segment1_LabelValue"]] == ["1", "2"]


def test_an_array_without_a_place_keeps_its_voxel_size(
    session: Session, tmp_path: Path
) -> None:
    """Its axes are z, y, x; ITK's are x, y, z."""
    ((name, record),) = session.records.items()
    where = np.zeros(record.volume.shape, bool)
    where[3, 4:9, 5:12] = True
    painting.paint(session, name, where, 2)
    found = sitk.ReadImage(str(exported(session, tmp_path)))
    assert np.array_equal(sitk.GetArrayFromImage(found) == 2, where)
    assert np.allclose(found.GetSpacing(), record.volume.spacing[::-1])
    wanted = corners_by_nibabel(record.volume.shape, record.volume.affine)
    found_at = corners_by_itk(found)
    assert np.allclose(sorted(map(tuple, found_at)), sorted(map(tuple, wanted)))


def test_without_a_known_unit_none_is_claimed_when_it_is_read_again(
    session: Session, tmp_path: Path
) -> None:
    ((_, record),) = session.records.items()
    source = replace(record.volume.source, unit="pixel")
    record.volume = replace(record.volume, source=source)
    path = exported(session, tmp_path)
    assert read_labels(path).source.unit == "pixel"
    assert sorted(sitk.ReadImage(str(path)).GetSpacing()) == pytest.approx(
        sorted(record.volume.spacing)
    )
