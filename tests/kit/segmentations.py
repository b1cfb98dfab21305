"""Segmentations of DICOM series, made by highdicom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom.color import CIELabColor

from tests.kit.dicom_series import write_series
from tests.kit.placed import PLACES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (9, 7, 7)


def affine_of(place: str) -> NDArray[np.float64]:
    """A place whose third axis is the cross product of the others, as DICOM's is."""
    affine = PLACES[place].copy()
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    unit = affine[:3, :3] / sides
    affine[:3, 2] = np.cross(unit[:, 0], unit[:, 1]) * sides[2]
    return affine


def labels_of() -> NDArray[np.uint8]:
    """Two segments; nothing on the first two slices, the fourth, and the last two."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2:5, 2] = 1
    labels[2:7, 1:3, 4] = 2
    labels[0, 6, 4] = 1
    return labels


def write_seg(
    folder: Path,
    labels: NDArray[Any],
    affine: NDArray[np.float64],
    kind: str = "BINARY",
    names: Sequence[str] = ("left lung", "tumour"),
) -> tuple[Path, Path]:
    """Write a series and its segmentation, by highdicom; empty frames are left out."""
    values = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.uint16)
    series = write_series(folder / "series", values, affine)
    files = [pydicom.dcmread(path) for path in sorted(series.iterdir())]
    files.sort(key=lambda one: int(one.InstanceNumber))
    tissue = hd.sr.CodedConcept("85756007", "SCT", "Tissue")
    about = [
        hd.seg.SegmentDescription(
            number,
            name,
            tissue,
            tissue,
            hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            display_color=CIELabColor.from_rgb(255, 128 * (number - 1), 0),
        )
        for number, name in enumerate(names, start=1)
    ]
    pixels = labels.transpose(2, 1, 0)
    seg = hd.seg.Segmentation(
        files,
        pixels,
        getattr(hd.seg.SegmentationTypeValues, kind),
        about,
        hd.UID(),
        1,
        hd.UID(),
        1,
        "us",
        "ours",
        "1",
        "0",
    )
    path = folder / "mask.dcm"
    seg.save_as(path)
    return series, path
