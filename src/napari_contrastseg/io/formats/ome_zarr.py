"""OME-Zarr 0.4 and 0.5: scale and translation, channels, labels, a level to choose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_contrastseg.io.channels import MOST_CHANNELS, volume_of
from napari_contrastseg.io.choice import Part, pick, times
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import Choosing, ImageFormat, unchosen
from napari_contrastseg.io.lazy_image import (
    check_image,
    is_lazy,
    lazy_image,
    unchanged,
)
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.volume import array_affine
from napari_contrastseg.io.zarr_chunks import CheckedChunks
from napari_contrastseg.io.zarr_metadata import array_head, attributes_of, described_in

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.io.zarr_metadata import ArrayHead

_NAME: Final = "ome_zarr"
_UNITS_MM: Final = {
    "angstrom": 1e-7, "nanometer": 1e-6, "micrometer": 1e-3, "millimeter": 1.0,
    "centimeter": 10.0, "decimeter": 100.0, "meter": 1e3, "inch": 25.4,
}  # fmt: skip
_MOST_LEVELS: Final = 64
_MOST_AXES: Final = 5


@dataclass(frozen=True)
class _Level:
    """One resolution of an image: its array, and where it lies."""

    place: Path
    head: ArrayHead
    scale: NDArray[np.float64]
    translation: NDArray[np.float64]


@dataclass(frozen=True)
class _Image:
    """A multiscale image: a letter for each axis, units, channels, levels."""

    axes: str
    units: tuple[str, ...]
    channels: tuple[str, ...]
    levels: tuple[_Level, ...]

    @property
    def times(self) -> int:
        """Time points."""
        return dict(zip(self.axes, self.levels[0].head.shape, strict=True)).get("t", 1)


def is_ome_zarr(folder: Path) -> bool:
    """Whether a folder describes a multiscale image, or several."""
    return any((folder / n).is_file() for n in ("zarr.json", ".zattrs", ".zgroup"))


def sniff(_head: bytes) -> bool:
    """No file is one: it is a folder."""
    return False


def read_chosen(path: Path, name: str, choice: Choice) -> Volume:
    """Read a level, and a time point, of an image; the finest, where none is chosen.

    Raises
    ------
    SeveralPartsError
        There are several images or time points, and none was chosen.
    InputError
        It is damaged, larger than memory, or leads out of its folder.
    """
    words = [word.strip() for word in choice.part.split(",") if word.strip()]
    place, words = _one_of_several(path, words)
    image = _described(place)
    level_word = next((w for w in words if w.startswith("level")), "level 0")
    time_word = next((w for w in words if w.startswith("time")), "")
    known = {level_word, time_word}
    if any(word not in known for word in words):
        raise InputError(f"{path}: has no part '{choice.part}'.")
    number = image.levels.index(_level(path, image, level_word))
    what = plural(image.times, "time point")
    moment = pick(path, what, times(image.times), time_word)
    level = image.levels[number]
    data = _read(path, level, image, moment)
    return _placed(path, name, choice, image, level, data)


def _one_of_several(path: Path, words: list[str]) -> tuple[Path, list[str]]:
    """Find the image of a folder that holds several (bioformats2raw)."""
    images = _images(path)
    if not images:
        return path, words
    parts = [Part(f"image {n}", place.name) for n, place in enumerate(images)]
    wanted = next((w for w in words if w.startswith("image")), "")
    found = pick(path, plural(len(parts), "image"), parts, wanted)
    rest = [word for word in words if word != wanted]
    return images[parts.index(found)], rest


def _images(path: Path) -> list[Path]:
    """List the images of a group that is none itself; its labels are not among them."""
    about = _about(path)
    if "multiscales" in about:
        return []
    found = [
        child
        for child in sorted(path.iterdir())
        if child.is_dir() and not child.is_symlink() and "multiscales" in _about(child)
    ]
    if not found:
        raise InputError(
            f"{path}: describes no image (multiscales); open the folder of the image "
            "itself, or of one of its labels."
        )
    return found


def _about(group: Path) -> dict[str, Any]:
    """Attributes of a group; those of 0.5 stand under `ome`."""
    found = attributes_of(group)
    inside = found.get("ome")
    return inside if isinstance(inside, dict) else found


def parts_of(path: Path) -> tuple[Part, ...]:
    """List the images, or else the levels and time points of the one image."""
    images = _images(path)
    if images:
        return tuple(Part(f"image {n}", place.name) for n, place in enumerate(images))
    image = _described(path)
    levels = [
        Part(f"level {n}", " x ".join(map(str, level.head.shape)), "level")
        for n, level in enumerate(image.levels)
    ]
    moments = [part for part in times(image.times) if part.key]
    return tuple(levels if len(levels) > 1 else []) + tuple(moments)


def _level(path: Path, image: _Image, word: str) -> _Level:
    number = word.removeprefix("level").strip()
    if not number.isdecimal() or int(number) >= len(image.levels):
        raise InputError(
            f"{path}: has no {word}; it has level 0 to {len(image.levels) - 1}."
        )
    return image.levels[int(number)]


def count_voxels(path: Path) -> int:
    """Count the voxels of one channel of the finest level, of all time points."""
    image = _described((_images(path) or [path])[0])
    sizes = zip(image.axes, image.levels[0].head.shape, strict=True)
    return math.prod(size for axis, size in sizes if axis != "c")


# -- what is described ------------------------------------------------------------


def _described(place: Path) -> _Image:
    """Read and check the description of an image and of its levels' arrays."""
    about = _about(place)
    try:
        first = about["multiscales"][0]
        axes = [_axis(axis) for axis in first["axes"]]
        listed = first["datasets"]
        overall = first.get("coordinateTransformations", [])
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            f"{place}: does not describe an image as OME-Zarr 0.4 or 0.5 do."
        ) from error
    letters = "".join(letter for letter, _ in axes)
    if not 2 <= len(axes) <= _MOST_AXES or not set(letters) <= set("tczyx"):  # noqa: PLR2004
        raise InputError(f"{place}: has axes {letters!r}, not some of t, c, z, y, x.")
    if len(set(letters)) != len(letters) or not {"y", "x"} <= set(letters):
        raise InputError(f"{place}: has axes {letters!r}; y and x must be among them.")
    if not 0 < len(listed) <= _MOST_LEVELS:
        raise InputError(f"{place}: has {len(listed)} levels.")
    levels = tuple(_level_of(place, one, overall, len(axes)) for one in listed)
    count = dict(zip(letters, levels[0].head.shape, strict=True)).get("c", 1)
    if count > MOST_CHANNELS:
        raise InputError(f"{place}: has {count} channels.")
    units = tuple(unit for _, unit in axes)
    return _Image(letters, units, _channel_names(about, count), levels)


