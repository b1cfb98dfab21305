"""NIfTI-1 and -2, one file or a pair; checked before reading, written without names."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.channels import MOST_CHANNELS, channel_names
from napari_contrastseg.io.choice import Part, pick, times
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file, replacing
from napari_contrastseg.io.formats import Choosing, ImageFormat, unchosen
from napari_contrastseg.io.geometry import same_place
from napari_contrastseg.io.lazy_image import (
    check_image,
    filled_image,
    is_lazy,
    lazy_image,
    viewed,
)
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.raw_data import RawVoxels
from napari_contrastseg.io.resample import placed
from napari_contrastseg.io.volume import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    import nibabel as nib
    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.volume import Volume

    Header = nib.Nifti1Header  # Nifti2Header is one, too

_NAME: Final = "nifti"
_VOLUME, _TIME, _VECTOR = 3, 3, 4
_MAGIC: Final = slice(344, 348)
_MAGIC_2: Final = slice(4, 12)
_VERSION: Final = re.compile(rb"n[+i](\d)\0")
_GZIP: Final = b"\x1f\x8b"
_HEADER_2: Final = 540
#: Bytes before the data of a NIfTI file, at most.
_MOST_HEADER: Final = 64 * 2**20
#: Bytes behind the voxels that are read to find a packed file's checksum.
_MOST_BEHIND: Final = 2**20
#: Deflate packs a byte into no less than 1/1032.
_DEFLATE_LIMIT: Final = 1040
#: Voxels along an axis that NIfTI-1 can count.
_MOST_OF_1: Final = 32767
#: Length in mm of each code of a unit; 0 says none.
_UNITS_MM: Final = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}
#: Those bits of a header's units that are of lengths; the others are of times.
_LENGTH_BITS: Final = 7
#: Key of the part that takes the fourth axis as channels.
_CHANNELS: Final = "channels"
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


@dataclass(frozen=True)
class _Declared:
    """What the checked header of a file says."""

    header: Header
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def unit(self) -> float:
        """Length of the file's unit in mm.

        Raises
        ------
        InputError
            NIfTI has no such unit.
        """
        code = int(self.header["xyzt_units"]) & _LENGTH_BITS
        if code not in _UNITS_MM:
            raise InputError(
                f"states its lengths in a unit that NIfTI does not have (xyzt_units "
                f"{code}); correct its header."
            )
        return _UNITS_MM[code]

    @property
    def end(self) -> int:
        """Bytes up to the end of the voxels."""
        need = math.prod(self.shape) * self.dtype.itemsize
        return int(self.header["vox_offset"]) + need

    @property
    def points(self) -> int:
        """Length of the fourth axis: time, as a rule."""
        return self.shape[_TIME] if len(self.shape) > _TIME else 1

    @property
    def held(self) -> np.dtype[Any]:
        """Type of a voxel in memory."""
        slope, inter = self.header.get_slope_inter()
        scaled = slope not in (None, 1.0) or inter not in (None, 0.0)
        return np.dtype(np.float64) if scaled else self.dtype


def sniff(head: bytes) -> bool:
    """Whether a file begins with a NIfTI header, packed or not."""
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEADER_2)
        except zlib.error:
            return False
    return head[_MAGIC] in (b"n+1\0", b"ni1\0") or _is_second(head)


def _is_second(head: bytes) -> bool:
    return head[_MAGIC_2] in (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")


def read_chosen(path: Path, name: str, choice: Choice) -> Volume:
    """Read one time point of a NIfTI file, or its fourth axis as channels.

    Raises
    ------
    InputError
        It is damaged, larger than memory, has further axes, or is sheared.
    """
    path = _header_of(path)
    declared = _check_header(path)
    what = plural(declared.points, "time point")
    part = pick(path, what, _parts(declared), choice.part)
    planes = declared.shape[_VECTOR] if len(declared.shape) > _VECTOR else 1
    planes *= declared.points if part.key == _CHANNELS else 1
    shape = (planes, *declared.shape[:_VOLUME])
    check_image(path, shape, declared.held)
    if is_lazy(shape, declared.held):
        channels = _lazy_channels(path, part, declared)
    else:
        with _opened(path, declared) as image:
            channels = _channels(image, part, declared)
    stated = np.asarray(declared.header.get_best_affine(), np.float64)
    affine = np.diag([declared.unit] * 3 + [1.0]) @ stated
    unit = _unit_of_sizes(path, declared)
    source = Source(path.absolute(), _NAME, None, choice.part, choice.upright, unit)
    names = channel_names(len(channels))
    return placed(name, channels, affine, names, source, upright=choice.upright)


@contextmanager
def _opened(path: Path, declared: _Declared) -> Iterator[nib.Nifti1Pair]:
    """Open a file; one that is packed is read up to its checksum, at its end."""
    import nibabel as nib  # noqa: PLC0415  slow to load

    with _quietly():
        if not _packed(path):
            yield nib.load(path)  # type: ignore[misc]
            return
        with gzip.open(path) as file:
            kind: Any = type(declared.header)
            of_header = {nib.Nifti2Header: nib.Nifti2Image}
            yield of_header.get(kind, nib.Nifti1Image).from_stream(file)
            file.seek(declared.end)
            file.read(_MOST_BEHIND)


def unpacked_bytes(path: Path, choice: Choice) -> int:
    """Count the bytes of a large packed file that are put on the disk first."""
    path = _header_of(path)
    if not _packed(path):
        return 0
    declared = _check_header(path)
    whole = declared.points == 1 or choice.part == _CHANNELS
    shape = declared.shape if whole else declared.shape[:_VOLUME]
    lazy = is_lazy(shape, declared.held)
    return math.prod(shape) * declared.held.itemsize if lazy else 0


def parts_of(path: Path) -> tuple[Part, ...]:
    """List the time points, and the choice of all as channels."""
    return tuple(_parts(_check_header(_header_of(path))))


def _parts(declared: _Declared) -> list[Part]:
    points = declared.points
    if not 1 < points <= MOST_CHANNELS:
        return times(points)
    return [*times(points), Part(_CHANNELS, "all of them, as channels", "whole")]


def _channels(
    image: nib.Nifti1Pair, part: Part, declared: _Declared
) -> list[NDArray[Any]]:
    """Read the voxels of a part, an array (i, j, k) a channel."""
    where: tuple[Any, ...] = (slice(None),) * min(len(declared.shape), _VOLUME)
    if part.kind == "time":
        where = (*where, part.moment)
    elif len(declared.shape) > _TIME:
        where = (*where, slice(None))
    data = np.asanyarray(image.dataobj[where])
    if declared.dtype.fields:
        data = np.stack([data[colour] for colour in "RGB"], axis=-1)
    grid = (*declared.shape, 1, 1)[:_VOLUME]
    return list(np.moveaxis(data.reshape(*grid, -1, order="F"), -1, 0))


def _lazy_channels(path: Path, part: Part, declared: _Declared) -> list[Any]:
    """Give the channels of a part, read when they are asked for, or unpacked to disk.

    An array (i, j, k) a channel.
    """
    of_part = declared.shape if part.kind != "time" else declared.shape[:_VOLUME]
    shape = tuple(reversed(of_part))
    voxel = declared.dtype.itemsize
    begin = int(declared.header["vox_offset"])
    begin += part.moment * math.prod(of_part) * voxel
    data: Any
    if _packed(path):
        data = _unpacked(path, declared, begin, shape)
    else:
        each = math.prod(of_part) * voxel
        voxels = RawVoxels([(_voxels_of(path), begin)], each)

        def read(where: tuple[slice, ...]) -> NDArray[Any]:
            return _scaled(voxels.read(shape, declared.dtype, where), declared)

        data = lazy_image(path, shape, declared.held, read)
    grid = (*declared.shape, 1, 1)[:_VOLUME]

    def of_channel(number: int, colour: str | None, array: NDArray[Any]) -> Any:
        values = array if colour is None else array[colour]
        return values.reshape(-1, *reversed(grid))[number].transpose()

    colours = "RGB" if declared.dtype.fields else (None,)
    return [
        viewed(data, partial(of_channel, number, colour))
        for number in range(math.prod(of_part[_VOLUME:]))
        for colour in colours
    ]


def _unpacked(
    path: Path, declared: _Declared, begin: int, shape: tuple[int, ...]
) -> NDArray[Any]:
    """Unpack a file slab by slab, up to the checksum at its end."""
    with gzip.open(path) as file:
        file.seek(begin)

        def read(where: tuple[slice, ...]) -> NDArray[Any]:
            size = [one.stop - one.start for one in where]
            need = math.prod(size) * declared.dtype.itemsize
            raw = file.read(need)
            if len(raw) < need:
                raise EOFError("it broke off")
            return _scaled(np.frombuffer(raw, declared.dtype).reshape(size), declared)

        found = filled_image(shape, declared.held, read)
        file.seek(declared.end)
        file.read(_MOST_BEHIND)
    return found


def _scaled(values: NDArray[Any], declared: _Declared) -> NDArray[Any]:
    """Apply the header's slope and intercept, as nibabel does."""
    slope, inter = declared.header.get_slope_inter()
    from nibabel.volumeutils import apply_read_scaling  # noqa: PLC0415  slow to load

    return np.asarray(apply_read_scaling(values, slope, inter))


