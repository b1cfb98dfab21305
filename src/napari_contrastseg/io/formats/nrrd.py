"""NRRD and NHDR files, and 3D Slicer's .seg.nrrd: place, units, channels, times."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_contrastseg.io.channels import MOST_CHANNELS, channel_names, volume_of
from napari_contrastseg.io.choice import Part, pick, times
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import Choosing, ImageFormat, unchosen
from napari_contrastseg.io.lazy_image import check_image
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.raw_data import beside_all, check_length, numbered, read_raw
from napari_contrastseg.io.resample import placed
from napari_contrastseg.io.segments import Segment, colour_of, printable
from napari_contrastseg.io.volume import Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.volume import Volume

_NAME: Final = "nrrd"
_VERSION: Final = re.compile(rb"NRRD(\d{4})\s")
_NEWEST: Final = 5
_MOST_HEADER: Final = 2**20
_MOST_AXES: Final = 16
_SPACE: Final = 3
_TYPES: Final = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16",
           "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long",
           "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64",
           "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}  # fmt: skip
_PACKINGS: Final = {
    "raw": "raw",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}
#: Signs that bring the axes of a named space to RAS+.
_SPACES: Final = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
_UNITS_MM: Final = {
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0,
    "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3,
    "micrometer": 1e-3, "micrometers": 1e-3,
    "nm": 1e-6, "nanometer": 1e-6, "nanometers": 1e-6,
    "cm": 10.0, "centimeter": 10.0, "m": 1e3, "meter": 1e3, "inch": 25.4,
}  # fmt: skip
#: Kinds of axes that lie in space.
_SPATIAL: Final = ("domain", "space")
_SEGMENTS: Final = 4096


@dataclass(frozen=True)
class _Header:
    """What the header of a file says of its axes, the fastest first.

    Attributes
    ----------
    steps : (n, 3) float or None
        From voxel to voxel along each axis in space; None where only sizes are known.
    unit : {"mm", "pixel"}
    to_ras : (3,) int, or None
        Signs of the space that is named, if it is one of bodies.
    about : dict
        The fields that were read, for segments.
    """

    dtype: np.dtype[Any]
    sizes: tuple[int, ...]
    packing: str
    files: tuple[tuple[Path, int], ...]
    kinds: tuple[Literal["space", "channel", "time"], ...]
    steps: NDArray[np.float64]
    origin: NDArray[np.float64]
    unit: Literal["mm", "pixel"]
    to_ras: tuple[int, int, int] | None
    segments: Mapping[str, str]

    def along(self, kind: str) -> list[int]:
        """Axes of a kind."""
        return [axis for axis, one in enumerate(self.kinds) if one == kind]

    def count(self, kind: str) -> int:
        """Elements along the axes of a kind."""
        return math.prod(self.sizes[axis] for axis in self.along(kind))


def sniff(head: bytes) -> bool:
    """Whether a file begins as NRRD headers do."""
    return _VERSION.match(head) is not None


def read_chosen(path: Path, name: str, choice: Choice) -> Volume:
    """Read one time point of a file.

    Raises
    ------
    InputError
        It is damaged, larger than memory, or names voxels outside of its folder.
    """
    header = _read_header(path)
    what = plural(header.count("time"), "time point")
    part = pick(path, what, times(header.count("time")), choice.part)
    check_image(path, header.sizes, header.dtype)
    data = read_raw(path, header.files, header.sizes, header.dtype, header.packing)
    channels = _channels(data, header, part)
    numbered = len(channels) > 1 and bool(header.segments)
    if numbered:
        channels = [_one_of_layers(path, channels, header.segments)]
    volume = _in_place(path, name, choice, header, channels)
    return replace(volume, segments=_segments(header.segments, numbered=numbered))


def parts_of(path: Path) -> tuple[Part, ...]:
    """List the time points of a file."""
    return tuple(times(_read_header(path).count("time")))


def count_voxels(path: Path) -> int:
    """Count the voxels in space, of all time points."""
    header = _read_header(path)
    return header.count("space") * header.count("time")


def _channels(data: Any, header: _Header, part: Part) -> list[Any]:
    """Give the array (i, j, k) of each channel, of one time point."""
    space, time, channel = map(header.along, ("space", "time", "channel"))
    ordered = data.transpose(*space, *time, *channel)
    flat = (None,) * (_SPACE - len(space))

    def place(number: int, axes: list[int]) -> tuple[int, ...]:
        sizes = [header.sizes[axis] for axis in axes]
        return tuple(map(int, np.unravel_index(number, sizes, order="F")))

    moment = place(part.moment, time)
    return [
        ordered[(..., *flat, *moment, *place(number, channel))]
        for number in range(header.count("channel"))
    ]


def _one_of_layers(
    path: Path, layers: list[NDArray[Any]], about: Mapping[str, str]
) -> NDArray[Any]:
    """Join the layers of a segmentation, a number for each segment in their order."""
    joined = np.zeros(layers[0].shape, np.uint16)
    for number in range(_SEGMENTS):
        value = about.get(f"segment{number}_labelvalue")
        if value is None:
            return joined
        layer = int(about.get(f"segment{number}_layer", 0))
        if not 0 <= layer < len(layers):
            raise InputError(f"{path}: names a layer of segments that it lacks.")
        mine = np.asarray(layers[layer]) == int(value)
        if joined[mine].any():
            raise InputError(
                f"{path}: has segments that overlap, of which a voxel can have but "
                "one; export them in 3D Slicer without overlap."
            )
        joined[mine] = number + 1
    raise InputError(f"{path}: has more than {_SEGMENTS} segments.")


def _segments(about: Mapping[str, str], *, numbered: bool) -> tuple[Segment, ...]:
    """Give names and colours of segments, by their value or by their number."""
    found = []
    for number in range(_SEGMENTS):
        value = about.get(f"segment{number}_labelvalue")
        if value is None:
            break
        colour = about.get(f"segment{number}_color", "").split()
        found.append(
            Segment(
                number + 1 if numbered else int(value),
                printable(about.get(f"segment{number}_name", "")),
                colour_of(tuple(float(part) for part in colour)),
            )
        )
    return tuple(found)


def _in_place(
    path: Path,
    name: str,
    choice: Choice,
    header: _Header,
    channels: list[NDArray[Any]],
) -> Volume:
    steps = _three(header.steps)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps.T, header.origin
    signs = header.to_ras or _SPACES["lps"]  # as ITK takes a space without a name
    affine = np.diag([*signs, 1.0]) @ affine
    if header.to_ras is not None:
        about = (None, choice.part, choice.upright, header.unit)
        source = Source(path.absolute(), _NAME, *about)
        names = channel_names(len(channels))
        return placed(name, channels, affine, names, source, upright=choice.upright)
    turned = [channel.transpose(2, 1, 0) for channel in channels]
    return volume_of(
        path, _NAME, name, turned, np.ones(3), unit=header.unit, choice=choice,
        affine=affine[:, [2, 1, 0, 3]],
    )  # fmt: skip


def _three(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add steps at right angles where there are fewer than three."""
    found = list(steps)
    if len(found) == 1:
        found.append(np.roll(found[0], 1))
    if len(found) == _SPACE - 1:
        normal = np.cross(found[0], found[1])
        length = np.linalg.norm(normal)
        size = min(np.linalg.norm(found[0]), np.linalg.norm(found[1]))
        found.append(normal / length * size if length > 0 else normal)
    return np.array(found)


