"""What other libraries read of a file: SimpleITK, Pillow, zarr, highdicom."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import numpy as np
from PIL import Image, ImageSequence

from napari_contrastseg.bench.formats.reading import Reading
from napari_contrastseg.io.optional import need
from napari_contrastseg.io.volume import spacing_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.bench.formats.inputs import Made

    Named = tuple[Reading, Mapping[str, int]]

#: Words for lengths in TIFF and OME-Zarr, in mm; None where they say no length.
_LENGTHS: Final = {
    "mm": 1.0, "millimeter": 1.0, "micron": 1e-3, "µm": 1e-3, "micrometer": 1e-3,
    "pixel": None, "": None,
}  # fmt: skip
_WIDTH, _HEIGHT, _ABOUT = 282, 283, 270


def _itk() -> Any:
    return need("SimpleITK", "Comparisons of formats", "bench")


def itk_file(path: Path) -> Reading:
    """Read a file with SimpleITK, which brings micrometres to mm by itself."""
    image = _itk().ReadImage(str(path))
    found = Reading.of_itk(image, _itk().GetArrayFromImage(image))
    if "xyzt_units" in image.GetMetaDataKeys():
        known = int(image.GetMetaData("xyzt_units")) & 7
        return Reading(found.values, found.affine, "mm" if known else "pixel")
    return found


def itk(made: Made) -> Reading:
    """As `itk_file`."""
    return itk_file(made.path)


def itk_series(made: Made) -> Reading:
    """Read a DICOM series with SimpleITK."""
    reader = _itk().ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(made.path)))
    image = reader.Execute()
    return Reading.of_itk(image, _itk().GetArrayFromImage(image))


def second_nifti(made: Made) -> Reading:
    """Read NIfTI-2, which ITK does not, by the offsets of its standard."""
    raw = made.path.read_bytes()
    sizes = np.frombuffer(raw, "<i8", 4, 16)
    (start,) = np.frombuffer(raw, "<i8", 1, 168)
    affine = np.eye(4)
    affine[:3] = np.frombuffer(raw, "<f8", 12, 400).reshape(3, 4)
    values = np.frombuffer(raw, "<i2", -1, int(start))
    return Reading(values.reshape((*sizes[1:], 1), order="F"), affine)


def _pages_of(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        found = np.stack([np.asarray(page) for page in ImageSequence.Iterator(image)])
    return found.reshape(*found.shape[:3], -1)


def pages(made: Made) -> Reading:
    """Read pages with Pillow; the voxel size is the one that was asked for."""
    known = made.known
    length = 1.0 if known.unit == "mm" else None
    return Reading.of_array(_pages_of(made.path), spacing_of(known.affine), length)


def tiff_file(path: Path) -> Reading:
    """Read pages, and the voxel size as ImageJ or OME state it, with Pillow."""
    with Image.open(path) as image:
        tags = dict(image.tag_v2)  # type: ignore[attr-defined]
    about = str(tags[_ABOUT]).encode("latin-1").decode()  # Pillow takes it for latin
    if about.lstrip().startswith("<"):
        of_pixels = next(e for e in ET.fromstring(about).iter() if "SizeX" in e.attrib)
        sizes = [float(of_pixels.attrib[f"PhysicalSize{axis}"]) for axis in "ZYX"]
        (word,) = {of_pixels.attrib[f"PhysicalSize{axis}Unit"] for axis in "ZYX"}
    else:
        lines = dict(line.partition("=")[::2] for line in about.splitlines())
        sizes = [
            float(lines["spacing"]), 1 / float(tags[_HEIGHT]), 1 / float(tags[_WIDTH])
        ]  # fmt: skip
        word = lines["unit"]
    return Reading.of_array(_pages_of(path), np.array(sizes), _LENGTHS[word])


def ome_zarr(made: Made) -> Reading:
    """Read an image with zarr, channels first."""
    found, _ = _zarr_group(made.path)
    return found


def zarr_labels(path: Path) -> Named:
    """Read the labels of an OME-Zarr image, and their names."""
    found, about = _zarr_group(path / "labels" / "mask")
    listed = about["image-label"]["properties"]
    return found, {one["class"]: one["label-value"] for one in listed}


def _zarr_group(path: Path) -> tuple[Reading, Any]:
    group = need("zarr", "OME-Zarr images", "bench").open_group(path, mode="r")
    about = json.loads(json.dumps(dict(group.attrs)))
    about = about.get("ome", about)
    first = about["multiscales"][0]
    level = first["datasets"][0]
    steps = {
        s["type"]: np.array(s[s["type"]]) for s in level["coordinateTransformations"]
    }
    (word,) = {a.get("unit", "") for a in first["axes"] if a["type"] == "space"}
    values = np.asarray(group[level["path"]][...])
    values = values[None] if values.ndim == 3 else values  # noqa: PLR2004
    shift = steps.get("translation", np.zeros(3))[-3:]
    sizes = steps["scale"][-3:]
    read = Reading.of_array(np.moveaxis(values, 0, -1), sizes, _LENGTHS[word], shift)
    return read, about


def slicer_file(path: Path) -> Named:
    """Read a segmentation for 3D Slicer with SimpleITK, and its segments' names."""
    image = _itk().ReadImage(str(path))
    found = Reading.of_itk(image, _itk().GetArrayFromImage(image))
    keys = image.GetMetaDataKeys()
    units = [
        line
        for line in path.read_bytes()[:4096].splitlines()
        if line.startswith(b"space units:")
    ]
    found = replace(
        found, unit="mm" if units == [b'space units: "mm" "mm" "mm"'] else "pixel"
    )
    segments = [key.removesuffix("_Name") for key in keys if key.endswith("_Name")]
    said = image.GetMetaData
    return found, {said(f"{s}_Name"): int(said(f"{s}_LabelValue")) for s in segments}


def nnunet_folder(path: Path) -> Named:
    """Read the one case of an nnU-Net data set with SimpleITK, and its classes."""
    (labels,) = (path / "labelsTr").iterdir()
    return itk_file(labels), json.loads((path / "dataset.json").read_text())["labels"]


def dicom_segmentation(path: Path) -> Named:
    """Read a DICOM segmentation with highdicom: slices, rows, columns, LPS."""
    found = need("highdicom", "DICOM segmentations", "dicom").seg.segread(path)
    volume = found.get_volume(combine_segments=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    names = {
        found.get_segment_description(n).segment_label: n for n in found.segment_numbers
    }
    return Reading(np.asarray(volume.array)[..., None], affine), names
