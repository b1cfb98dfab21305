"""The file formats of images, one a file; modules with a `FORMAT` are found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plugins import discover

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Bytes at the beginning of a file that `ImageFormat.sniff` is given.
HEAD = 4096


@dataclass(frozen=True)
class ImageFormat:
    """A kind of image file.

    Attributes
    ----------
    name : str
        As sessions store it: it never changes.
    title : str
        As people call it.
    endings : tuple of str
        With their dots, in lower case; the first is the one to write by default.
    sniff : first `HEAD` bytes of a file -> bool
        Whether they are the beginning of such a file.
    read : (path, volume id) -> Volume
        The file is a plain one. May raise anything; what is no `InputError` is reported
        as damage.
    count_voxels : path -> int
        Voxels of one channel, without reading them; raises as `read` does where a part
        of the file is missing or would be left out.
    write : (path, array, volume) -> None
        Write an array in the volume's order, whole numbers or float32, with the
        volume's place; replaces the file in one step.
    anatomical : bool
        Its volumes carry their place in a body: `read` returns `volume.canonical(...)`.
    many_slices, real_values : bool
        Whether such a file can hold them.
    in_napari : bool
        Whether napari cannot read it by itself, so that its manifest names our reader
        and writer.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    read: Callable[[Path, str], Volume]
    count_voxels: Callable[[Path], int]
    write: Callable[[Path, NDArray[Any], Volume], None]
    anatomical: bool = False
    many_slices: bool = True
    real_values: bool = True
    in_napari: bool = False


@cache
def catalogue() -> dict[str, ImageFormat]:
    """All formats by name."""
    return discover(__name__, "FORMAT", ImageFormat)


def endings() -> tuple[str, ...]:
    """All endings of files that can be read."""
    return tuple(ending for one in catalogue().values() for ending in one.endings)


def ending_of(path: Path) -> str:
    """Return the ending of an image file we read (``.nii.gz`` ...), or ``""``."""
    name = path.name.lower()
    return max((e for e in endings() if name.endswith(e)), key=len, default="")


def format_of(path: Path) -> ImageFormat:
    """Find the format of a file by its ending.

    Raises
    ------
    InputError
        No format has that ending.
    """
    ending = ending_of(path)
    for one in catalogue().values():
        if ending in one.endings:
            return one
    raise InputError(
        f"{path}: is not of a kind that is read here; use one of "
        f"{', '.join(endings())}."
    )


def titles(*, many_slices: bool = False, real_values: bool = False) -> str:
    """Name the formats that can hold many slices, or real values: ``NIfTI or TIFF``."""
    found = [
        one.title
        for one in catalogue().values()
        if (one.many_slices or not many_slices) and (one.real_values or not real_values)
    ]
    return " or ".join(found)
