"""NIfTI files: checked before they are read, written with their geometry alone."""

from __future__ import annotations

import gzip
import math
import zlib
from typing import TYPE_CHECKING, Any, Final

import nibabel as nib
import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.formats import ImageFormat
from napari_contrastseg.io.geometry import same_place
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.volume import Source, Volume, canonical

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_NAME: Final = "nifti"
_PLANE, _VOLUME = 2, 3
_MAGIC: Final = slice(344, 348)
_GZIP: Final = b"\x1f\x8b"
_NIFTI_HEADER: Final = 348
#: Bytes before the data of a NIfTI file, at most.
_MOST_HEADER: Final = 64 * 2**20
#: Deflate packs a byte into no less than 1/1032.
_DEFLATE_LIMIT: Final = 1040
#: Fields of a NIfTI header that say where its voxels are.
_GEOMETRY: Final = (
    "pixdim",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
    "xyzt_units",
)


def sniff(head: bytes) -> bool:
    """Whether a file begins with a NIfTI header, packed or not."""
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _NIFTI_HEADER)
        except zlib.error:
            return False
    return head[_MAGIC] in (b"n+1\0", b"ni1\0")


def read(path: Path, name: str) -> Volume:
    """Read a 3-D NIfTI file, in canonical order."""
    _check_header(path, to_read=True)
    image = nib.load(path)
    if not isinstance(image, nib.Nifti1Image):
        raise InputError(f"{path}: is not a NIfTI image.")
    data = np.asanyarray(image.dataobj)
    while data.ndim > _VOLUME and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim == _PLANE:
        data = data[..., None]
    if data.ndim != _VOLUME:
        raise InputError(
            f"{path}: has shape {data.shape}; a 3-D image is needed, so choose one "
            "time point or write one file a channel."
        )
    affine = np.asarray(image.affine, dtype=np.float64)
    source = Source(path.absolute(), _NAME)
    return canonical(Volume(name, (data,), affine, source=source))


def count_voxels(path: Path) -> int:
    """Count the voxels that the header declares."""
    return math.prod(_check_header(path))


def _check_header(path: Path, *, to_read: bool = False) -> tuple[int, ...]:
    """Check what a header declares, before anything else of the file is read.

    Parameters
    ----------
    path : Path
    to_read : bool
        Whether the voxels must fit into the free memory.

    Returns
    -------
    tuple of int
        Voxels along each axis.
    """
    packed = path.name.lower().endswith(".gz")
    with path.open("rb") as raw:
        file = gzip.GzipFile(fileobj=raw) if packed else raw
        header = nib.Nifti1Header(file.read(_NIFTI_HEADER), check=True)
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    if dtype.kind not in "biuf":
        raise InputError(
            f"{path}: holds {dtype}, not one number a voxel; convert it first."
        )
    offset = float(header["vox_offset"])
    if not np.isfinite(offset) or not 0 <= offset <= _MOST_HEADER:
        raise InputError(f"{path}: its header is damaged (data at {offset:g}).")
    slope, inter = header.get_slope_inter()
    scaled = slope not in (None, 1.0) or inter not in (None, 0.0)
    held = np.dtype(np.float64) if scaled else dtype
    if to_read:
        check_size(path, (2, *shape), held)  # a packed file is held twice for a moment
    declared = math.prod(int(n) for n in shape) * dtype.itemsize
    size = path.stat().st_size
    if declared > (size * _DEFLATE_LIMIT if packed else size):
        raise InputError(
            f"{path}: is damaged or incomplete, it declares {declared} bytes and is "
            f"{size} bytes long; copy or export it again."
        )
    return tuple(int(n) for n in shape)


def write(path: Path, array: NDArray[Any], volume: Volume) -> None:
    """Write an array in the order and with the geometry of the volume's source."""
    ordered = volume.source.to_file_order(array)
    affine = volume.file_affine
    header = _source_header(volume, ordered.shape, affine)
    if header is not None:
        integer = np.issubdtype(header.get_data_dtype(), np.integer)
        if np.issubdtype(array.dtype, np.integer) and integer:
            kept = header.get_data_dtype()
            if ordered.max(initial=0) <= np.iinfo(kept).max:
                ordered = ordered.astype(kept)
        header.set_data_dtype(ordered.dtype)
        affine = header.get_best_affine()
    image = nib.Nifti1Image(np.ascontiguousarray(ordered), affine, header)
    with replacing(path, suffix=_ending(path)) as temporary:
        image.to_filename(temporary)


def _source_header(
    volume: Volume, shape: tuple[int, ...], affine: NDArray[np.float64]
) -> nib.Nifti1Header | None:
    """Geometry and data type of the source's header, while it is there; no more.

    The other fields and the extensions of a header may hold a person's name. A
    session may name any file as its source: one with another geometry is not it.
    """
    path = volume.source.path
    if volume.source.file_format != _NAME or path is None or not path.is_file():
        return None
    try:
        _check_header(path)
        image = nib.load(path)
    except Exception:  # noqa: BLE001  whatever it is now: no header to copy
        return None
    if not isinstance(image, nib.Nifti1Image) or image.shape[:3] != shape:
        return None
    if not same_place(shape, affine, image.affine):
        return None
    fresh = nib.Nifti1Header(endianness=image.header.endianness)
    fresh.set_data_dtype(image.get_data_dtype())
    for field in _GEOMETRY:
        fresh[field] = image.header[field]
    fresh["pixdim"][4:] = 0
    fresh.set_data_shape(shape)
    return fresh


def _ending(path: Path) -> str:
    return ".nii.gz" if path.name.lower().endswith(".gz") else ".nii"


FORMAT = ImageFormat(
    name=_NAME,
    title="NIfTI",
    endings=(".nii.gz", ".nii"),
    sniff=sniff,
    read=read,
    count_voxels=count_voxels,
    write=write,
    anatomical=True,
    in_napari=True,
)
