"""Files of known values at a known place: written by one library, read by two.

A format is one function of a folder and a place, and an entry of `CASES`. It gives
readings: first what is known, then ours, then the other library's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image, ImageSequence

from napari_contrastseg.bench.formats.reading import (
    ORIGIN,
    PLACES,
    SPACING,
    Reading,
    direction_of,
    known,
)
from napari_contrastseg.io.images import read_volume, write_mask
from napari_contrastseg.io.optional import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.bench.formats.reading import Place

    Run = Callable[[Path, Place], list[Reading]]


@dataclass(frozen=True)
class FormatCase:
    """One format, in one direction.

    Attributes
    ----------
    format, direction, other : str
        ``in``: read by us and by the library `other`; ``out``: written by us.
    run : (folder, place) -> list of Reading
        What is known, and what was read of it.
    places : tuple of str
        Of `PLACES`; formats that know no place have one.
    """

    format: str
    direction: str
    other: str
    run: Run
    places: tuple[str, ...] = tuple(PLACES)


def _values(channels: int = 1) -> NDArray[Any]:
    """Values (i, j, k, channels), each another one."""
    shape = (6, 5, 4, channels)
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


def _itk() -> Any:
    return need("SimpleITK", "Comparisons of formats", "bench")


def _by_itk(path: Path, unit: float = 1.0) -> Reading:
    itk = _itk()
    image = itk.ReadImage(str(path))
    return Reading.of_itk(image, itk.GetArrayFromImage(image), unit)


# -- in: formats that know their place --------------------------------------------


def _nifti(ending: str, kind: Any, unit: str = "mm") -> Run:
    def run(folder: Path, place: Place) -> list[Reading]:
        lengths = {"mm": 1.0, "micron": 1e-3}
        wanted = known(_values(), place, lengths[unit])
        affine = np.diag([*[1 / lengths[unit]] * 3, 1]) @ wanted.affine
        image = kind(wanted.values[..., 0], affine)
        image.header.set_xyzt_units(unit)
        image.to_filename(folder / f"a{ending}")
        path = folder / f"a{ending}"
        # ITK turns a file in micrometres into mm by itself
        return [wanted, Reading.of_volume(read_volume(path)), _by_itk(path)]

    return run


def _second_nifti(folder: Path, place: Place) -> list[Reading]:
    """Read NIfTI-2, which ITK does not, by the offsets of its standard."""
    wanted, path = known(_values(), place), folder / "a.nii"
    nib.Nifti2Image(wanted.values[..., 0], wanted.affine).to_filename(path)
    raw = path.read_bytes()
    sizes = np.frombuffer(raw, "<i8", 4, 16)
    (start,) = np.frombuffer(raw, "<i8", 1, 168)
    affine = np.eye(4)
    affine[:3] = np.frombuffer(raw, "<f8", 12, 400).reshape(3, 4)
    values = np.frombuffer(raw, "<i2", -1, int(start))
    values = values.reshape((*sizes[1:], 1), order="F")
    return [wanted, Reading.of_volume(read_volume(path)), Reading(values, affine)]


def _by_itk_as(ending: str, channels: int = 1, *, packed: bool = False) -> Run:
    def run(folder: Path, place: Place) -> list[Reading]:
        itk, wanted = _itk(), known(_values(channels), place)
        stack = wanted.values.transpose(2, 1, 0, 3)
        image = itk.GetImageFromArray(
            stack if channels > 1 else stack[..., 0], isVector=channels > 1
        )
        image.SetSpacing(SPACING.tolist())
        image.SetOrigin(ORIGIN.tolist())
        image.SetDirection(direction_of(place).ravel().tolist())
        path = folder / f"a{ending}"
        itk.WriteImage(image, str(path), packed)
        return [wanted, Reading.of_volume(read_volume(path)), _by_itk(path)]

    return run


def _dicom(folder: Path, place: Place) -> list[Reading]:
    """Write a file a slice; their names do not follow their places."""
    itk, pydicom = _itk(), need("pydicom", "DICOM files", "dicom")
    # slices are stacked along the normal, which a mirrored place has not
    axes = direction_of(place)
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    wanted = known(_values(), place)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * SPACING, ORIGIN
    wanted = Reading(wanted.values, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    for k in range(wanted.values.shape[2]):
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        one.SOPClassUID = pydicom.uid.CTImageStorage
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.{k + 1}"
        one.SeriesInstanceUID, one.SeriesNumber, one.InstanceNumber = "1.2", 1, 9 - k
        plane = wanted.values[:, :, k, 0].T
        one.Rows, one.Columns = plane.shape
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 16, 15
        one.PixelRepresentation, one.RescaleSlope, one.RescaleIntercept = 0, 1, -1024
        one.PixelSpacing = [SPACING[1], SPACING[0]]
        one.ImageOrientationPatient = axes[:, :2].T.ravel().round(9).tolist()
        first = ORIGIN + k * SPACING[2] * axes[:, 2]
        one.ImagePositionPatient = first.round(6).tolist()
        one.PixelData = np.ascontiguousarray(plane + 1024).astype("<u2").tobytes()
        one.save_as(folder / f"{(k * 3) % 4}.dcm", enforce_file_format=True)
    reader = itk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    theirs = Reading.of_itk(image, itk.GetArrayFromImage(image))
    return [wanted, Reading.of_volume(read_volume(folder)), theirs]


# -- in: formats that know at most their voxel size --------------------------------


def _sizes_mm(unit: float) -> NDArray[np.float64]:
    return SPACING[::-1] * unit


def _by_pillow(path: Path, sizes: NDArray[np.float64]) -> Reading:
    """Pages by Pillow; the size is the one that was asked for."""
    with Image.open(path) as image:
        pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
    stack = np.stack(pages)
    return Reading.of_array(stack.reshape(*stack.shape[:3], -1), sizes)


def _imagej(unit: str, length: float) -> Run:
    def run(folder: Path, _: Place) -> list[Reading]:
        stack, path = (
            _values().transpose(2, 1, 0, 3).astype(np.uint16),
            folder / "a.tif",
        )
        about = {"spacing": SPACING[2], "unit": unit, "axes": "ZYX"}
        resolution = (1 / SPACING[0], 1 / SPACING[1])
        tifffile.imwrite(
            path, stack[..., 0], imagej=True, resolution=resolution, metadata=about
        )
        sizes = _sizes_mm(length)
        ours = Reading.of_volume(read_volume(path))
        return [Reading.of_array(stack, sizes), ours, _by_pillow(path, sizes)]

    return run


def _ome_tiff(folder: Path, _: Place) -> list[Reading]:
    stack, path = (
        _values().transpose(2, 1, 0, 3).astype(np.uint16),
        folder / "a.ome.tif",
    )
    about: dict[str, Any] = {"axes": "ZYX"}
    for axis, size in zip("XYZ", SPACING.tolist(), strict=True):
        about |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    tifffile.imwrite(
        path, stack[..., 0], ome=True, metadata=about, compression="zlib", bigtiff=True
    )
    sizes = _sizes_mm(1e-3)
    ours = Reading.of_volume(read_volume(path))
    return [Reading.of_array(stack, sizes), ours, _by_pillow(path, sizes)]


def _ome_zarr(version: str) -> Run:
    def run(folder: Path, _: Place) -> list[Reading]:
        zarr = need("zarr", "OME-Zarr images", "bench")
        stack, path = _values(2).transpose(3, 2, 1, 0), folder / "a.ome.zarr"
        group = zarr.open_group(
            path, mode="w", zarr_format=3 if version == "0.5" else 2
        )
        made = group.create_array("0", shape=stack.shape, dtype=stack.dtype)
        made[...] = stack
        axes: list[dict[str, str]] = [{"name": "c", "type": "channel"}]
        axes += [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
        scale = {"type": "scale", "scale": [1.0, *SPACING[::-1].tolist()]}
        level = {"path": "0", "coordinateTransformations": [scale]}
        about: dict[str, Any] = {
            "multiscales": [{"axes": axes, "datasets": [level], "version": version}]
        }
        if version == "0.5":
            about = {"ome": about | {"version": version}}
        group.attrs.update(about)
        other = zarr.open_group(path, mode="r")
        said = json.loads(json.dumps(dict(other.attrs)))
        first = said.get("ome", said)["multiscales"][0]["datasets"][0]
        factors = np.array(first["coordinateTransformations"][0]["scale"][1:]) * 1e-3
        theirs = np.moveaxis(np.asarray(other["0"][...]), 0, -1)
        return [
            Reading.of_array(np.moveaxis(stack, 0, -1), _sizes_mm(1e-3)),
            Reading.of_volume(read_volume(path)),
            Reading.of_array(theirs, factors),
        ]

    return run


def _picture(ending: str, **options: Any) -> Run:
    def run(folder: Path, _: Place) -> list[Reading]:
        path = folder / f"a{ending}"
        colours = np.full((20, 24, 3), (90, 130, 60), np.uint8)
        colours[:, 12:] = (30, 200, 140)
        Image.fromarray(colours).save(path, **options)
        theirs = _by_pillow(path, np.ones(3))
        return [theirs, Reading.of_volume(read_volume(path)), theirs]

    return run


# -- out: masks ------------------------------------------------------------------


def _mask_of_nifti(ending: str) -> Run:
    """Write a mask on an image that knows its place; ITK reads it back."""

    def run(folder: Path, place: Place) -> list[Reading]:
        wanted = known(_values() % 4, place)
        image = nib.Nifti1Image(wanted.values[..., 0], wanted.affine)
        image.to_filename(folder / "image.nii.gz")
        volume = read_volume(folder / "image.nii.gz")
        path = folder / f"mask{ending}"
        write_mask(path, np.asarray(volume.data[0]), volume)
        return [wanted, Reading.of_volume(read_volume(path)), _by_itk(path)]

    return run


#: Of images that say nothing of directions.
_ONE: Final = ("upright",)
_NIFTI: Final = nib.Nifti1Image
CASES: list[FormatCase] = [
    FormatCase("NIfTI-1 .nii.gz", "in", "SimpleITK", _nifti(".nii.gz", _NIFTI)),
    FormatCase("NIfTI-1 micron", "in", "SimpleITK", _nifti(".nii", _NIFTI, "micron")),
    FormatCase("NIfTI-1 .hdr/.img", "in", "SimpleITK", _nifti(".hdr", nib.Nifti1Pair)),
    FormatCase("NIfTI-2 .nii", "in", "by hand", _second_nifti),
    FormatCase("NRRD", "in", "SimpleITK", _by_itk_as(".nrrd")),
    FormatCase("NRRD, packed", "in", "SimpleITK", _by_itk_as(".nrrd", packed=True)),
    FormatCase("NRRD, 3 channels", "in", "SimpleITK", _by_itk_as(".nrrd", 3)),
    FormatCase("NHDR", "in", "SimpleITK", _by_itk_as(".nhdr")),
    FormatCase("MetaImage .mha", "in", "SimpleITK", _by_itk_as(".mha", packed=True)),
    FormatCase("MetaImage .mhd", "in", "SimpleITK", _by_itk_as(".mhd")),
    FormatCase("DICOM series", "in", "SimpleITK", _dicom),
    FormatCase("TIFF of ImageJ, micron", "in", "Pillow", _imagej("micron", 1e-3), _ONE),
    FormatCase("TIFF of ImageJ, cm", "in", "Pillow", _imagej("cm", 10.0), _ONE),
    FormatCase("TIFF of ImageJ, no unit", "in", "Pillow", _imagej("", 1.0), _ONE),
    FormatCase("OME-TIFF, BigTIFF", "in", "Pillow", _ome_tiff, _ONE),
    FormatCase("OME-Zarr 0.4", "in", "zarr", _ome_zarr("0.4"), _ONE),
    FormatCase("OME-Zarr 0.5", "in", "zarr", _ome_zarr("0.5"), _ONE),
    FormatCase("PNG", "in", "Pillow", _picture(".png"), _ONE),
    FormatCase("JPEG", "in", "Pillow", _picture(".jpg", quality=95), _ONE),
    FormatCase("NIfTI-1 .nii.gz", "out", "SimpleITK", _mask_of_nifti(".nii.gz")),
]
