"""Read and write zarr arrays of a session; refuse damaged and hostile ones."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np

from napari_contrastseg.io.blocks import chunk_of, grid_of, window_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file, sync_file, sync_folder
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.io.json import read_json
from napari_contrastseg.io.scratch import need_room, zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

#: Bytes written between two looks at what else there is to do.
SLAB_BYTES: Final = 16 * 2**20
#: Largest chunk that is read, bytes.
MAX_CHUNK_BYTES: Final = 2**30
MAX_CHUNKS: Final = 100_000
_KINDS: Final = "biuf"


def write_array(place: Path, array: Any) -> Iterator[None]:
    """Write an array slab by slab, yielding after each; `place` must not exist."""
    import zarr  # noqa: PLC0415  slow to load

    place.parent.mkdir(parents=True, exist_ok=True)
    native = np.dtype(array.dtype).newbyteorder("=")
    out = zarr.create_array(
        place,
        shape=array.shape,
        chunks=chunk_of(array.shape, SLAB_BYTES // native.itemsize),
        dtype=native,
        config={"write_empty_chunks": True},  # one that is missing is damage
    )
    for index in np.ndindex(grid_of(array.shape, out.chunks)):
        window = window_of(index, array.shape, out.chunks)
        out[window] = _part(array, window, native)
        yield


class LinkError(InputError):
    """A session or model holds a link: it is not from here."""


class UnreadableError(InputError):
    """An array cannot be computed or read where it comes from."""


def _part(array: Any, window: tuple[slice, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.asarray(array[window], dtype)
    except Exception as error:
        raise UnreadableError(f"an image cannot be read ({error})") from error


def read_array(
    place: Path,
    shape: tuple[int, ...],
    dtype: type[Any] | None = None,
    *,
    sparse: bool = False,
    into: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Read an array of a known shape, chunk by chunk; empty ones take no room.

    Chunks are decoded here, into the room that they declare and no more; zarr itself
    would follow links and unpack whatever it finds.

    Parameters
    ----------
    place : Path
    shape : tuple of int
    dtype : numpy type, optional
        What it must hold; any number by default.
    sparse : bool
        A chunk that is missing is zero, as in sessions of format 1; else it is damage.
    into : array of zeros, optional
        What it is read into; where it is damaged, part of it may have been.

    Raises
    ------
    InputError
        It is missing, damaged, or another array than it should be.
    """
    about = _described(place, shape, dtype)
    out = zeros(shape, about.dtype) if into is None else into
    for index in np.ndindex(about.grid):
        went_on()
        path = place.joinpath("c", *map(str, index))
        window = window_of(index, shape, about.chunk)
        if sparse and not path.exists():
            continue
        chunk = _decode(path, about)
        inside = tuple(slice(0, w.stop - w.start) for w in window)
        if chunk.any():
            out[window] = chunk[inside]
    return out


def dtype_of(place: Path, shape: tuple[int, ...]) -> np.dtype[Any]:
    """Read of which type an array is, without its values; as `read_array`."""
    return _described(place, shape, None).dtype


@dataclass(frozen=True)
class _Described:
    dtype: np.dtype[Any]
    chunk: tuple[int, ...]
    grid: tuple[int, ...]
    packed: bool


def _decode(path: Path, about: _Described) -> NDArray[Any]:
    size = _bytes(about.chunk, about.dtype)
    refuse_links(path)
    need_file(path)
    try:
        with path.open("rb") as file:
            raw = file.read(2 * size + 1024)
        raw = bytes(imagecodecs.zstd_decode(raw, out=size)) if about.packed else raw
        little = about.dtype.newbyteorder("<")
        found = np.frombuffer(raw, little).reshape(about.chunk)
    except Exception as error:
        raise InputError(f"{path}: {error}; the session is damaged.") from error
    return found


def _described(
    place: Path, shape: tuple[int, ...], dtype: type[Any] | None
) -> _Described:
    """Refuse an array that is not what it should be, before anything is decoded."""
    if place.is_symlink() or (place / "zarr.json").is_symlink():
        raise LinkError(f"{place}: is a link; sessions and models hold none.")
    about = read_json(place / "zarr.json")
    try:
        found = tuple(about["shape"])
        kind = np.dtype(str(about["data_type"]))
        grid = about["chunk_grid"]
        chunk = tuple(grid["configuration"]["chunk_shape"])
        codecs = [str(codec["name"]) for codec in about["codecs"]]
        plain = (grid["name"], about["node_type"], about["zarr_format"]) == (
            "regular",
            "array",
            3,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{place}: is not an array of a session; the session is damaged."
        ) from error
    if found != shape:
        raise InputError(
            f"{place}: has shape {found}, not {shape}; the session is damaged."
        )
    if kind.kind not in _KINDS or (dtype is not None and kind != np.dtype(dtype)):
        raise InputError(
            f"{place}: holds {kind}, which it should not; the session is damaged."
        )
    fits = len(chunk) == len(shape) and all(
        type(n) is int and 0 < n <= size for n, size in zip(chunk, shape, strict=False)
    )
    if not (plain and fits and codecs in (["bytes"], ["bytes", "zstd"])):
        raise InputError(
            f"{place}: is packed in a way that sessions are not; the session is "
            "damaged or was not made here."
        )
    parts = grid_of(shape, chunk)
    if _bytes(chunk, kind) > MAX_CHUNK_BYTES or math.prod(parts) > MAX_CHUNKS:
        raise InputError(f"{place}: declares chunks that sessions do not have.")
    need_room(str(place), _bytes(shape, kind))
    return _Described(kind, chunk, parts, packed=len(codecs) > 1)


def refuse_links(place: Path) -> None:
    """Refuse a folder or file that is a link, or holds one."""
    if place.is_symlink():
        raise LinkError(f"{place}: is a link; sessions and models hold none.")
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118  many files: fast
            if os.path.islink(path):  # noqa: PTH114
                raise LinkError(f"{path}: is a link; sessions and models hold none.")


def _bytes(shape: tuple[int, ...], dtype: Any) -> int:
    return math.prod(shape) * int(np.dtype(dtype).itemsize)


def write_once(place: Path, write: Callable[[Path], Iterator[None]]) -> Iterator[None]:
    """Write what never changes, if it is not there; whole or not at all."""
    if place.exists():
        return
    temporary = place.with_name(f"{place.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    yield from write(temporary)
    for path in temporary.rglob("*"):
        if path.is_file():
            sync_file(path)
            yield
    temporary.rename(place)
    sync_folder(place.parent)
