"""A small image in every format and layout that is read, and what is to be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import nibabel as nib
import numpy as np
import SimpleITK
import tifffile
from PIL import Image

from tests.kit.dicom_series import write_series
from tests.kit.ome_zarr import write as write_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

_RNG = np.random.default_rng(0)
#: (z, y, x), a bright box in it.
GREY: Final = (_RNG.random((6, 40, 44)) * 40 + 50).astype(np.uint8)
GREY[:, 10:24, 12:30] += 90
_BOTH: Final = np.stack([GREY, GREY[::-1]])
_TURN: Final = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])


@dataclass(frozen=True)
class Case:
    """An image file or folder.

    Attributes
    ----------
    make : folder -> path
    answers : tuple of str
        Words of what a person clicks where the dock asks, one question after the other.
    shape, channels, spacing
        Of the volume, (z, y, x) and mm.
    napari : bool
        Whether napari's own reader is the one that opens it.
    """

    make: Callable[[Path], Path]
    spacing: tuple[float, float, float] = (1, 1, 1)
    answers: tuple[str, ...] = ()
    channels: int = 1
    shape: tuple[int, int, int] = GREY.shape
    napari: bool = False


def _nifti(
    folder: Path,
    ending: str = ".nii.gz",
    values: NDArray[Any] = GREY.T,
    matrix: Any = ((1, 0, 0), (0, 1, 0), (0, 0, 4)),
    kind: Any = nib.Nifti1Image,
) -> Path:
    affine = np.eye(4)
    affine[:3, :3] = matrix
    kind(values, affine).to_filename(folder / f"a{ending}")
    return folder / f"a{ending}"


def _itk(folder: Path, ending: str) -> Path:
    image = SimpleITK.GetImageFromArray(GREY)
    image.SetSpacing((1.0, 1.0, 4.0))
    SimpleITK.WriteImage(image, str(folder / f"a{ending}"))
    return folder / f"a{ending}"


def _dicom(folder: Path, gaps: tuple[float, ...] = (4,) * 5, number: int = 3) -> Path:
    """Write a series; its slices lie as far apart as `gaps` says."""
    place, path = 0.0, folder / "scan"
    for k, gap in enumerate((*gaps, gaps[-1])):
        affine = np.diag([-1.0, -1.0, 4.0, 1.0])
        affine[2, 3] = place
        part = folder / f"{number}-{k}"
        about = {"SeriesInstanceUID": f"1.2.{number}", "SeriesNumber": number}
        values = GREY.T[:, :, k : k + 1].astype(np.uint16)
        write_series(part, values, affine, **about)
        path.mkdir(exist_ok=True)
        next(part.iterdir()).rename(path / f"{number}-{k}.dcm")
        part.rmdir()
        place += gap
    return path


def _two_series(folder: Path) -> Path:
    _dicom(folder)
    return _dicom(folder, (4, 4, 8, 8, 8), number=4)


def _tiff(folder: Path, values: NDArray[Any] = GREY, **how: Any) -> Path:
    tifffile.imwrite(folder / "a.tif", values, **how)
    return folder / "a.tif"


def _fiji(folder: Path, axes: str, values: NDArray[Any], **about: Any) -> Path:
    metadata = {"spacing": 0.4, "unit": "um", "axes": axes} | about
    how: Any = {"imagej": True, "resolution": (10, 10), "metadata": metadata}
    return _tiff(folder, values, **how)


def _ome_tiff(folder: Path) -> Path:
    about = {"axes": "CZYX", "PhysicalSizeZ": 0.4, "PhysicalSizeX": 0.1}
    about |= {"PhysicalSizeY": 0.1, "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(folder / "a.ome.tif", _BOTH, metadata=about)
    return folder / "a.ome.tif"


def _two_images(folder: Path) -> Path:
    with tifffile.TiffWriter(folder / "a.tif") as tif:
        tif.write(GREY[:4], photometric="minisblack")
        tif.write(GREY, photometric="minisblack")
    return folder / "a.tif"


def _picture(folder: Path, ending: str, values: NDArray[Any]) -> Path:
    Image.fromarray(values).save(folder / f"a{ending}")
    return folder / f"a{ending}"


def _palette(folder: Path) -> Path:
    Image.fromarray(np.moveaxis(GREY[:3], 0, -1)).quantize(64).save(folder / "a.png")
    return folder / "a.png"


def _folder(folder: Path, smaller: int = 0) -> Path:
    path = folder / "pictures"
    path.mkdir()
    for k, plane in enumerate(GREY):
        Image.fromarray(plane[: len(plane) - smaller * k]).save(path / f"{k + 6}.png")
    return path


def _zarr(folder: Path, version: str) -> Path:
    data = _BOTH.astype(np.uint16)
    return write_zarr(folder / "a.ome.zarr", data=data, version=version)


_MM4: Final = (4.0, 1.0, 1.0)
_MICRON: Final = (0.4e-3, 0.1e-3, 0.1e-3)
_ZARR: Final = (2e-3, 0.5e-3, 0.25e-3)
_ONE: Final = (1, *GREY.shape[1:])
CASES: Final[dict[str, Case]] = {
    "NIfTI-1": Case(_nifti, _MM4),
    "NIfTI-2": Case(partial(_nifti, ending=".nii", kind=nib.Nifti2Image), _MM4),
    "NIfTI, header and image": Case(
        partial(_nifti, ending=".hdr", kind=nib.Nifti1Pair), _MM4
    ),
    "NIfTI, oblique": Case(partial(_nifti, matrix=_TURN @ np.diag([1, 1, 4])), _MM4),
    "NIfTI, times": Case(
        partial(_nifti, values=np.stack([GREY.T, 0 * GREY.T], axis=-1)),
        _MM4,
        ("time 0",),
    ),
    "NRRD": Case(partial(_itk, ending=".nrrd"), _MM4),
    "NHDR": Case(partial(_itk, ending=".nhdr"), _MM4),
    "MetaImage": Case(partial(_itk, ending=".mha"), _MM4),
    "MetaImage, header and image": Case(partial(_itk, ending=".mhd"), _MM4),
    "DICOM": Case(_dicom, _MM4),
    "DICOM, uneven": Case(
        partial(_dicom, gaps=(4, 4, 8, 8, 8)), _MM4, ("Resample",), shape=(9, 40, 44)
    ),
    "OME-Zarr 0.4": Case(partial(_zarr, version="0.4"), _ZARR, channels=2),
    "OME-Zarr 0.5": Case(partial(_zarr, version="0.5"), _ZARR, channels=2),
    "TIFF": Case(partial(_tiff, photometric="minisblack"), napari=True),
    "TIFF of Fiji": Case(partial(_fiji, axes="ZYX", values=GREY), _MICRON, napari=True),
    "TIFF of Fiji, channels": Case(
        partial(_fiji, axes="ZCYX", values=np.swapaxes(_BOTH, 0, 1)),
        _MICRON,
        channels=2,
        napari=True,
    ),
    "TIFF of Fiji, times": Case(
        partial(_fiji, axes="TZYX", values=_BOTH), _MICRON, ("time 0",), napari=True
    ),
    "TIFF of Fiji, times of pictures": Case(
        partial(_fiji, axes="TYX", values=GREY, unit="pixel"),
        (0.4, 0.1, 0.1),
        ("slices",),
        napari=True,
    ),
    "TIFF of two images": Case(_two_images, answers=("image 1",), napari=True),
    "OME-TIFF": Case(_ome_tiff, _MICRON, channels=2, napari=True),
    "PNG": Case(
        partial(_picture, ending=".png", values=GREY[0]), shape=_ONE, napari=True
    ),
    "PNG, colours and transparency": Case(
        partial(_picture, ending=".png", values=np.moveaxis(GREY[:4], 0, -1)),
        channels=3,
        shape=_ONE,
        napari=True,
    ),
    "PNG, palette": Case(_palette, channels=3, shape=_ONE, napari=True),
    "JPEG": Case(
        partial(_picture, ending=".jpg", values=np.moveaxis(GREY[:3], 0, -1)),
        channels=3,
        shape=_ONE,
        napari=True,
    ),
    "folder of pictures, slices": Case(_folder, answers=("slices",)),
    "folder of pictures, unrelated": Case(_folder, answers=("unrelated",)),
    "folder of pictures of different sizes": Case(partial(_folder, smaller=2)),
}