# -- the header ----------------------------------------------------------------


def _read_header(path: Path) -> _Header:
    """Read and check a header, before anything else of the file is read."""
    fields, listed, end = _fields(path)
    try:
        sizes = tuple(int(n) for n in fields["sizes"].split())
        dimension = int(fields["dimension"])
        dtype = _dtype(path, fields)
    except KeyError as missing:
        raise InputError(
            f"{path}: its header has no field {missing}; export it again."
        ) from missing
    if len(sizes) != dimension or not 1 <= dimension <= _MOST_AXES or min(sizes) < 1:
        raise InputError(f"{path}: has sizes {sizes} along {dimension} axes.")
    packing = _PACKINGS.get(fields.get("encoding", "raw").lower())
    if packing is None:
        raise InputError(
            f"{path}: has the encoding {fields['encoding']}; save it as raw or gzip."
        )
    files = _files(path, fields, listed, end)
    if packing != "raw" and any(offset < 0 for _, offset in files):
        raise InputError(f"{path}: is packed and counts its bytes from the end.")
    kinds = _kinds(path, fields, sizes)
    spatial = [axis for axis, kind in enumerate(kinds) if kind == "space"]
    steps, origin, unit, to_ras = _place(path, fields, spatial, dimension)
    segments = {k: v for k, v in fields.items() if k.startswith("segment")}
    header = _Header(
        dtype, sizes, packing, files, kinds, steps, origin, unit, to_ras, segments
    )
    if header.count("channel") > MOST_CHANNELS:
        raise InputError(f"{path}: has {header.count('channel')} channels.")
    check_length(path, files, math.prod(sizes) * dtype.itemsize, packing)
    return header


