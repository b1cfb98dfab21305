"""Append-only journal file: one checksummed record for every change of a session.

::

    CSEGJRN1 | length crc32 payload | length crc32 payload | ...
    payload: length of head | head (JSON) | arrays (zlib)

A record is whole or it is not there: reading stops at the first that is cut or does
not match its checksum, and everything before it holds.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file
from napari_contrastseg.session.storage.record_format import (
    MAX_RECORD_BYTES,
    Head,
    decode,
    encode,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.session.journal_entries import Entry, StoredEntry

MAGIC: Final = b"CSEGJRN1"
_FRAME = struct.Struct("<II")


class JournalFile:
    """A journal that is written to; every `append` is whole or leaves no trace.

    Parameters
    ----------
    path : Path
        A new file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file = path.open("xb", buffering=0)
        self._good = 0
        try:
            self._write(MAGIC)
        except OSError:
            self._file.close()
            path.unlink(missing_ok=True)
            raise

    @property
    def nbytes(self) -> int:
        """Size of what is written."""
        return self._good

    def append(self, entry: Entry) -> None:
        """Write one record; `sync` puts it on the disk.

        Raises
        ------
        OSError
            It could not be written; the file is as it was.
        """
        payload = encode(self.count, entry.stored())
        self._write(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        self.count += 1

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError:
            self._file.seek(self._good)
            self._file.truncate()
            raise
        self._good += len(data)

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


@dataclass(frozen=True)
class Reading:
    """All whole records of a journal.

    Attributes
    ----------
    entries : tuple of StoredEntry
    cut : int
        Bytes after the last whole record.
    damaged : bool
        They are more than one record that was being written when the program ended.
    """

    entries: tuple[StoredEntry, ...]
    cut: int
    damaged: bool


def read_journal(path: Path) -> Reading:
    """Read the whole records of a journal, up to the first that is not.

    Raises
    ------
    InputError
        The file cannot be read, or is not a journal.
    """
    entries: list[StoredEntry] = []
    good = len(MAGIC)
    for head, packed, end in _records(path):
        try:
            entries.append(decode(head, packed))
        except InputError:
            break
        good = end
    size = path.stat().st_size
    cut = max(0, size - good)
    return Reading(tuple(entries), cut, damaged=cut > 0 and not _torn(path, good, size))


def read_heads(path: Path) -> Iterator[Head]:
    """Read what the records say of themselves; their arrays are not unpacked."""
    for head, _, _ in _records(path):
        yield head


def _records(path: Path) -> Iterator[tuple[Head, bytes, int]]:
    """Give head, packed arrays and end in the file of each record that is whole."""
    end = len(MAGIC)
    for number, payload in enumerate(_payloads(path)):
        try:
            head, packed = split(payload)
        except InputError:
            return
        if head.number != number:
            return
        end += _FRAME.size + len(payload)
        yield head, packed, end


def _payloads(path: Path) -> Iterator[bytes]:
    need_file(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                if size < len(MAGIC):
                    return
                raise InputError(
                    f"{path}: is not a journal of a session; copy the whole session "
                    "folder again."
                )
            while (payload := _frame(file.read, size - file.tell())) is not None:
                yield payload
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error


def _torn(path: Path, good: int, size: int) -> bool:
    """Whether the rest of a journal is one record that was cut off."""
    with path.open("rb") as file:
        file.seek(good)
        head = file.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return True
    length, _ = _FRAME.unpack(head)
    return bool(good + _FRAME.size + length > size)


def _frame(read: Any, left: int) -> bytes | None:
    """Read the next payload, or None where it is cut or does not match."""
    head = read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack(head)
    if length > min(left, MAX_RECORD_BYTES):
        return None
    payload: bytes = read(length)
    if len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    return payload
