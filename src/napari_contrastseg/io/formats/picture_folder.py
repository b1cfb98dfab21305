"""A folder of pictures as one stack: slices of a volume, or unrelated pictures."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from napari_contrastseg.io.channels import volume_of
from napari_contrastseg.io.choice import EVERYTHING, Choice, Part, pick
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.formats import Choosing, ImageFormat, catalogue, ending_of
from napari_contrastseg.io.lazy_image import check_image
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.png_pixels import refuse_large
from napari_contrastseg.io.scratch import copy_of, zeros

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

NAME: Final = "pictures"
#: Formats of which a file may hold one picture.
PICTURES: Final = ("png", "jpeg", "tiff")
_SLICES: Final = Part("slices", "neighbouring slices of one volume", "whole")
_UNRELATED: Final = Part(
    "unrelated", "pictures that have nothing to do with each other", "whole"
)
_COLOURS: Final = ("red", "green", "blue")


def pictures_in(folder: Path) -> list[Path]:
    """List the pictures in a folder, `9.png` before `10.png`."""
    wanted = {e for name in PICTURES for e in catalogue()[name].endings}
    found = (p for p in folder.iterdir() if ending_of(p) in wanted and p.name[0] != ".")
    return sorted((p for p in found if p.is_file()), key=_in_numbers)


def _in_numbers(path: Path) -> list[tuple[int, str]]:
    """Take numbers within a name as numbers."""
    pieces = re.findall(r"\d+|\D+", path.name.casefold())
    return [(int(p) if p.isdecimal() else -1, p) for p in pieces]


def sizes_of(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Read each picture's rows and columns from its header."""
    found = []
    for file in files:
        with (
            _named(file),
            Image.open(file, formats=["PNG", "JPEG", "TIFF"]) as image,
        ):
            found.append((image.height, image.width))
    return found


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Say which of the files is broken."""
    try:
        yield
    except OSError as error:
        cause = " ".join(str(error).replace(str(file), file.name).split())
        raise InputError(
            f"{file}: is damaged or no picture ({cause[:120]}); copy it again, or take "
            "it out of the folder."
        ) from error


def is_folder(path: Path) -> bool:
    """Whether a folder holds pictures."""
    return bool(pictures_in(path))


def parts_of(path: Path) -> tuple[Part, ...]:
    """Say what the pictures may be: of different sizes they are unrelated."""
    sizes = sizes_of(pictures_in(path))
    alike = len(sizes) > 1 and len(set(sizes)) == 1
    return (_SLICES, _UNRELATED) if alike else (_UNRELATED,)


def read(path: Path, name: str) -> Volume:
    """Read the pictures where there is no choice."""
    return read_chosen(path, name, EVERYTHING)


def read_chosen(path: Path, name: str, choice: Choice) -> Volume:
    """Read the pictures as one stack, in the order of their names.

    Smaller ones get a margin below and at the right, as bright as their edge.

    Raises
    ------
    SeveralPartsError
        They may be neighbouring slices, and nothing was chosen.
    InputError
        A file holds several slices or other channels, or all are larger than memory.
    """
    files = pictures_in(path)
    wanted = choice.part or ("unrelated" if choice.unrelated else "")
    part = pick(path, plural(len(files), "picture"), parts_of(path), wanted)
    rows, columns = np.max(sizes_of(files), axis=0).tolist()
    data = _stacked(path, files, (rows, columns))
    chosen = Choice(part.key)
    made = volume_of(path, NAME, name, data, np.ones(3), unit="pixel", choice=chosen)
    return replace(made, kind="volume" if part == _SLICES else "stack")


def _stacked(
    path: Path, files: Sequence[Path], size: tuple[int, int]
) -> list[NDArray[Any]]:
    """Read pictures into one array a channel; grey ones are alike in all of them."""
    data: list[NDArray[Any]] = []
    for number, file in enumerate(files):
        picture = _picture(file)
        if not data:
            shape, dtype = (len(files), *size), picture[0].dtype
            check_image(path, (len(picture), *shape), dtype)
        if picture[0].dtype != dtype:
            raise InputError(
                f"{file}: holds {picture[0].dtype} values, others in its folder "
                f"{dtype}, whose brightness counts otherwise; save all in one way, or "
                "keep it in a folder of its own."
            )
        if 1 not in (len(picture), max(len(data), 1)) and len(picture) != len(data):
            raise InputError(
                f"{file}: has {len(picture)} channels, others in its folder "
                f"{len(data)}; keep it in a folder of its own."
            )
        while len(data) < len(picture):
            data.append(copy_of(data[0]) if data else zeros(shape, dtype))
        for channel, array in enumerate(data):
            array[number] = _enlarged(picture[channel % len(picture)], size)
    return data


def _picture(file: Path) -> list[NDArray[Any]]:
    """Read a file's one picture, (rows, columns) of each channel."""
    form = next(f for f in catalogue().values() if ending_of(file) in f.endings)
    with _named(file):
        volume = form.read(file, file.name)
    if volume.shape[0] != 1:
        raise InputError(
            f"{file}: holds {volume.shape[0]} slices, not one picture; open it alone."
        )
    return [np.asarray(channel)[0] for channel in volume.data]


def _enlarged(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Add a margin below and at the right."""
    if plane.shape == size:
        return plane
    edge = np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])
    made = np.full(size, np.sort(edge)[len(edge) // 2], plane.dtype)
    made[: plane.shape[0], : plane.shape[1]] = plane
    return made


def count_voxels(path: Path) -> int:
    """Count the pixels of all pictures, margins included."""
    sizes = sizes_of(pictures_in(path))
    rows, columns = np.max(sizes, axis=0).tolist()
    return int(len(sizes) * rows * columns)


def write(path: Path, array: NDArray[Any], volume: Volume) -> None:
    """Write a folder of PNG, one a picture, of the picture's own name and size.

    Slices of another volume are numbered.
    """
    refuse_large(path, array)
    names, sizes = _pictures_of(volume, len(array))
    path.mkdir(parents=True, exist_ok=True)
    for name, (rows, columns), plane in zip(names, sizes, array, strict=True):
        with replacing(path / f"{name}.png") as temporary:
            picture = np.ascontiguousarray(plane[:rows, :columns])
            Image.fromarray(picture).save(temporary, "PNG")


def _pictures_of(volume: Volume, count: int) -> tuple[list[str], list[tuple[int, int]]]:
    """Give the names, without ending, and sizes of a volume's pictures."""
    source = volume.source
    if source.file_format == NAME and source.path is not None and source.path.is_dir():
        files = pictures_in(source.path)
        if len(files) != count:
            raise InputError(
                f"{source.path}: holds {len(files)} pictures by now, not {count}; put "
                "back what was there, or write masks in another format."
            )
        stems = [file.name[: -len(ending_of(file))] for file in files]
        twice = len(set(stems)) < count
        return [f.name for f in files] if twice else stems, sizes_of(files)
    digits = len(str(count - 1))
    names = [f"{number:0{digits}d}" for number in range(count)]
    return names, [(volume.shape[1], volume.shape[2])] * count


FORMAT: Final = ImageFormat(
    name=NAME,
    title="folder of pictures",
    endings=(),
    sniff=lambda _head: False,
    read=read,
    count_voxels=count_voxels,
    write=write,
    real_values=False,
    mask_ending="",
    choosing=Choosing(parts_of, read_chosen),
    is_folder=is_folder,
    when_asked=True,
)
