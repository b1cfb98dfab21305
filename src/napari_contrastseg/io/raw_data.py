"""Raw voxels that a text header describes: where they lie, how long they must be."""

from __future__ import annotations

import bz2
import gzip
import math
import re
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file
from napari_contrastseg.io.lazy_image import is_lazy, lazy_image, unchanged
from napari_contrastseg.io.scratch import zeros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

#: Bytes that one byte of a packed file can stand for, at most, by its packing.
_PACKED: Final = {"gzip": 1040, "zlib": 1040, "bzip2": 50_000}
_MOST_FILES: Final = 20_000
_CHUNK: Final = 2**20


def beside(header: Path, name: str) -> Path:
    """Find a file of voxels that a header names, within the header's folder.

    Raises
    ------
    InputError
        It lies elsewhere, also by a link, or is not there.
    """
    folder = header.resolve().parent
    found = folder / name
    try:
        inside = found.resolve().is_relative_to(folder)
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise InputError(
            f"{header}: names voxels in a file outside of its folder ({name}); put "
            "that file beside it and name it without a folder."
        )
    if not found.is_file():
        raise InputError(
            f"{header}: names {name} as the file of its voxels, which is not beside "
            "it; copy both together."
        )
    need_file(found)
    return found


def beside_all(header: Path, names: Sequence[str]) -> list[Path]:
    """Find the files that a header lists; as `beside`."""
    if len(names) > _MOST_FILES:
        raise InputError(f"{header}: names {len(names)} files of voxels.")
    return [beside(header, name) for name in names]


def numbered(header: Path, pattern: str, words: Sequence[str]) -> list[str]:
    """Name the files of a pattern: ``slice%03d.raw`` from first to last, by step."""
    first, last, step = (int(word) for word in words)
    if not re.fullmatch(r"[^%]*%0?\d{0,2}d[^%]*", pattern) or step < 1:
        raise InputError(f"{header}: numbers its files in an unknown way ({pattern}).")
    numbers = range(first, last + 1, step)
    if not 0 < len(numbers) <= _MOST_FILES:
        raise InputError(f"{header}: names {len(numbers)} files of voxels.")
    return [pattern % number for number in numbers]


def read_raw(
    header: Path,
    parts: Sequence[tuple[Path, int]],
    shape: Sequence[int],
    dtype: np.dtype[Any],
    packing: str = "raw",
) -> Any:
    """Read voxels, the first axis fastest, of one file or a file for each last index.

    Parameters
    ----------
    header : Path
        For messages.
    parts : sequence of (Path, int)
        Files, and where in them voxels begin; -1: as many bytes as needed, at the end.
    shape : sequence of int
    dtype : dtype
    packing : {"raw", "gzip", "zlib", "bzip2"}

    Returns
    -------
    array or LazyImage
        Large ones that are not packed are read when they are asked for; packed ones
        are unpacked to the disk now.

    Raises
    ------
    InputError
        There are fewer bytes than the shape needs.
    """
    need = math.prod(shape) * dtype.itemsize
    each, rest = divmod(need, max(len(parts), 1))
    if rest or not parts:
        raise InputError(f"{header}: its voxels do not fill {len(parts)} equal files.")
    check_length(header, parts, need, packing)
    if packing == "raw" and is_lazy(shape, dtype):
        voxels = RawVoxels([(path, _start(path, at, each)) for path, at in parts], each)
        backwards = tuple(reversed(shape))
        read = partial(voxels.read, backwards, dtype)
        native = dtype.newbyteorder("=")
        return lazy_image(header, backwards, native, read).transpose()
    buffer = zeros((need,), np.uint8)
    for index, (path, offset) in enumerate(parts):
        with path.open("rb") as file:
            file.seek(_start(path, offset, each))
            part = buffer[index * each : (index + 1) * each]
            got, sound = _fill(file, part, packing)
        if got < each:
            raise _too_short(header, each, got)
        if not sound:
            raise InputError(
                f"{header}: is damaged, its checksum does not fit its voxels; copy or "
                "export it again."
            )
    unpacked = buffer.view(dtype.newbyteorder("="))
    if not dtype.isnative:
        unpacked.byteswap(inplace=True)
    return unpacked.reshape(shape, order="F")


def _start(path: Path, offset: int, length: int) -> int:
    """Say where in a file its voxels begin."""
    return offset if offset >= 0 else path.stat().st_size - length


