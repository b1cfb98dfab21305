"""MetaImage files, .mha and .mhd with its voxels beside it, as ITK writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_contrastseg.io.channels import MOST_CHANNELS, channel_names, volume_of
from napari_contrastseg.io.choice import Part, pick, times
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import Choosing, ImageFormat, unchosen
from napari_contrastseg.io.lazy_image import check_image
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.raw_data import beside_all, check_length, numbered, read_raw
from napari_contrastseg.io.resample import lps_affine, placed
from napari_contrastseg.io.volume import Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.volume import Volume

_NAME: Final = "metaimage"
_MOST_HEADER: Final = 2**20
_SPACE: Final = 3
_TIME: Final = 4
_TYPES: Final = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",  # as ITK reads it: long has 4 bytes in a file
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
#: Fields that say how large a voxel is.
_SIZES: Final = ("elementspacing", "elementsize")
_UNITS_MM: Final = {"": 1.0, "mm": 1.0, "um": 1e-3, "cm": 10.0, "?": 1.0}


@dataclass(frozen=True)
class _Header:
    """What a header says; axes as in the file, the fastest first.

    Attributes
    ----------
    placed : bool
        Whether it says where its axes point.
    steps : (3, 3) float, mm
        From voxel to voxel along each axis, LPS.
    unit : {"mm", "pixel"}
        ``pixel`` where it does not say how large a voxel is.
    """

    dtype: np.dtype[Any]
    sizes: tuple[int, ...]
    samples: int
    packing: str
    files: tuple[tuple[Path, int], ...]
    placed: bool
    steps: NDArray[np.float64]
    origin: NDArray[np.float64]
    unit: Literal["mm", "pixel"]

    @property
    def times(self) -> int:
        """Time points, the fourth axis."""
        return math.prod(self.sizes[_SPACE:])

    @property
    def grid(self) -> tuple[int, int, int]:
        """Voxels along the axes in space."""
        i, j, k = (*self.sizes, 1, 1)[:_SPACE]
        return i, j, k


def sniff(head: bytes) -> bool:
    """Whether a file begins with the keys of a MetaImage header."""
    start = head.lstrip()[:40]
    return start.startswith((b"ObjectType", b"NDims", b"Comment ="))


def read_chosen(path: Path, name: str, choice: Choice) -> Volume:
    """Read one time point of a file.

    Raises
    ------
    InputError
        It is damaged, larger than memory, or names voxels outside of its folder.
    """
    header = _read_header(path)
    what = plural(header.times, "time point")
    part = pick(path, what, times(header.times), choice.part)
    shape = (header.samples, *header.grid, header.times)
    check_image(path, shape, header.dtype)
    data = read_raw(path, header.files, shape, header.dtype, header.packing)
    channels = [data[number, ..., part.moment] for number in range(header.samples)]
    affine = lps_affine(header.steps, header.origin)
    if not header.placed:
        turned = [channel.transpose(2, 1, 0) for channel in channels]
        back = affine[:, [2, 1, 0, 3]]
        return volume_of(
            path, _NAME, name, turned, np.ones(3), unit=header.unit, choice=choice,
            affine=back,
        )  # fmt: skip
    source = Source(
        path.absolute(), _NAME, None, choice.part, choice.upright, header.unit
    )
    names = channel_names(len(channels))
    return placed(name, channels, affine, names, source, upright=choice.upright)


def parts_of(path: Path) -> tuple[Part, ...]:
    """List the time points of a file."""
    return tuple(times(_read_header(path).times))


def count_voxels(path: Path) -> int:
    """Count the voxels of all time points."""
    return math.prod(_read_header(path).sizes)


def _read_header(path: Path) -> _Header:
    """Read and check a header, before anything else of the file is read."""
    fields, listed, end = _fields(path)
    try:
        sizes = tuple(int(n) for n in fields["dimsize"].split())
        dimension = int(fields["ndims"])
        kind = fields["elementtype"].upper()
    except KeyError as missing:
        raise InputError(
            f"{path}: its header has no field {missing}; export it again."
        ) from missing
    code = _TYPES.get(kind)
    if code is None:
        raise InputError(
            f"{path}: holds {kind}, not one number a voxel; save it as numbers."
        )
    if len(sizes) != dimension or not 1 <= dimension <= _TIME or min(sizes) < 1:
        raise InputError(f"{path}: has sizes {sizes} along {dimension} axes.")
    samples = int(fields.get("elementnumberofchannels", "1"))
    if not 1 <= samples <= MOST_CHANNELS:
        raise InputError(f"{path}: has {samples} channels.")
    if fields.get("binarydata", "true").lower() not in ("true", "1"):
        raise InputError(f"{path}: holds its voxels as text; save them as binary.")
    big = fields.get(
        "elementbyteordermsb", fields.get("binarydatabyteordermsb", "false")
    )
    dtype = np.dtype(f"{'>' if big.lower() in ('true', '1') else '<'}{code}")
    packed = fields.get("compresseddata", "false").lower() in ("true", "1")
    packing = "zlib" if packed else "raw"
    files = _files(path, fields, listed, end)
    steps, origin = _place(fields, dimension)
    need = math.prod(sizes) * samples * dtype.itemsize
    check_length(path, files, need, packing)
    placed = any(k in fields for k in ("transformmatrix", "rotation", "orientation"))
    sized = any(name in fields for name in _SIZES)
    unit: Literal["mm", "pixel"] = "mm" if sized else "pixel"
    return _Header(dtype, sizes, samples, packing, files, placed, steps, origin, unit)


def _fields(path: Path) -> tuple[dict[str, str], list[str], int]:
    """Read a header's fields, the files that it lists, and where its voxels begin."""
    with path.open("rb") as file:
        raw = file.read(_MOST_HEADER)
    fields: dict[str, str] = {}
    at = 0
    while at < len(raw):
        line_end = raw.find(b"\n", at)
        line_end = len(raw) if line_end < 0 else line_end
        line = raw[at:line_end].decode("utf-8", errors="replace")
        at = line_end + 1
        key, equals, value = line.partition("=")
        if not equals:
            continue
        fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            rest = raw[at:] if value.strip().upper().startswith("LIST") else b""
            return fields, rest.decode("utf-8", errors="replace").splitlines(), at
    if not sniff(raw):
        raise ValueError("it says neither ObjectType nor NDims")
    raise InputError(
        f"{path}: its header does not say where its voxels are (ElementDataFile); "
        "export it again."
    )


