"""Files of known values at a known place in the world, each by another library.

A kind of file is one function of a folder and a place: it writes the file, and says
what is known of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image

from napari_contrastseg.bench.formats.reading import (
    ORIGIN,
    SPACING,
    Reading,
    direction_of,
    known,
)
from napari_contrastseg.io.optional import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.bench.formats.reading import Place

    Make = Callable[[Path, Place], "Made"]

#: Fields that a DICOM image must have for others to refer to it.
_EMPTY: tuple[str, ...] = (
    "AccessionNumber", "Manufacturer", "PatientBirthDate", "PatientID", "PatientName",
    "PatientSex", "PositionReferenceIndicator", "ReferringPhysicianName", "StudyDate",
    "StudyID", "StudyTime",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A file or folder that another library wrote, and what is known of it."""

    path: Path
    known: Reading


def values(channels: int = 1) -> NDArray[Any]:
    """Values (i, j, k, channels), each another one, in their order in memory."""
    shape = (6, 5, 4, channels)
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


# -- formats that know their place -------------------------------------------------


def nifti(ending: str, kind: Any = nib.Nifti1Image, unit: str = "mm") -> Make:
    """NIfTI by nibabel."""

    def make(folder: Path, place: Place) -> Made:
        lengths = {"mm": 1.0, "micron": 1e-3}
        wanted = known(values(), place, lengths[unit])
        affine = np.diag([*[1 / lengths[unit]] * 3, 1]) @ wanted.affine
        image = kind(wanted.values[..., 0], affine)
        image.header.set_xyzt_units(unit)
        path = folder / f"a{ending}"
        image.to_filename(path)
        return Made(path, wanted)

    return make


def by_itk(ending: str, channels: int = 1, *, packed: bool = False) -> Make:
    """Any kind that ITK writes."""

    def make(folder: Path, place: Place) -> Made:
        itk = need("SimpleITK", "Comparisons of formats", "bench")
        wanted = known(values(channels), place)
        stack = wanted.values.transpose(2, 1, 0, 3)
        image = itk.GetImageFromArray(
            stack if channels > 1 else stack[..., 0], isVector=channels > 1
        )
        image.SetSpacing(SPACING.tolist())
        image.SetOrigin(ORIGIN.tolist())
        image.SetDirection(direction_of(place).ravel().tolist())
        path = folder / f"a{ending}"
        itk.WriteImage(image, str(path), packed)
        return Made(path, wanted)

    return make


def dicom(folder: Path, place: Place) -> Made:
    """Write a file a slice; their names do not follow their places."""
    pydicom = need("pydicom", "DICOM files", "dicom")
    # slices are stacked along the normal, which a mirrored place has not
    axes = direction_of(place)
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * SPACING, ORIGIN
    wanted = Reading(values(), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    path = folder / "series"
    path.mkdir()
    for k in range(wanted.values.shape[2]):
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        one.SOPClassUID, one.Modality = pydicom.uid.CTImageStorage, "CT"
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.{k + 1}"
        one.SeriesInstanceUID, one.SeriesNumber, one.InstanceNumber = "1.2", 1, 9 - k
        one.StudyInstanceUID, one.FrameOfReferenceUID = "1.3", "1.4"
        for name in _EMPTY:
            setattr(one, name, "")
        plane = wanted.values[:, :, k, 0].T
        one.Rows, one.Columns = plane.shape
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 16, 15
        one.PixelRepresentation, one.RescaleSlope, one.RescaleIntercept = 0, 1, -1024
        one.PixelSpacing, one.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        one.ImageOrientationPatient = axes[:, :2].T.ravel().round(9).tolist()
        first = ORIGIN + k * SPACING[2] * axes[:, 2]
        one.ImagePositionPatient = first.round(6).tolist()
        one.PixelData = np.ascontiguousarray(plane + 1024).astype("<u2").tobytes()
        one.save_as(path / f"{(k * 3) % 4}.dcm", enforce_file_format=True)
    return Made(path, wanted)


# -- formats that know at most their voxel size ------------------------------------


def _stack(channels: int = 1) -> NDArray[Any]:
    """Values (z, y, x, channels) as microscopes have them."""
    return values(channels).transpose(2, 1, 0, 3).astype(np.uint16)


def imagej(word: str, length: float | None) -> Make:
    """TIFF as ImageJ writes it, with a unit of a length in mm, or without one."""

    def make(folder: Path, _: Place) -> Made:
        path = folder / "a.tif"
        about = {"spacing": SPACING[2], "unit": word, "axes": "ZYX"}
        resolution = (1 / SPACING[0], 1 / SPACING[1])
        tifffile.imwrite(
            path, _stack()[..., 0], imagej=True, resolution=resolution, metadata=about
        )
        return Made(path, Reading.of_array(_stack(), SPACING[::-1], length))

    return make


def ome_tiff(folder: Path, _: Place) -> Made:
    """OME-TIFF in micrometres, packed, with offsets of 64 bits."""
    path = folder / "a.ome.tif"
    about: dict[str, Any] = {"axes": "ZYX"}
    for axis, size in zip("XYZ", SPACING.tolist(), strict=True):
        about |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    image = _stack()[..., 0]
    tifffile.imwrite(
        path, image, ome=True, metadata=about, compression="zlib", bigtiff=True
    )
    return Made(path, Reading.of_array(_stack(), SPACING[::-1], 1e-3))


def ome_zarr(version: str) -> Make:
    """OME-Zarr of two channels in micrometres."""

    def make(folder: Path, _: Place) -> Made:
        zarr = need("zarr", "OME-Zarr images", "bench")
        stack, path = _stack(2), folder / "a.ome.zarr"
        group = zarr.open_group(
            path, mode="w", zarr_format=3 if version == "0.5" else 2
        )
        first = np.moveaxis(stack, -1, 0)
        made = group.create_array("0", shape=first.shape, dtype=stack.dtype)
        made[...] = first
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
        return Made(path, Reading.of_array(stack, SPACING[::-1], 1e-3))

    return make


def picture(ending: str, **options: Any) -> Make:
    """Give pictures of two colours, by Pillow."""

    def make(folder: Path, _: Place) -> Made:
        path = folder / f"a{ending}"
        colours = np.full((20, 24, 3), (90, 130, 60), np.uint8)
        colours[:, 12:] = (30, 200, 140)
        Image.fromarray(colours).save(path, **options)
        with Image.open(path) as image:  # a JPEG has other values than those given
            found = np.asarray(image)[None]
        return Made(path, Reading.of_array(found, np.ones(3), None))

    return make


def grey_picture(folder: Path, _: Place) -> Made:
    """Write a PNG of 16 bits, each of its pixels another value."""
    path = folder / "a.png"
    pixels = np.arange(20 * 24, dtype=np.uint16).reshape(20, 24)
    Image.fromarray(pixels).save(path)
    return Made(path, Reading.of_array(pixels[None, ..., None], np.ones(3), None))
