"""The file formats of images, one a file; modules with a `FORMAT` are found."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.choice import EVERYTHING
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plugins import discover

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice, Part
    from napari_contrastseg.io.volume import Volume

#: Bytes at the beginning of a file that `ImageFormat.sniff` is given.
HEAD = 4096


@dataclass(frozen=True)
class Choosing:
    """How a part of a file is chosen, where a format has files of several images.

    Attributes
    ----------
    parts : path -> tuple of Part
        What there is to choose from, one or more.
    read : (path, volume id, Choice) -> Volume
        As `ImageFormat.read`, with a part, or resampled.
    """

    parts: Callable[[Path], tuple[Part, ...]]
    read: Callable[[Path, str, Choice], Volume]


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
    write : (path, array, volume) -> None, or None
        Write an array in the volume's order, whole numbers or float32, with the
        volume's place; replaces the file in one step. None where such files are only
        read.
    anatomical : bool
        Its volumes carry their place in a body: `read` returns `volume.canonical(...)`.
    many_slices, real_values : bool
        Whether such a file can hold them.
    in_napari : bool
        Whether napari cannot read it by itself, so that its manifest names our reader
        and writer.
    only_read : tuple of str
        Those of its endings under which no file is written.
    mask_ending : str
        Ending of masks for images that are only read.
    choosing : Choosing or None
        How one of several images of a file is chosen.
    is_folder : path -> bool, or None
        Whether a folder is one image of this format; None where images are files.
    when_asked : bool
        Whether a folder is one image only for who asks for that; for others each of
        its files is an image.
    unpacked : (path, Choice) -> int, or None
        Bytes that reading it puts on the disk first, all of them: packed as a whole,
        no part of a large file can be read by itself. None where that is never so.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    read: Callable[[Path, str], Volume]
    count_voxels: Callable[[Path], int]
    write: Callable[[Path, NDArray[Any], Volume], None] | None = None
    anatomical: bool = False
    many_slices: bool = True
    real_values: bool = True
    in_napari: bool = False
    only_read: tuple[str, ...] = ()
    mask_ending: str = ".nii.gz"
    choosing: Choosing | None = None
    is_folder: Callable[[Path], bool] | None = None
    when_asked: bool = False
    unpacked: Callable[[Path, Choice], int] | None = None

    @property
    def written(self) -> tuple[str, ...]:
        """Endings of files that can be written."""
        if self.write is None:
            return ()
        return tuple(e for e in self.endings if e not in self.only_read)


def unchosen(
    read: Callable[[Path, str, Choice], Volume],
) -> Callable[[Path, str], Volume]:
    """Give a reader of files that hold one image, of one that reads chosen parts."""
    return lambda path, name: read(path, name, EVERYTHING)


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


def mask_ending(path: Path, name: str = "") -> str:
    """Give the ending of an image file's mask: its own where such files are written.

    Parameters
    ----------
    path : Path
    name : str
        Of its format where that is known, as the file may be gone.
    """
    found = catalogue()[name] if name in catalogue() else format_of(path, as_one=True)
    ending = ending_of(path)
    return ending if ending in found.written else (*found.written, found.mask_ending)[0]


def is_image(path: Path, *, as_one: bool = False) -> bool:
    """Whether a file's ending, or what a folder holds, is that of an image.

    `as_one`: a folder whose files are images of their own may be one stack, too.
    """
    if path.is_dir():
        return _of_folder(path, as_one=as_one) is not None
    return bool(ending_of(path))


def _of_folder(path: Path, *, as_one: bool) -> ImageFormat | None:
    formats = sorted(catalogue().values(), key=lambda one: one.when_asked)
    for one in formats:
        if one.is_folder is None or (one.when_asked and not as_one):
            continue
        if one.is_folder(path):
            return one
    return None


def _by_content(path: Path) -> ImageFormat | None:
    """Find the format of a file without an ending of ours by its first bytes."""
    head = b""
    with suppress(OSError):  # said when it is read
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(HEAD)
    return next((f for f in catalogue().values() if f.sniff(head)), None)


def format_of(path: Path, *, as_one: bool = False) -> ImageFormat:
    """Find the format of a file by its ending, else of what it begins with.

    `as_one` is of folders, as in `is_image`.

    Raises
    ------
    InputError
        There is no such format.
    """
    if path.is_dir():
        folder = _of_folder(path, as_one=as_one)
        if folder is not None:
            return folder
        raise InputError(f"{path}: is a folder, not an image; choose a file in it.")
    ending = ending_of(path)
    for one in catalogue().values():
        if ending in one.endings:
            return one
    if not path.suffix and not path.exists():
        raise InputError(f"{path}: there is no such file or folder.")
    found = _by_content(path)
    if found is not None:
        return found
    raise InputError(
        f"{path}: is not of a kind that is read here; use one of "
        f"{', '.join(endings())}."
    )


def titles(*, many_slices: bool = False, real_values: bool = False) -> str:
    """Name the formats that can hold many slices, or real values: ``NIfTI or TIFF``."""
    found = [
        one.title
        for one in catalogue().values()
        if one.written
        and (one.many_slices or not many_slices)
        and (one.real_values or not real_values)
    ]
    return " or ".join(found)
