"""Arrays of a session folder, as zarr; checked before memory is taken."""

from __future__ import annotations

import math
import os
import shutil
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import zarr

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json_file import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

#: Bytes written between two looks at what else there is to do.
SLAB_BYTES: Final = 16 * 2**20
#: Largest chunk that is read, bytes.
MAX_CHUNK_BYTES: Final = 2**30
_CODECS: Final = {"bytes", "zstd"}
_KINDS: Final = "biuf"


def write_array(place: Path, array: Any) -> Iterator[None]:
    """Write an array slab by slab, yielding after each; `place` must not exist."""
    place.parent.mkdir(parents=True, exist_ok=True)
    rows = max(1, SLAB_BYTES // max(1, _bytes(array.shape[1:], array.dtype)))
    rows = min(rows, array.shape[0])
    native = np.dtype(array.dtype).newbyteorder("=")
    chunks = (rows, *array.shape[1:])
    out = zarr.create_array(place, shape=array.shape, chunks=chunks, dtype=native)
    for start in range(0, array.shape[0], rows):
        out[start : start + rows] = np.asarray(array[start : start + rows], native)
        yield


def read_array(
    place: Path, shape: tuple[int, ...], dtype: type[Any] | None = None
) -> NDArray[Any]:
    """Read an array of a known shape.

    Parameters
    ----------
    place : Path
    shape : tuple of int
    dtype : numpy type, optional
        What it must hold; any number by default.

    Raises
    ------
    InputError
        It is missing, damaged, or another array than it should be.
    """
    _check_described(place, shape, dtype)
    try:
        return np.asarray(zarr.open_array(place, mode="r", zarr_format=3)[...])
    except Exception as error:
        raise InputError(
            f"{place}: cannot be read ({type(error).__name__}); the session is damaged."
        ) from error


def _check_described(
    place: Path, shape: tuple[int, ...], dtype: type[Any] | None
) -> None:
    """Refuse an array that is not what it should be, before anything is decoded."""
    refuse_links(place)
    about = read_json(place / "zarr.json")
    try:
        found = tuple(int(n) for n in about["shape"])
        kind = np.dtype(str(about["data_type"]))
        grid = about["chunk_grid"]
        chunk = tuple(int(n) for n in grid["configuration"]["chunk_shape"])
        codecs = {str(codec["name"]) for codec in about["codecs"]}
        regular = grid["name"] == "regular" and about["node_type"] == "array"
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{place}: is no array of a session; the session is damaged."
        ) from error
    if found != shape:
        raise InputError(
            f"{place}: has shape {found}, not {shape}; the session is damaged."
        )
    if kind.kind not in _KINDS or (dtype is not None and kind != np.dtype(dtype)):
        raise InputError(
            f"{place}: holds {kind}, which it should not; the session is damaged."
        )
    small = all(0 < n <= MAX_CHUNK_BYTES for n in chunk) and len(chunk) == len(found)
    small = small and _bytes(chunk, kind) <= MAX_CHUNK_BYTES
    if not (regular and small and codecs <= _CODECS):
        raise InputError(
            f"{place}: is packed in a way that sessions are not; the session is "
            "damaged or was not made here."
        )


def refuse_links(place: Path) -> None:
    """Refuse a folder or file that is a link, or holds one."""
    if place.is_symlink():
        raise InputError(f"{place}: is a link; sessions and models hold none.")
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118  many files: fast
            if os.path.islink(path):  # noqa: PTH114
                raise InputError(f"{path}: is a link; sessions and models hold none.")


def _bytes(shape: tuple[int, ...], dtype: Any) -> int:
    return math.prod(shape) * int(np.dtype(dtype).itemsize)


def once(place: Path, write: Callable[[Path], Iterator[None]]) -> Iterator[None]:
    """Write what never changes, if it is not there; whole or not at all."""
    if place.exists():
        return
    temporary = place.with_name(f"{place.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    yield from write(temporary)
    sync(temporary)
    temporary.rename(place)


def sync(folder: Path) -> None:
    """Wait until all files of a folder are on the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
