"""Tables, held against SimpleITK, nibabel and closed forms."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from napari_contrastseg.evaluation.surface import surface_area
from napari_contrastseg.io.volume import Source, Volume, array_affine
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.exports import Output, export_named
from tests.kit.nifti import load
from tests.kit.placed import PLACES, SPACING, placed

if TYPE_CHECKING:
    from pathlib import Path


def exported(session: Session, folder: Path, **options: Any) -> dict[str, Any]:
    """What the JSON holds; the CSV files hold the same."""
    export = export_named("tables")
    chosen = replace(export.options, **options)
    written = list(export.write(session, chosen, Output(folder)))
    assert [p.name for p in written] == ["classes.csv", "slices.csv", "tables.json"]
    found: dict[str, Any] = json.loads(written[2].read_text())
    for path, rows in zip(written, (found["classes"], found["slices"]), strict=False):
        with path.open(newline="", encoding="utf-8") as file:
            typed = list(csv.DictReader(file))
        as_text = [{k: "" if v is None else str(v) for k, v in r.items()} for r in rows]
        assert typed == as_text
    return found


def array_session(
    mask: np.ndarray, spacing: tuple[float, ...], *, kind: Any = "volume", **source: Any
) -> Session:
    """A session of an array with class 1 where a mask is true."""
    values = np.arange(mask.size, dtype=np.float32).reshape(mask.shape)
    affine = array_affine(np.array(spacing))
    session = Session()
    volume = Volume("a", (values,), affine, source=Source(**source), kind=kind)
    session.add_volume(volume)
    session.add_class("core")
    painting.paint(session, "a", mask, 1)
    return session


@pytest.mark.parametrize("place", ["permuted", "oblique and permuted"])
def test_measures_of_a_scan_are_those_of_itk(place: str, tmp_path: Path) -> None:
    made = placed(tmp_path, PLACES[place])
    rows = exported(made.session, tmp_path / "out")["classes"]
    labels = sitk.GetImageFromArray(made.labels.T)
    labels.SetSpacing(SPACING)
    image = np.asarray(load(made.image).dataobj)
    values = sitk.GetImageFromArray(image.T)
    values.CopyInformation(labels)
    by_itk = sitk.LabelIntensityStatisticsImageFilter()
    by_itk.Execute(labels, values)
    for row, name in zip(rows, ("core", "outer shell"), strict=True):
        assert (row["volume"], row["class"]) == ("case", name)
        number = row["class_id"]
        assert row["voxels"] == by_itk.GetNumberOfPixels(number)
        assert row["size"] == pytest.approx(by_itk.GetPhysicalSize(number) / 1000)
        assert row["size_unit"] == "ml"
        assert row["mean image"] == pytest.approx(by_itk.GetMean(number))
        pieces = sitk.ConnectedComponent(labels == number, True)
        parts = sitk.LabelShapeStatisticsImageFilter()
        parts.Execute(pieces)
        surface = surface_area(made.labels == number, np.array(SPACING))
        assert row["surface"] == pytest.approx(surface)
        assert row["surface_unit"] == "mm²"
        assert row["components"] == parts.GetNumberOfLabels()
    assert [row["components"] for row in rows] == [2, 2]


def test_microscopes_count_in_micrometres(tmp_path: Path) -> None:
    mask = np.zeros((4, 6, 8), bool)
    mask[1:3, 2:4, 3:6] = True
    session = array_session(mask, (3e-4, 1e-4, 1e-4))
    (row,) = exported(session, tmp_path)["classes"]
    assert row["size"] == pytest.approx(12 * 0.3 * 0.1 * 0.1)
    assert (row["size_unit"], row["surface_unit"]) == ("µm³", "µm²")


def test_a_size_that_nobody_knows_is_counted_in_pixels(tmp_path: Path) -> None:
    mask = np.zeros((4, 6, 8), bool)
    mask[1:3, 2:4, 3:6] = True
    session = array_session(mask, (3.0, 1.0, 1.0), unit="pixel")
    (row,) = exported(session, tmp_path)["classes"]
    assert (row["size"], row["size_unit"]) == (36, "pixel³")


def test_unrelated_pictures_have_an_area_and_no_surface(tmp_path: Path) -> None:
    mask = np.zeros((2, 6, 8), bool)
    mask[:, 2:4, 3:6] = True
    session = array_session(mask, (1.0, 0.5, 0.5), kind="stack")
    (row,) = exported(session, tmp_path)["classes"]
    assert (row["size"], row["size_unit"]) == (3.0, "mm²")
    assert row["surface"] is row["surface_unit"] is None
    assert row["components"] == 2


def test_an_absent_class_and_values_that_are_no_numbers_count_nothing(
    tmp_path: Path,
) -> None:
    mask = np.zeros((4, 6, 8), bool)
    mask[1, 2, 3:5] = True
    session = array_session(mask, (1.0, 1.0, 1.0))
    session.add_class("absent")
    session.records["a"].volume.data[0][1, 2, 3] = np.nan
    core, absent = exported(session, tmp_path)["classes"]
    assert core["mean image"] == 8 * (6 + 2) + 4
    assert (absent["voxels"], absent["size"], absent["components"]) == (0, 0.0, 0)
    assert absent["surface"] == 0.0
    assert absent["mean image"] is None


def test_each_slice_has_its_status(tmp_path: Path) -> None:
    mask = np.zeros((4, 6, 8), bool)
    mask[1, 2, 3:5] = True
    session = array_session(mask, (1.0, 1.0, 1.0))
    painting.mark(session, "a", 3, Status.DONE)
    rows = exported(session, tmp_path)["slices"]
    assert [row["slice"] for row in rows] == [0, 1, 2, 3]
    words = ["untouched", "sparse", "untouched", "done"]
    assert [row["status"] for row in rows] == words
