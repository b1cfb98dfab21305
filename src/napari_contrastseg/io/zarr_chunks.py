"""Chunks of zarr arrays of strangers: how much they unpack to, before zarr does it.

A chunk of a few bytes can unpack to any size, and zarr makes room for whatever comes.
"""

from __future__ import annotations

import bz2
import math
import operator
import os
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.limits import ALWAYS_FINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

#: Chunks that need not be there: each takes zarr a moment, for nothing.
_MOST_MISSING: Final = 100_000
_MOST_FILES: Final = 2_000_000
#: Bytes that a packed chunk may hold beyond its voxels: checksums.
_SLACK: Final = 64
#: Bytes of a block of zstd, unpacked, at most.
_ZSTD_BLOCK: Final = 2**17
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPED: Final = b"\x2a\x4d\x18"
#: Of an inner chunk that a shard does not hold.
_NOT_THERE: Final = 2**64 - 1
_NAME: Final = re.compile(r"(c[./])?\d+([./]\d+)*|c")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True)
class Packing:
    """How an array is cut into chunks, and how each is packed.

    Attributes
    ----------
    chunk : tuple of int
        Voxels of what is packed at once: of a shard, those of its inner chunks.
    codec : str
        What packs the bytes; ``""`` where nothing does.
    shard : tuple of int or None
        Voxels of a file that holds several chunks and an index of them.
    index_first : bool
        Whether a shard begins with its index.
    index_sum : int
        Bytes of the index's checksum.
    """

    chunk: tuple[int, ...]
    codec: str = ""
    shard: tuple[int, ...] | None = None
    index_first: bool = False
    index_sum: int = 0