def _unit_of_sizes(path: Path, declared: _Declared) -> Any:
    """Say whether voxel sizes are known: without any place a size of 0 is none."""
    header = declared.header
    if header["qform_code"] > 0 or header["sform_code"] > 0:
        return "mm"
    with path.open("rb") as raw:
        file = gzip.GzipFile(fileobj=raw) if _packed(path) else raw
        plain = type(header)(file.read(header.sizeof_hdr), check=False)
    sizes = plain["pixdim"][1 : 1 + min(len(declared.shape), _VOLUME)]
    return "pixel" if (sizes == 0).any() else "mm"


def count_voxels(path: Path) -> int:
    """Count the voxels that the header declares, of all time points."""
    return math.prod(_check_header(_header_of(path)).shape)


def _header_of(path: Path) -> Path:
    """Give the header's file of a pair, whichever was named."""
    if path.suffix.lower() != ".img":
        return path
    beside = [path.with_suffix(s) for s in (".hdr", ".HDR")]
    return next((p for p in beside if p.is_file()), beside[0])


def _voxels_of(path: Path) -> Path:
    """Give the file of voxels of a pair, else the one file."""
    if path.suffix.lower() != ".hdr":
        return path
    beside = [path.with_suffix(s) for s in (".img", ".IMG")]
    return next((p for p in beside if p.exists()), beside[0])


