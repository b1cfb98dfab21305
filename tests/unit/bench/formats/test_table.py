"""The table of formats is right, and would notice what is not."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.bench.formats import cases
from napari_contrastseg.bench.formats.reading import PLACES, Reading, known
from napari_contrastseg.bench.formats.table import table
from napari_contrastseg.io import tiff_writing
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.exports import dicom_seg, ome_zarr, seg_nrrd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def rows(*wanted: cases.FormatCase) -> dict[str, Any]:
    *_, report = table(wanted)
    assert isinstance(report, dict)
    return report


def title(case: cases.FormatCase) -> str:
    return f"{case.format} {case.direction} {case.source}".strip()


@pytest.mark.parametrize("case", cases.CASES, ids=title)
def test_every_format_is_right(case: cases.FormatCase) -> None:
    """Or, where OME-Zarr cannot say how an image lies, refused with the way on."""
    report = rows(case)
    assert [row["place"] for row in report["cases"]] == list(case.places)
    for row in report["cases"]:
        if case.format.startswith("OME-Zarr") and row["place"].startswith("oblique"):
            assert "export masks as NIfTI or for 3D Slicer instead" in row["why"]
        else:
            assert row["verdict"] == "right", row
    assert report["wrong"] == 0


def case_of(output: str, source: str) -> cases.FormatCase:
    wanted = ("out", output, source)
    return next(c for c in cases.CASES if (c.direction, c.format, c.source) == wanted)


def test_what_holds_no_place_says_so() -> None:
    judged = {row.format: row.judged for row in cases.CASES if row.direction == "out"}
    assert {n for n, how in judged.items() if how != "place"} == {"TIFF", "OME-TIFF"}
    (row,) = rows(case_of("TIFF", "PNG"))["cases"]
    assert (row["judged"], row["source"]) == ("voxel size", "PNG")


def mirrored_slicer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seg_nrrd, "_TO_LPS", np.eye(3))


def swapped_classes(patch: pytest.MonkeyPatch) -> None:
    real = seg_nrrd._segments

    def swapped(*about: Any) -> dict[str, str]:
        named = real(*about)
        one, other = named["Segment0_Name"], named["Segment1_Name"]
        return named | {"Segment0_Name": other, "Segment1_Name": one}

    patch.setattr(seg_nrrd, "_segments", swapped)


def other_unit(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(tiff_writing._IMAGEJ_WORDS, "µm", "mm")


def turned_pixels(patch: pytest.MonkeyPatch) -> None:
    real = tiff_writing._of_imagej

    def swapped(volume: Any) -> dict[str, Any]:
        about = real(volume)
        return about | {"resolution": about["resolution"][::-1]}

    patch.setattr(tiff_writing, "_of_imagej", swapped)


def moved_labels(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ome_zarr, "lengths", lambda v: (v.spacing * (1, 1, 1.1), "mm"))


def slices_backwards(patch: pytest.MonkeyPatch) -> None:
    real = dicom_seg._numbered
    patch.setattr(dicom_seg, "_numbered", lambda a, c: real(a, c)[:, :, ::-1])


BROKEN = [
    (mirrored_slicer, "3D Slicer .seg.nrrd", "NRRD"),
    (swapped_classes, "3D Slicer .seg.nrrd", "NRRD"),
    (other_unit, "TIFF", "OME-TIFF"),
    (turned_pixels, "TIFF", "NRRD"),
    (moved_labels, "OME-Zarr 0.4 labels", "NIfTI-1"),
    (slices_backwards, "DICOM SEG", "DICOM series"),
]


@pytest.mark.parametrize(("breaks", "output", "source"), BROKEN)
def test_a_wrong_export_is_noticed(
    breaks: Callable[[pytest.MonkeyPatch], None],
    output: str,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaks(monkeypatch)
    report = rows(case_of(output, source))
    refused = [row for row in report["cases"] if row["verdict"] == "refused"]
    assert report["wrong"] == len(report["cases"]) - len(refused) > 0


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(InputError, match=r"highdicom.*napari-contrastseg\[dicom\]"):
        rows()


SPOILT: dict[str, Callable[[Reading], Reading]] = {
    "mirrored": lambda r: replace(r, values=r.values[::-1]),
    "moved": lambda r: replace(r, affine=r.affine + np.eye(4, k=3) * 0.2),
    "in another unit": lambda r: replace(
        r, affine=np.diag([1e3, 1e3, 1e3, 1]) @ r.affine
    ),
    "without its unit": lambda r: replace(r, unit="pixel"),
    "another value": lambda r: replace(r, values=r.values + (r.values == 3)),
    "a slice less": lambda r: replace(r, values=r.values[:, :, :-1]),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_wrong_is_noticed(kind: str) -> None:
    values = np.arange(120).reshape(6, 5, 4, 1)

    def run(_folder: Path, place: Any) -> list[Reading]:
        wanted = known(values, place)
        return [wanted, wanted, SPOILT[kind](wanted)]

    report = rows(cases.FormatCase("x", "in", "y", run))
    assert report["wrong"] == len(PLACES)


def test_a_refusal_is_no_silent_error() -> None:
    def run(_folder: Path, _place: Any) -> list[Reading]:
        raise InputError("x: is not read.")

    report = rows(cases.FormatCase("x", "in", "y", run, ("upright",)))
    assert report["wrong"] == 0
    assert report["cases"][0]["verdict"] == "refused"
