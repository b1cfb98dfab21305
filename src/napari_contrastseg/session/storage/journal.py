"""The journal: a file that only grows, one checksummed record for every change.

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
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file
from napari_contrastseg.io.json import loads
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.session.classes import AnnotationClass  # noqa: TC001 pydantic
from napari_contrastseg.session.undo import (
    Action,
    ArrayEdit,
    ClassesEdit,
    Edit,
    RoundEdit,
    RoundSelection,
)
from napari_contrastseg.session.volume_record import WORK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC: Final = b"CSEGJRN1"
_FRAME = struct.Struct("<II")
_HEAD = struct.Struct("<I")
#: Largest record that is read, bytes, packed and unpacked.
MAX_RECORD_BYTES: Final = 2**31 - 1
_PLACE = np.dtype("<i8")

#: ``past`` and ``future`` are actions of the history a snapshot was made with.
EntryKind = Literal[
    "past",
    "future",
    "did",
    "undid",
    "redid",
    "volume",
    "removed",
    "axis",
    "threshold",
    "round",
    "weights",
]


@dataclass(frozen=True)
class _StoredEdit:
    """An edit without its arrays: exactly one of the three kinds."""

    volume: str | None = None
    array: str | None = None
    runs: int = 0
    count: int = 0
    classes: tuple[tuple[AnnotationClass, ...], tuple[AnnotationClass, ...]] | None = (
        None
    )
    standing: tuple[RoundSelection, RoundSelection] | None = None


@dataclass(frozen=True)
class Head:
    """What a record says in JSON.

    Attributes
    ----------
    number : int
        Of the record in its file, from 0.
    label, edits
        Of an action.
    about : any
        Plain values of the other kinds.
    """

    number: int
    kind: EntryKind
    label: str = ""
    edits: tuple[_StoredEdit, ...] = ()
    about: Any = None


@dataclass(frozen=True)
class JournalRecord:
    """A record that was read."""

    kind: EntryKind
    action: Action | None
    about: Any


class TooLargeError(InputError):
    """A change is larger than a record may be; a snapshot holds it nevertheless."""


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(
    number: int, kind: EntryKind, action: Action | None = None, about: Any = None
) -> bytes:
    """Make a record's bytes.

    Raises
    ------
    TooLargeError
        It holds more than can be read back.
    """
    stored: list[_StoredEdit] = []
    blobs: list[bytes] = []
    for edit in action.edits if action is not None else ():
        if isinstance(edit, ClassesEdit):
            stored.append(_StoredEdit(classes=(edit.old, edit.new)))
        elif isinstance(edit, RoundEdit):
            stored.append(_StoredEdit(standing=(edit.old, edit.new)))
        else:
            starts, lengths = _runs(edit.index)
            small = np.dtype(WORK[edit.array]).newbyteorder("<")
            blobs += [
                starts.astype(_PLACE).tobytes(),
                lengths.astype(_PLACE).tobytes(),
                edit.old.astype(small).tobytes(),
                edit.new.astype(small).tobytes(),
            ]
            where = (edit.volume_id, edit.array, len(starts), len(edit.index))
            stored.append(_StoredEdit(*where))
    if sum(len(blob) for blob in blobs) > MAX_RECORD_BYTES:
        raise TooLargeError("One change is larger than the journal can hold (2 GB).")
    label = action.label if action is not None else ""
    head = Head(number, kind, label, tuple(stored), about)
    text = _adapter(Head).dump_json(head, exclude_defaults=True)
    payload = _HEAD.pack(len(text)) + text + zlib.compress(b"".join(blobs), 1)
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _runs(index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the starts and lengths of the runs of consecutive places."""
    first = np.flatnonzero(np.diff(index, prepend=index[:1] - 2) != 1)
    lengths = np.diff(first, append=len(index))
    return index[first], lengths.astype(np.int64)