def _fields(path: Path) -> tuple[dict[str, str], list[str], int]:
    """Read a header's fields, the file names that it lists, and where it ends."""
    with path.open("rb") as file:
        raw = file.read(_MOST_HEADER)
    end = min((raw.find(e) + len(e) for e in (b"\n\n", b"\n\r\n") if e in raw),
              default=len(raw))  # fmt: skip
    version = _VERSION.match(raw)
    if version is None:
        raise ValueError("it does not say NRRD")
    if int(version[1]) > _NEWEST:
        raise InputError(
            f"{path}: is of version {int(version[1])} of NRRD, and up to {_NEWEST} are "
            "read here; save it as one of these."
        )
    lines = raw[:end].decode("utf-8", errors="replace").splitlines()
    fields: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=1):
        if line.startswith("#"):
            continue
        key, colon, value = line.partition(":")
        field = key.strip().lower()
        if value.startswith("=") and not field.startswith("segment"):
            continue  # a person's own key, not a field of that name
        fields[field] = value.removeprefix("=").strip()
        lists = value.split()[:1] == ["LIST"]
        if colon and lists and field in ("data file", "datafile"):
            return fields, lines[number + 1 :], end
    return fields, [], end


def _dtype(path: Path, fields: Mapping[str, str]) -> np.dtype[Any]:
    wanted = fields["type"].lower()
    code = next((code for code, names in _TYPES.items() if wanted in names), None)
    if code is None:
        raise InputError(f"{path}: holds {wanted}, not one number a voxel.")
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    return np.dtype(f"{order}{code}")


def _files(
    path: Path, fields: Mapping[str, str], listed: list[str], end: int
) -> tuple[tuple[Path, int], ...]:
    """Give the files that hold the voxels, and where in them these begin."""
    where = fields.get("data file", fields.get("datafile"))
    skip = int(fields.get("byte skip", fields.get("byteskip", "0")))
    lines = int(fields.get("line skip", fields.get("lineskip", "0")))
    if lines:
        raise InputError(f"{path}: skips lines before its voxels; save it as one file.")
    if where is None:
        return ((path, end + skip if skip >= 0 else -1),)
    names = [where]
    words = where.split()
    if words[:1] == ["LIST"]:
        names = [name.strip() for name in listed if name.strip()]
        if words[1:] and int(words[1]) not in (0, int(fields["dimension"]) - 1):
            raise InputError(f"{path}: lists files of parts of slices.")
    elif "%" in where and len(words) > _SPACE:
        names = numbered(path, words[0], words[1:4])
    return tuple((file, max(skip, -1)) for file in beside_all(path, names))