def _packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


@contextmanager
def _quietly() -> Iterator[None]:
    """Without nibabel's lines: what makes a file unfit is said in one sentence."""
    from nibabel.imageglobals import logger  # noqa: PLC0415  slow to load

    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _check_header(path: Path) -> _Declared:
    """Check what a header declares, before anything else of the file is read."""
    if path.suffix.lower() == ".hdr":
        need_file(path)
    with path.open("rb") as raw:
        _check_packing(path, raw)
        file = gzip.GzipFile(fileobj=raw) if _packed(path) else raw
        head = file.read(_HEADER_2)
    _check_version(path, head)
    if not sniff(head) and path.suffix.lower() == ".hdr":
        raise InputError(
            f"{path}: is not a NIfTI header but an older one (Analyze 7.5), which does "
            "not say which side is left; convert it to NIfTI first."
        )
    import nibabel as nib  # noqa: PLC0415  slow to load

    kind: Any = nib.Nifti2Header if _is_second(head) else nib.Nifti1Header
    with _quietly():
        header = kind(head[: kind.sizeof_hdr], check=True)
    declared = _Declared(
        header, tuple(map(int, header.get_data_shape())), header.get_data_dtype()
    )
    _check_kind(path, declared)
    _check_length(path, declared)
    return declared


def _check_packing(path: Path, file: BinaryIO) -> None:
    """Refuse a file that is packed, or is not, against what its name says."""
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    if packed and not _packed(path):
        remedy = "add .gz to it" if path.suffix.lower() == ".nii" else "unpack it"
        raise InputError(
            f"{path}: is packed, though its name does not end in .gz; {remedy}."
        )
    if _packed(path) and not packed and sniff(file.read(_HEADER_2)):
        raise InputError(
            f"{path}: is not packed, though its name ends in .gz; take .gz off."
        )
    file.seek(0)


def _check_version(path: Path, head: bytes) -> None:
    """Refuse another version of NIfTI, or what is none."""
    found = _VERSION.match(head[_MAGIC]) or _VERSION.match(head[_MAGIC_2])
    if found is not None and found[1] not in b"12":
        raise InputError(
            f"{path}: is of version {found[1].decode()} of NIfTI, and 1 and 2 are read "
            "here; save it as one of these."
        )