def _files(
    path: Path, fields: Mapping[str, str], listed: list[str], end: int
) -> tuple[tuple[Path, int], ...]:
    """Give the files that hold the voxels, and where in them these begin."""
    where = fields["elementdatafile"]
    skip = int(fields.get("headersize", "0"))
    words = where.split()
    if where.upper() == "LOCAL":
        return ((path, end),)
    names = [where]
    if words and words[0].upper() == "LIST":
        names = [name.strip() for name in listed if name.strip()]
    elif "%" in where and len(words) == _TIME:
        names = numbered(path, words[0], words[1:])
    return tuple((file, max(skip, -1)) for file in beside_all(path, names))


def _place(
    fields: Mapping[str, str], dimension: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give steps and origin in space, in mm, LPS."""
    turned = _numbers(fields, ("transformmatrix", "rotation", "orientation"))
    lengths = _numbers(fields, _SIZES)
    offset = _numbers(fields, ("offset", "position", "origin"))
    unit = _UNITS_MM.get(fields.get("distanceunits", "").lower(), 1.0)
    n = min(dimension, _SPACE)
    steps, origin = np.eye(_SPACE), np.zeros(_SPACE)
    if turned:
        whole = np.array(turned, dtype=np.float64).reshape(dimension, dimension)
        steps[:n, :n] = whole[:n, :n]
    sizes = np.ones(_SPACE)
    sizes[:n] = (lengths or [1.0] * n)[:n]
    if n < _SPACE:
        sizes[n:] = sizes[:n].min()
    origin[:n] = (offset or [0.0] * n)[:n]
    return steps * sizes[:, None] * unit, origin * unit


def _numbers(fields: Mapping[str, str], names: tuple[str, ...]) -> list[float]:
    found = next((fields[name] for name in names if name in fields), "")
    return [float(word) for word in found.split()]


FORMAT = ImageFormat(
    name=_NAME,
    title="MetaImage",
    endings=(".mha", ".mhd"),
    sniff=sniff,
    read=unchosen(read_chosen),
    count_voxels=count_voxels,
    anatomical=True,
    in_napari=True,
    choosing=Choosing(parts_of, read_chosen),
)