def _kinds(
    path: Path, fields: Mapping[str, str], sizes: tuple[int, ...]
) -> tuple[Literal["space", "channel", "time"], ...]:
    """Say of each axis whether it lies in space, in time, or is of channels."""
    count = len(sizes)
    said = (fields.get("kinds", "").lower().split() + ["???"] * count)[:count]
    steps = _vectors(fields.get("space directions", ""))
    found: list[Literal["space", "channel", "time"]] = []
    for axis, kind in enumerate(said):
        unsaid = kind in ("???", "none") and count <= _SPACE
        lies = kind in _SPATIAL or unsaid
        if len(steps) == count:
            lies = steps[axis] is not None
        if kind == "time":
            found.append("time")
        elif lies:
            found.append("space")
        else:
            found.append("channel")
    if not 1 <= found.count("space") <= _SPACE:
        raise InputError(
            f"{path}: has {count} axes, of which {found.count('space')} are said to "
            "lie in space; two or three must (fields kinds and space directions)."
        )
    return tuple(found)


def _vectors(text: str) -> list[tuple[float, ...] | None]:
    """Read vectors: ``none (1,0,0) (0,1,0)``."""
    found: list[tuple[float, ...] | None] = []
    rest = text.strip()
    while rest:
        if rest.lower().startswith("none"):
            found.append(None)
            rest = rest[4:].strip()
            continue
        inside, closing, after = rest.removeprefix("(").partition(")")
        if not closing or not rest.startswith("("):
            raise ValueError(f"no vector: {rest[:40]}")
        vector = tuple(float(number) for number in inside.split(","))
        found.append(None if np.isnan(vector).all() else vector)
        rest = after.strip()
    return found


def _place(
    path: Path, fields: Mapping[str, str], spatial: list[int], count: int
) -> tuple[
    NDArray[np.float64],
    NDArray[np.float64],
    Literal["mm", "pixel"],
    tuple[int, int, int] | None,
]:
    """Give steps, origin, unit and the signs towards RAS+ of the axes in space."""
    vectors = _vectors(fields.get("space directions", ""))
    space = fields.get("space", "").lower()
    body = _SPACES.get(space.removesuffix("-time").removesuffix("t"))
    if space.endswith("time"):
        raise InputError(f"{path}: mixes space and time; save one time point.")
    if len(vectors) == count:
        steps = np.array([_in_three(vectors[axis] or ()) for axis in spatial])
        (origin,) = _vectors(fields.get("space origin", "")) or [(0.0, 0.0, 0.0)]
        factors = [_UNITS_MM.get(u) for u in _units(fields.get("space units", ""))]
        known = [factor for factor in factors if factor is not None]
        in_mm = len(known) == len(factors) and bool(factors or body)
        lengths = np.array([*(known if in_mm else ()), 1.0, 1.0, 1.0][:_SPACE])
        unit: Literal["mm", "pixel"] = "mm" if in_mm else "pixel"
        return steps * lengths, _in_three(origin or ()) * lengths, unit, body
    sizes = fields.get("spacings", "").split() or ["1"] * count
    lengths = np.array([float(sizes[axis]) for axis in spatial])
    stated = "spacings" in fields and np.isfinite(lengths).all()
    said = _factor(fields.get("units", ""), spatial) if stated else None
    steps = np.diag(np.where(np.isfinite(lengths), lengths, 1.0) * (said or 1.0))
    whole = np.zeros((len(spatial), _SPACE))
    whole[:, : len(spatial)] = steps
    return whole, np.zeros(3), "pixel" if said is None else "mm", None


def _in_three(vector: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array([*vector, 0.0, 0.0, 0.0][:_SPACE])


def _units(text: str) -> list[str]:
    """Read the units of axes: ``"mm" "mm" "mm"``."""
    quoted = text.split('"') if '"' in text else text.split()
    return [part.strip().lower() for part in quoted if part.strip()]


def _factor(text: str, axes: Any) -> float | None:
    """Length of the unit of some axes in mm; None where it is not said."""
    words = _units(text)
    units = {words[axis] for axis in axes if axis < len(words)}
    factors = {_UNITS_MM.get(unit) for unit in units}
    return factors.pop() if len(factors) == 1 else None


FORMAT = ImageFormat(
    name=_NAME,
    title="NRRD",
    endings=(".nrrd", ".nhdr", ".seg.nrrd"),
    sniff=sniff,
    read=unchosen(read_chosen),
    count_voxels=count_voxels,
    anatomical=True,
    in_napari=True,
    choosing=Choosing(parts_of, read_chosen),
)
