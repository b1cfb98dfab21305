"""Image and mask files: NIfTI, TIFF and PNG."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import imageio.v3 as imageio
import numpy as np
import tifffile
from PIL import Image

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file, replacing
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.nifti import read_nifti, write_nifti
from napari_contrastseg.io.tiff import read_tiff
from napari_contrastseg.io.volume import Source, Volume, array_affine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Format = Literal["nifti", "tiff", "png"]
FORMATS: Final[dict[str, Format]] = {
    ".nii.gz": "nifti",
    ".nii": "nifti",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".png": "png",
}
#: Bytes of a file name that we make.
LONGEST_NAME: Final = 180
_COLOURS: Final = ("red", "green", "blue")
_VOLUME: Final = 3


def ending_of(path: Path) -> str:
    """Return the ending of an image file we read (``.nii.gz`` ...), or ``""``."""
    name = path.name.lower()
    return next((ending for ending in FORMATS if name.endswith(ending)), "")


def stem_of(path: Path) -> str:
    """File name without its (perhaps double) ending."""
    return path.name[: len(path.name) - len(ending_of(path))] or path.stem


def read_volume(path: Path, *, name: str | None = None) -> Volume:
    """Read an image file.

    Parameters
    ----------
    path : Path
        NIfTI (3-D), TIFF (pages, optionally RGB) or PNG (grey or RGB).
    name : str, optional
        The volume's id; the file's stem by default.

    Returns
    -------
    Volume
        In canonical order (z, y, x); 2-D images have one slice.

    Raises
    ------
    InputError
        The file is missing, unreadable, truncated, or of another kind.
    """
    file_format = _format(path)
    name = name or stem_of(path)
    reader = {"nifti": read_nifti, "tiff": _read_tiff, "png": _read_png}[file_format]
    need_file(path)
    try:
        return reader(path, name)
    except MemoryError:
        raise
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {str(error).removeprefix(f'{name}: ')}") from error
    except PermissionError as error:
        raise InputError(
            f"{path}: may not be read by you; change its permissions."
        ) from error
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: cannot be read as {file_format.upper()}, it is damaged or "
            f"incomplete ({cause[:120]}); copy or export it again."
        ) from error


def read_labels(path: Path, *, name: str | None = None) -> Volume:
    """Read a file of integer class labels; as `read_volume`, one integer channel."""
    volume = read_volume(path, name=name)
    if len(volume.data) != 1:
        raise InputError(f"{path}: is a colour image, not a mask of class numbers.")
    labels = np.asarray(volume.data[0])
    if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != np.bool_:
        rounded = np.rint(labels)
        if not np.isfinite(labels).all() or np.abs(rounded - labels).max() > 1e-3:  # noqa: PLR2004
            raise InputError(f"{path}: holds fractions, not a mask of class numbers.")
        labels = rounded
    labels = labels.astype(np.int64)
    if labels.min() < 0:
        raise InputError(f"{path}: holds negative label values; use 0 and above.")
    return replace(volume, data=(labels,))


def write_mask(path: Path, mask: NDArray[Any], volume: Volume) -> None:
    """Write integer labels with the geometry of the volume they were made on.

    Parameters
    ----------
    path : Path
        Its ending chooses the format.
    mask : (s0, s1, s2) int
        In the volume's array order.
    volume : Volume
        A NIfTI source lends its array order and affine, and its data type where
        that is an integer type; other sources lend their spacing.

    Raises
    ------
    InputError
        The shapes differ, or the file cannot be written.
    """
    if tuple(mask.shape) != volume.shape:
        raise InputError(f"{path}: mask {mask.shape} does not fit {volume.shape}.")
    _refuse_source(path, volume)
    smallest = np.uint8 if mask.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    {"nifti": write_nifti, "tiff": _write_tiff, "png": _write_png}[_format(path)](
        path, mask.astype(smallest), volume
    )


def write_map(path: Path, values: NDArray[Any], volume: Volume) -> None:
    """Write real values (a confidence) as float32 NIfTI or TIFF, as `write_mask`."""
    writer = {"nifti": write_nifti, "tiff": _write_tiff}.get(_format(path))
    if writer is None:
        raise InputError(f"{path}: real values need a NIfTI or TIFF file.")
    _refuse_source(path, volume)
    writer(path, values.astype(np.float32), volume)


def _refuse_source(path: Path, volume: Volume) -> None:
    """Never write over the image itself, whatever else may be replaced."""
    source = volume.source.path
    if source is None or not path.exists() or not source.exists():
        return
    if path.samefile(source):
        raise InputError(
            f"{path}: is the image itself; choose another folder for the output."
        )


def file_names(ids: Iterable[str]) -> dict[str, str]:
    """Make file names, without ending, of volumes' ids; each different."""
    names: dict[str, str] = {}
    for volume_id in ids:
        safe = "".join(c if c.isalnum() or c in "-_. ()[]" else "_" for c in volume_id)
        safe = safe.encode()[:LONGEST_NAME].decode(errors="ignore")
        safe = safe.strip(". ") or "volume"
        name, number = safe, 2
        while name in names.values():
            name, number = f"{safe} ({number})", number + 1
        names[volume_id] = name
    return names