class RawVoxels:
    """Voxels in files, one behind the other, of which any box can be read.

    Parameters
    ----------
    parts : sequence of (Path, int)
        Files, and where in them voxels begin.
    each : int
        Bytes of voxels in each file.
    """

    def __init__(self, parts: Sequence[tuple[Path, int]], each: int) -> None:
        self._parts, self._each = parts, each
        self._checks = [unchanged(path) for path, _ in parts]

    def read(
        self, shape: Sequence[int], dtype: np.dtype[Any], where: tuple[slice, ...]
    ) -> NDArray[Any]:
        """Read a box of an array of that shape, the slowest axis first.

        Raises
        ------
        UnreadError
            A file has changed meanwhile.
        OSError, ValueError
            It is not there, or broke off.
        """
        size = [one.stop - one.start for one in where]
        # axes before the last one that is cut: what is behind it lies in one piece
        cut = [k for k, n in enumerate(shape) if size[k] < n]
        apart = max(cut[-1] if cut else 0, 0)
        made = np.empty(size, dtype)
        for index in np.ndindex(*size[:apart]):
            begin = [one.start + i for one, i in zip(where, index, strict=False)]
            begin += [one.start for one in where[apart:]]
            first = int(np.ravel_multi_index(begin, tuple(shape)))
            self._read_into(made[index], first * dtype.itemsize)
        return made

    def _read_into(self, made: NDArray[Any], begin: int) -> None:
        """Read what lies in one piece, also where it goes on in the next file."""
        room, at = memoryview(made.reshape(-1).view(np.uint8).data), 0
        while at < len(room):
            number, within = divmod(begin + at, self._each)
            path, start = self._parts[number]
            length = min(self._each - within, len(room) - at)
            with path.open("rb") as file:
                file.seek(start + within)
                got = file.readinto(room[at : at + length])
            self._checks[number]()
            if got < length:
                raise ValueError("it broke off")
            at += length


def check_length(
    header: Path, parts: Sequence[tuple[Path, int]], need: int, packing: str = "raw"
) -> None:
    """Refuse files that cannot hold as many bytes as a header declares."""
    held = sum(max(p.stat().st_size - max(offset, 0), 0) for p, offset in parts)
    if need > held * _PACKED.get(packing, 1):
        raise _too_short(header, need, held)


def _too_short(header: Path, need: int, held: int) -> InputError:
    return InputError(
        f"{header}: is damaged or incomplete, it declares {need} bytes and holds "
        f"{held}; copy or export it again."
    )


def _fill(file: BinaryIO, buffer: NDArray[np.uint8], packing: str) -> tuple[int, bool]:
    """Unpack into a buffer, no more than it holds.

    Returns
    -------
    int
        Number of bytes that were there.
    bool
        Whether the checksum behind them fits, where it is near.
    """
    view = memoryview(buffer.data)
    if packing == "gzip":
        with gzip.GzipFile(fileobj=file) as unpacked:
            return _read_into(unpacked, view), _ends_well(unpacked)
    if packing == "bzip2":
        with bz2.BZ2File(file) as unpacked_bz2:
            return _read_into(unpacked_bz2, view), _ends_well(unpacked_bz2)
    if packing == "zlib":
        return _inflate(file, view)
    return _read_into(file, view), True


def _read_into(file: Any, view: memoryview) -> int:
    """Fill a buffer as far as the file goes, or can be unpacked."""
    at = 0
    try:
        while at < len(view):
            got = file.readinto(view[at : at + _CHUNK])
            if not got:
                break
            at += got
    except (EOFError, zlib.error, OSError):
        return at
    return at


def _ends_well(file: Any) -> bool:
    """Read on to the checksum at the end, which is looked at there."""
    try:
        file.read(_CHUNK)
    except (EOFError, zlib.error, OSError):
        return False
    return True


def _inflate(file: BinaryIO, view: memoryview) -> tuple[int, bool]:
    unpacker = zlib.decompressobj()
    at = 0
    try:
        while not unpacker.eof and at < len(view) + _CHUNK:
            packed = unpacker.unconsumed_tail or file.read(_CHUNK)
            if not packed:
                return min(at, len(view)), False
            part = unpacker.decompress(packed, _CHUNK)
            kept = part[: max(len(view) - at, 0)]
            view[at : at + len(kept)] = kept
            at += len(part)
    except zlib.error:
        return min(at, len(view)), False
    return min(at, len(view)), True