def decode(payload: bytes) -> tuple[int, JournalRecord]:
    """Read a record's payload; returns its number too.

    Raises
    ------
    InputError
        It is no record of ours.
    """
    try:
        (size,) = _HEAD.unpack_from(payload)
        text = payload[_HEAD.size : _HEAD.size + size].decode()
        head: Head = _adapter(Head).validate_python(loads(text))
        blob = _unpack(payload[_HEAD.size + size :], head.edits)
        edits = tuple(_edits(head.edits, blob))
    except (struct.error, zlib.error, ValidationError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("a record of the journal is damaged") from error
    action = Action(head.label, edits) if edits or head.label else None
    return head.number, JournalRecord(head.kind, action, head.about)


def _unpack(packed: bytes, edits: tuple[_StoredEdit, ...]) -> bytes:
    """Unpack the arrays; no more bytes than the head declares."""
    size = sum(_size(edit) for edit in edits)
    if any(e.runs < 0 or e.count < 0 for e in edits) or size > MAX_RECORD_BYTES:
        raise InputError("a record of the journal declares arrays it cannot hold")
    check_size("a record of the journal", (4 * size,))  # unpacked, and its places
    found = zlib.decompressobj().decompress(packed, size + 1)
    if len(found) != size:
        raise InputError("a record of the journal is damaged")
    return found


def _size(edit: _StoredEdit) -> int:
    if edit.array is None:
        return 0
    width = np.dtype(WORK[edit.array]).itemsize
    return 2 * edit.runs * _PLACE.itemsize + 2 * edit.count * width


def _edits(stored: tuple[_StoredEdit, ...], blob: bytes) -> Iterator[Edit]:
    offset = 0

    def take(dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        nonlocal offset
        found = np.frombuffer(blob, dtype, count, offset)
        offset += found.nbytes
        return found.astype(dtype.newbyteorder("="))

    for edit in stored:
        if edit.classes is not None:
            yield ClassesEdit(*edit.classes)
        elif edit.standing is not None:
            yield RoundEdit(*edit.standing)
        elif edit.volume is not None and edit.array is not None:
            small = np.dtype(WORK[edit.array]).newbyteorder("<")
            starts, lengths = take(_PLACE, edit.runs), take(_PLACE, edit.runs)
            old, new = take(small, edit.count), take(small, edit.count)
            index = _places(starts, lengths, edit.count)
            yield ArrayEdit(edit.volume, edit.array, index, old, new)
        else:
            raise InputError("a record of the journal holds an empty edit")


def _places(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    if (lengths <= 0).any() or (starts < 0).any() or int(lengths.sum()) != count:
        raise InputError("a record of the journal declares places it does not hold")
    ends = np.cumsum(lengths)
    within = np.arange(count) - np.repeat(ends - lengths, lengths)
    return np.asarray(np.repeat(starts, lengths) + within, dtype=np.int64)


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

    def append(
        self, kind: EntryKind, action: Action | None = None, about: Any = None
    ) -> None:
        """Write one record; `sync` puts it on the disk.

        Raises
        ------
        OSError
            It could not be written; the file is as it was.
        """
        self._write(encode(self.count, kind, action, about))
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
    records : tuple of Record
    cut : int
        Bytes after the last whole record.
    damaged : bool
        They are more than one record that was being written when the program ended.
    """

    records: tuple[JournalRecord, ...]
    cut: int
    damaged: bool


def read_journal(path: Path) -> Reading:
    """Read the whole records of a journal, up to the first that is not.

    Raises
    ------
    InputError
        The file cannot be read, or is no journal.
    """
    records: list[JournalRecord] = []
    good = len(MAGIC)
    for payload in _payloads(path):
        try:
            number, record = decode(payload)
        except InputError:
            break
        if number != len(records):
            break
        records.append(record)
        good += _FRAME.size + len(payload)
    size = path.stat().st_size
    cut = max(0, size - good)
    return Reading(tuple(records), cut, damaged=cut > 0 and not _torn(path, good, size))


def read_heads(path: Path) -> Iterator[Head]:
    """Read what the records say of themselves; their arrays are not unpacked."""
    for payload in _payloads(path):
        try:
            (size,) = _HEAD.unpack_from(payload)
            text = payload[_HEAD.size : _HEAD.size + size].decode()
            yield _adapter(Head).validate_python(loads(text))
        except (struct.error, ValidationError, ValueError):
            return


def _payloads(path: Path) -> Iterator[bytes]:
    need_file(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                if size < len(MAGIC):
                    return
                raise InputError(f"{path}: is no journal of a session.")
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