def _format(path: Path) -> Format:
    try:
        return FORMATS[ending_of(path)]
    except KeyError:
        raise InputError(
            f"{path}: is not of a kind that is read here; use one of "
            f"{', '.join(FORMATS)}."
        ) from None


def _read_tiff(path: Path, name: str) -> Volume:
    data, axes, spacing, clear = read_tiff(path)
    if "T" in axes and data.shape[axes.index("T")] > 1:
        raise InputError(
            f"{path}: has a time axis ({data.shape}, {axes}); save one time point."
        )
    planes = []
    for plane in _split(data, axes, clear):
        many = [n for n in plane.shape[:-2] if n != 1] or [1]
        planes.append(plane.reshape(*many, *plane.shape[-2:]))
    return _picture(path, "tiff", name, planes, spacing)


def _read_png(path: Path, name: str) -> Volume:
    # by name and content: other formats that Pillow knows start programs of their own
    with Image.open(path, formats=["PNG"]) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise InputError(f"{path}: holds several pictures; save one in each file.")
        width, height = image.size
        check_size(path, (height, width, 4), np.uint16)
        data = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    samples = data.shape[-1] if data.ndim == _VOLUME else 1
    clear = [samples - 1] if samples in (2, 4) else []
    planes = _split(data, "YXS" if data.ndim == _VOLUME else "YX", clear)
    return _picture(path, "png", name, [p[None] for p in planes], np.ones(3))


def _split(data: NDArray[Any], axes: str, clear: Sequence[int]) -> list[NDArray[Any]]:
    """Split the axis of channels (C) or of samples (S, but for `clear` ones), if any.

    Samples that are `clear` say how transparent a pixel is.
    """
    if "S" in axes and data.shape[axes.index("S")] > 1:
        along = axes.index("S")
        kept = [i for i in range(data.shape[along]) if i not in clear]
        return [np.take(data, i, axis=along) for i in kept]
    if "C" in axes:
        along = axes.index("C")
        return [np.take(data, i, axis=along) for i in range(data.shape[along])]
    return [data]


def _picture(
    path: Path,
    file_format: Literal["tiff", "png"],
    name: str,
    planes: list[NDArray[Any]],
    spacing: NDArray[np.float64],
) -> Volume:
    return Volume(
        name,
        tuple(planes),
        array_affine(spacing),
        channels=_channel_names(len(planes)),
        source=Source(path.absolute(), file_format),
        kind="stack" if len(planes[0]) == 1 else "volume",
    )


def _channel_names(count: int) -> tuple[str, ...]:
    if count == 1:
        return ("image",)
    if count == len(_COLOURS):
        return _COLOURS
    return tuple(f"channel {i}" for i in range(count))


def _write_tiff(path: Path, array: NDArray[Any], volume: Volume) -> None:
    z, y, x = volume.spacing
    with replacing(path) as temporary:
        tifffile.imwrite(
            temporary,
            np.ascontiguousarray(array),
            imagej=True,
            resolution=(1 / x, 1 / y),
            metadata={"spacing": float(z), "unit": "mm", "axes": "ZYX"},
        )


def _write_png(path: Path, array: NDArray[Any], _volume: Volume) -> None:
    if len(array) != 1:
        raise InputError(f"{path}: PNG holds one slice; write NIfTI or TIFF instead.")
    with replacing(path) as temporary:
        imageio.imwrite(temporary, array[0])