class CheckedChunks:
    """Files of an array's chunks, held against what the array declares.

    Parameters
    ----------
    place : Path
        The array's folder.
    packing : Packing
    shape, part : sequence of int
        Of the array, and of the part of it that is to be read.
    dtype : dtype

    Raises
    ------
    InputError
        There are links, a chunk is much larger than the array, or far more chunks are
        declared than there are.
    """

    def __init__(
        self,
        place: Path,
        packing: Packing,
        shape: Sequence[int],
        part: Sequence[int],
        dtype: np.dtype[Any],
    ) -> None:
        self._place, self._packing = place, packing
        self._limit = math.prod(packing.chunk) * dtype.itemsize
        self._outer = packing.shard or packing.chunk
        whole = math.prod(shape) * dtype.itemsize
        outer = math.prod(self._outer) * dtype.itemsize
        if outer > max(ALWAYS_FINE, whole):
            raise InputError(
                f"{place}: declares chunks of {outer / 2**30:.1f} GB, which is more "
                f"than its array of {' x '.join(map(str, shape))} voxels; check the "
                "file."
            )
        self._names = list(_chunk_names(place))
        count = len(self._names)
        sizes = zip(part, self._outer, strict=True)
        declared = math.prod(-(-n // size) for n, size in sizes)
        if declared - count > _MOST_MISSING:
            raise InputError(
                f"{place}: declares {declared} chunks, of which {count} are there; "
                "check the file, or copy it again."
            )
        self._grid = [-(-n // size) for n, size in zip(shape, self._outer, strict=True)]

    @cached_property
    def there(self) -> NDArray[np.bool_]:
        """Which chunks there are; another one is zeros, or a value that is declared."""
        found = np.zeros(self._grid, np.bool_)
        for name in self._names:
            index = tuple(map(int, _NUMBER.findall(name)))
            if len(index) == found.ndim and all(map(operator.lt, index, found.shape)):
                found[index] = True
        return found

    def check_all(self) -> None:
        """Refuse chunks that would unpack to more than they declare.

        Raises
        ------
        InputError
            Naming the first.
        """
        for name in self._names:
            self._check(self._place / name)

    def check_part(
        self, where: tuple[slice, ...], key_of: Callable[[tuple[int, ...]], str]
    ) -> None:
        """Hold the chunks of a box against what they declare, before it is read.

        Parameters
        ----------
        where : tuple of slice
        key_of : index of a chunk -> its file, within the array's folder

        Raises
        ------
        OSError
            One that was there is not there any more.
        InputError
            One unpacks to more than a chunk.
        """
        ranges = (
            range(one.start // size, -(-one.stop // size))
            for one, size in zip(where, self._outer, strict=True)
        )
        for index in product(*ranges):
            if self.there[index]:
                self._check(self._place / key_of(index))

    def _check(self, file: Path) -> None:
        for at, length in _packed_parts(file, self._packing):
            codec, limit = self._packing.codec, self._limit
            if _unpacks_beyond(file, at, length, codec, limit + _SLACK):
                raise InputError(
                    f"{file}: unpacks to more than the {limit} bytes of a chunk; it "
                    "is damaged, or made to fill the memory."
                )


def _chunk_names(place: Path) -> Iterator[str]:
    """List the files of chunks, within their array's folder; refuse what is a link."""
    count, folders = 0, [""]
    while folders:
        inside = folders.pop()
        with suppress(OSError), os.scandir(place / inside) as entries:
            for entry in entries:
                count += 1
                name = f"{inside}{entry.name}"
                if entry.is_symlink():
                    raise InputError(
                        f"{place / name}: is a link; copy the file itself there."
                    )
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{name}/")
                elif _NAME.fullmatch(name):
                    yield name
        if count > _MOST_FILES:
            raise InputError(f"{place}: holds more than {_MOST_FILES} files.")


def _packed_parts(file: Path, packing: Packing) -> Iterator[tuple[int, int]]:
    """Give beginning and length of what is packed in a file."""
    size = file.stat().st_size
    if packing.shard is None:
        yield 0, size
        return
    cut = zip(packing.shard, packing.chunk, strict=True)
    index = 16 * math.prod(-(-n // inner) for n, inner in cut)
    start = 0 if packing.index_first else size - index - packing.index_sum
    with file.open("rb") as opened:
        opened.seek(max(start, 0))
        raw = opened.read(index)
    for at in range(0, len(raw) - 15, 16):
        begin, length = (
            int.from_bytes(raw[at + k : at + k + 8], "little") for k in (0, 8)
        )
        if begin == _NOT_THERE:
            continue
        if begin + length > size:
            raise InputError(f"{file}: is damaged, it names what it does not hold.")
        yield begin, length


def _unpacks_beyond(file: Path, at: int, length: int, codec: str, limit: int) -> bool:
    """Whether packed bytes hold more than a limit."""
    if not codec:
        return length > limit
    with file.open("rb") as opened:
        opened.seek(at)
        if codec == "blosc":
            head = opened.read(16)
            if int.from_bytes(head[12:16], "little") not in range(16, length + 1):
                raise InputError(f"{file}: is damaged, it holds less than it says.")
            return int.from_bytes(head[4:8], "little") > limit
        if codec == "lz4":
            return int.from_bytes(opened.read(4), "little") > limit
        raw = opened.read(length)
    if codec == "zstd":
        return _zstd_holds(raw) > limit
    return _streams_beyond(raw, codec, limit)


def _zstd_holds(raw: bytes) -> int:
    """Count what zstd's frames hold at most, by their headers and those of blocks."""
    at = total = 0
    while raw[at : at + 4] == _ZSTD_MAGIC or raw[at + 1 : at + 4] == _ZSTD_SKIPPED:
        if raw[at : at + 4] != _ZSTD_MAGIC:
            at += 8 + int.from_bytes(raw[at + 4 : at + 8], "little")
            continue
        said = raw[at + 4] if at + 4 < len(raw) else 0
        single, kept = said >> 5 & 1, (said >> 2) & 1
        field = (single, 2, 4, 8)[said >> 6]
        at += 5 + (not single) + (0, 1, 2, 4)[said & 3]
        content = int.from_bytes(raw[at : at + field], "little") + 256 * (field == 2)  # noqa: PLR2004
        at += field
        blocks, last = 0, False
        while not last and at + 3 <= len(raw):
            block = int.from_bytes(raw[at : at + 3], "little")
            last, repeated = bool(block & 1), (block >> 1) & 3 == 1
            at += 3 + (1 if repeated else block >> 3)
            blocks += 1
        at += 4 * kept
        total += content if field else max(blocks - 1, 0) * _ZSTD_BLOCK
    return total


def _streams_beyond(raw: bytes, codec: str, limit: int) -> bool:
    """Unpack piece by piece, keeping nothing, until it is too much."""
    total, rest = 0, raw
    with suppress(zlib.error, OSError, ValueError, EOFError):  # said by who unpacks it
        while rest and total <= limit:
            unpacker: Any = (
                bz2.BZ2Decompressor()
                if codec == "bz2"
                else zlib.decompressobj(31 if codec == "gzip" else 15)
            )
            while not unpacker.eof and total <= limit:
                got = len(unpacker.decompress(rest, 2**20))
                total += got
                rest = b"" if codec == "bz2" else unpacker.unconsumed_tail
                if not got and not rest:
                    break
            rest = unpacker.unused_data
    return total > limit