def _check_kind(path: Path, declared: _Declared) -> None:
    dtype, shape = declared.dtype, declared.shape
    if dtype.kind not in "biuf" and set(dtype.fields or "") - set("RGBA"):
        raise InputError(
            f"{path}: holds {dtype}, not one number a voxel; convert it first."
        )
    if dtype.kind not in "biuf" and not dtype.fields:
        raise InputError(f"{path}: holds {dtype}, not numbers; convert it first.")
    if not shape or min(shape) < 1:
        raise InputError(f"{path}: is empty, its shape is {shape}.")
    if math.prod(shape[_VECTOR + 1 :]) > 1 or (
        len(shape) > _VECTOR and shape[_VECTOR] > MOST_CHANNELS
    ):
        raise InputError(
            f"{path}: has shape {shape}; a 3-D image, its time points or its channels "
            "can be read, so save the part you mean."
        )
    if declared.points > 1 and (math.prod(shape[_VECTOR:]) > 1 or dtype.fields):
        raise InputError(
            f"{path}: has shape {shape}, times and channels; save one time point."
        )


def _check_length(path: Path, declared: _Declared) -> None:
    """Hold the voxels declared against the length of the file that has them."""
    file = _voxels_of(path)
    if file != path:
        need_file(file)
    offset = float(declared.header["vox_offset"])
    if not np.isfinite(offset) or not 0 <= offset <= _MOST_HEADER:
        raise InputError(f"{path}: its header is damaged (data at {offset:g}).")
    need = math.prod(declared.shape) * declared.dtype.itemsize
    size = file.stat().st_size
    if need > (size * _DEFLATE_LIMIT if _packed(path) else size):
        raise InputError(
            f"{path}: is damaged or incomplete, it declares {need} bytes and is "
            f"{size} bytes long; copy or export it again."
        )


def write(path: Path, array: NDArray[Any], volume: Volume) -> None:
    """Write an array in the order and with the geometry of the volume's source."""
    ordered = volume.source.to_file_order(array)
    affine = volume.file_affine
    header = _source_header(volume, ordered.shape, affine)
    dtype = array.dtype
    if header is not None:
        integer = np.issubdtype(header.get_data_dtype(), np.integer)
        if np.issubdtype(array.dtype, np.integer) and integer:
            kept = header.get_data_dtype()
            low, high = ordered.min(initial=0), ordered.max(initial=0)
            if np.iinfo(kept).min <= low and high <= np.iinfo(kept).max:
                dtype = kept
        header.set_data_dtype(dtype)
        affine = header.get_best_affine()
    import nibabel as nib  # noqa: PLC0415  slow to load

    small = max(ordered.shape) <= _MOST_OF_1
    kind: Any = nib.Nifti1Image if small else nib.Nifti2Image
    image = kind(ordered, affine, header)  # written slice by slice, whatever its order
    if header is None and volume.source.unit == "mm":
        image.header.set_xyzt_units("mm")
    with replacing(path, suffix=_ending(path)) as temporary:
        image.to_filename(temporary)


def _source_header(
    volume: Volume, shape: tuple[int, ...], affine: NDArray[np.float64]
) -> Header | None:
    """Geometry and data type of the source's header, while it is there; no more.

    The other fields and the extensions of a header may hold a person's name. A
    session may name any file as its source: one with another geometry is not it.
    """
    path = volume.source.path
    if volume.source.file_format != _NAME or path is None or not path.is_file():
        return None
    try:
        declared = _check_header(path)
    except Exception:  # noqa: BLE001  whatever it is now: no header to copy
        return None
    theirs = declared.header.get_best_affine()
    theirs = np.diag([declared.unit] * 3 + [1.0]) @ theirs
    if (*declared.shape, 1, 1)[:_VOLUME] != shape:
        return None
    if not same_place(shape, affine, theirs):
        return None
    import nibabel as nib  # noqa: PLC0415  slow to load

    small = max(shape) <= _MOST_OF_1
    kind: Any = nib.Nifti1Header if small else nib.Nifti2Header
    fresh: Header = kind(endianness=declared.header.endianness)
    if not declared.dtype.fields:
        fresh.set_data_dtype(declared.dtype)
    for field in _GEOMETRY:
        fresh[field] = declared.header[field]
    fresh["pixdim"][4:] = 0
    fresh.set_data_shape(shape)
    return fresh


def _ending(path: Path) -> str:
    return ".nii.gz" if path.name.lower().endswith(".gz") else ".nii"


FORMAT = ImageFormat(
    name=_NAME,
    title="NIfTI",
    endings=(".nii.gz", ".nii", ".hdr", ".img"),
    sniff=sniff,
    read=unchosen(read_chosen),
    count_voxels=count_voxels,
    write=write,
    anatomical=True,
    in_napari=True,
    only_read=(".hdr", ".img"),
    choosing=Choosing(parts_of, read_chosen),
    unpacked=unpacked_bytes,
)