def _axis(axis: Any) -> tuple[str, str]:
    return str(axis["name"]).lower(), str(axis.get("unit", "")).lower()


def _level_of(place: Path, listed: Any, overall: Any, count: int) -> _Level:
    inside = place / str(listed["path"])
    if not inside.resolve().is_relative_to(place.resolve()) or inside.is_symlink():
        raise InputError(f"{place}: names an array outside of its folder.")
    head = array_head(inside)
    if len(head.shape) != count:
        raise InputError(
            f"{inside}: has {len(head.shape)} axes, {count} are described."
        )
    scale, shift = np.ones(count), np.zeros(count)
    for step in [*listed.get("coordinateTransformations", []), *overall]:
        _refuse_turned(place, step)
        factor = np.array(step.get("scale", [1.0] * count), dtype=np.float64)
        offset = np.array(step.get("translation", [0.0] * count), dtype=np.float64)
        if factor.shape != (count,) or offset.shape != (count,):
            raise InputError(f"{place}: places its axes in another number of axes.")
        scale, shift = scale * factor, shift * factor + offset
    return _Level(inside, head, scale, shift)


def _refuse_turned(place: Path, step: Any) -> None:
    """Refuse what would be left out: turns, shears, and numbers kept elsewhere."""
    kind = str(step.get("type"))
    inside = {"identity": None, "scale": "scale", "translation": "translation"}
    if kind not in inside:
        raise InputError(
            f"{place}: places its image by {kind!r}, and only scale and translation "
            "are read here; save it upright, or as NIfTI or NRRD, which say how an "
            "image is turned."
        )
    if inside[kind] is not None and inside[kind] not in step:
        raise InputError(
            f"{place}: keeps its {kind} in an array of its own, which is not read; "
            "save the numbers in the description."
        )


def _channel_names(about: dict[str, Any], count: int) -> tuple[str, ...]:
    shown = about.get("omero")
    listed = shown.get("channels", []) if isinstance(shown, dict) else []
    names = [str(c.get("label", "")) for c in listed if isinstance(c, dict)]
    return tuple(names) if len(names) == count and all(names) else ()


# -- voxels -----------------------------------------------------------------------


def _read(path: Path, level: _Level, image: _Image, moment: Part) -> Any:
    """Read a time point of a level, now or when it is asked for; axes without time."""
    import zarr  # noqa: PLC0415  not needed for other files

    head, axes = level.head, image.axes
    shape = head.shape
    kept = [n for n, axis in zip(shape, axes, strict=True) if axis != "t"]
    try:
        check_image(path, kept, head.dtype)
    except InputError as error:
        raise InputError(
            f"{error} A coarser level may fit (--part 'level 1')."
        ) from error
    one_time = [1 if a == "t" else n for n, a in zip(shape, axes, strict=True)]
    chunks = CheckedChunks(level.place, head.packing, shape, one_time, head.dtype)
    array = zarr.open_array(level.place, mode="r")
    if tuple(array.shape) != shape or array.dtype != head.dtype:
        raise InputError(f"{path}: describes an array in two ways.")
    if not is_lazy(kept, head.dtype):
        chunks.check_all()
        where = tuple(moment.moment if axis == "t" else slice(None) for axis in axes)
        return np.asarray(array[where])
    check = unchanged(described_in(level.place))
    assert chunks.there.ndim == len(axes)  # listed now, before one goes away

    def read(where: tuple[slice, ...]) -> NDArray[Any]:
        at, along = list(where), axes.find("t")
        if along >= 0:
            at.insert(along, slice(moment.moment, moment.moment + 1))
        check()
        chunks.check_part(tuple(at), array.metadata.encode_chunk_key)
        values = np.asarray(array[tuple(at)])
        return values if along < 0 else values.squeeze(along)

    chunk = [n for n, axis in zip(head.packing.chunk, axes, strict=True) if axis != "t"]
    return lazy_image(path, kept, head.dtype, read, chunk)


def _placed(
    path: Path,
    name: str,
    choice: Choice,
    image: _Image,
    level: _Level,
    data: Any,
) -> Volume:
    letters = image.axes.replace("t", "")
    order = [letters.index(axis) for axis in "czyx" if axis in letters]
    data = data.transpose(order)
    if "z" not in letters:
        data = data[..., None, :, :]
    channels = [data[n] for n in range(len(data))] if "c" in letters else [data]
    found = {
        axis: (scale, shift, _UNITS_MM.get(unit))
        for axis, scale, shift, unit in zip(
            image.axes, level.scale, level.translation, image.units, strict=True
        )
    }
    sizes = np.array([found[a][0] if a in found else abs(found["x"][0]) for a in "zyx"])
    shifts = np.array([found[a][1] if a in found else 0.0 for a in "zyx"])
    factors = [found[axis][2] for axis in "zyx" if axis in found]
    unit: Literal["mm", "pixel"] = "pixel"
    if all(factor is not None for factor in factors):
        unit = "mm"
        lengths = np.array([found.get(a, found["x"])[2] for a in "zyx"], np.float64)
        sizes, shifts = sizes * lengths, shifts * lengths
    return volume_of(
        path, _NAME, name, channels, sizes, names=image.channels, unit=unit,
        choice=choice, affine=array_affine(sizes, shifts),
    )  # fmt: skip


FORMAT = ImageFormat(
    name=_NAME,
    title="OME-Zarr",
    endings=(".ome.zarr", ".zarr"),
    sniff=sniff,
    read=unchosen(read_chosen),
    count_voxels=count_voxels,
    in_napari=True,
    choosing=Choosing(parts_of, read_chosen),
    is_folder=is_ome_zarr,
)
