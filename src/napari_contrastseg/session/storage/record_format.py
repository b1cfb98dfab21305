"""Bytes of one journal record: an entry's JSON, and its arrays as zlib."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import loads
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.session.classes import AnnotationClass  # noqa: TC001 pydantic
from napari_contrastseg.session.journal_entries import Entry, StoredEntry
from napari_contrastseg.session.places import Places
from napari_contrastseg.session.undo import (
    Action,
    ArrayEdit,
    ClassesEdit,
    Edit,
    RoundEdit,
    RoundSelection,
    SpecksEdit,
    packed,
)
from napari_contrastseg.session.volume_record import WORK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SIZE = struct.Struct("<I")
#: Largest record that is read, bytes, packed and unpacked.
MAX_RECORD_BYTES: Final = 2**31 - 1
_PLACE = np.dtype("<i8")


class TooLargeError(InputError):
    """A change is larger than a record may be; a snapshot holds it nevertheless."""


@dataclass(frozen=True)
class _StoredArrayEdit:
    """Of which array; the record's arrays hold `runs` runs of `count` places."""

    volume: str
    array: str
    runs: int
    count: int

    def __post_init__(self) -> None:
        if self.array not in WORK or min(self.runs, self.count) < 0:
            raise ValueError("it edits an array that there is not")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values on the disk."""
        return np.dtype(WORK[self.array]).newbyteorder("<")

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return 2 * self.runs * _PLACE.itemsize + 2 * self.count * self.dtype.itemsize


@dataclass(frozen=True)
class _StoredClassesEdit:
    """The classes before and after."""

    classes: tuple[tuple[AnnotationClass, ...], tuple[AnnotationClass, ...]]
    nbytes = 0


@dataclass(frozen=True)
class _StoredRoundEdit:
    """The selection before and after, under the name of format 2."""

    standing: tuple[RoundSelection, RoundSelection]
    nbytes = 0


@dataclass(frozen=True)
class _StoredSpecksEdit:
    """Whose specks are left out, by class id, before and after."""

    specks: tuple[dict[int, bool], dict[int, bool]]
    nbytes = 0


_StoredEdit = (
    _StoredArrayEdit | _StoredClassesEdit | _StoredRoundEdit | _StoredSpecksEdit
)


@dataclass(frozen=True)
class Head:
    """What a record says in JSON.

    Attributes
    ----------
    number : int
        Of the record in its file, from 0.
    kind : str
        Of the entry.
    label, edits
        Of its action, if it has one.
    about : any
        Its values.
    """

    number: int
    kind: str
    label: str = ""
    edits: tuple[_StoredEdit, ...] = ()
    about: Any = None

    def __post_init__(self) -> None:
        if self.kind not in Entry.kinds:
            raise ValueError(f"there are no entries of kind {self.kind!r}")


@cache
def _heads() -> TypeAdapter[Head]:
    return TypeAdapter(Head)


def encode(number: int, entry: StoredEntry) -> bytes:
    """Make the bytes of a file's record `number`.

    Raises
    ------
    TooLargeError
        It holds more than can be read back.
    """
    edits = entry.action.edits if entry.action is not None else ()
    stored = tuple(map(_described, edits))
    if sum(one.nbytes for one in stored) > MAX_RECORD_BYTES:
        raise TooLargeError("One change is larger than the journal can hold (2 GB).")
    label = entry.action.label if entry.action is not None else ""
    head = Head(number, entry.kind, label, stored, entry.values)
    text = _heads().dump_json(head, exclude_defaults=True)
    packer = zlib.compressobj(1)
    packed = [packer.compress(array) for e in edits for array in _arrays(e)]
    return b"".join([_SIZE.pack(len(text)), text, *packed, packer.flush()])


def _described(edit: Edit) -> _StoredEdit:
    """Say what an edit is, without its arrays."""
    if isinstance(edit, ClassesEdit):
        return _StoredClassesEdit((edit.old, edit.new))
    if isinstance(edit, RoundEdit):
        return _StoredRoundEdit((edit.old, edit.new))
    if isinstance(edit, SpecksEdit):
        return _StoredSpecksEdit((dict(edit.old), dict(edit.new)))
    places = edit.places
    about = (edit.volume_id, edit.array, len(places.starts), len(places))
    return _StoredArrayEdit(*about)


def _arrays(edit: Edit) -> Iterator[bytes]:
    """Give the bytes of an edit's arrays, one after the other."""
    if isinstance(edit, ArrayEdit):
        for places in (edit.places.starts, edit.places.lengths):
            yield places.astype(_PLACE).tobytes()
        dtype = np.dtype(WORK[edit.array]).newbyteorder("<")
        for values in (edit.old, edit.new):
            yield values.astype(dtype).tobytes()


def split(payload: bytes) -> tuple[Head, bytes]:
    """Read a record's head; its arrays are left packed.

    Raises
    ------
    InputError
        It is not a record of ours.
    """
    try:
        (size,) = _SIZE.unpack_from(payload)
        text = payload[_SIZE.size : _SIZE.size + size].decode()
        head = _heads().validate_python(loads(text))
    except (struct.error, ValidationError, ValueError) as error:
        raise InputError("a record of the journal is damaged") from error
    return head, payload[_SIZE.size + size :]


def decode(head: Head, packed: bytes) -> StoredEntry:
    """Make the entry of a record that was `split`.

    Raises
    ------
    InputError
        Its arrays are not what the head declares.
    """
    edits = tuple(_edits(head.edits, _unpack(packed, head.edits)))
    action = Action(head.label, edits) if edits or head.label else None
    return StoredEntry(head.kind, head.about, action)


def _unpack(packed: bytes, edits: tuple[_StoredEdit, ...]) -> bytes:
    """Unpack the arrays; no more bytes than the head declares."""
    size = sum(edit.nbytes for edit in edits)
    if size > MAX_RECORD_BYTES:
        raise InputError("a record of the journal declares arrays it cannot hold")
    check_size("a record of the journal", (4 * size,))  # unpacked, and its places
    try:
        found = zlib.decompressobj().decompress(packed, size + 1)
    except zlib.error as error:
        raise InputError("a record of the journal is damaged") from error
    if len(found) != size:
        raise InputError("a record of the journal is damaged")
    return found


def _edits(stored: tuple[_StoredEdit, ...], blob: bytes) -> Iterator[Edit]:
    offset = 0

    def take(dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        nonlocal offset
        found = np.frombuffer(blob, dtype, count, offset)
        offset += found.nbytes
        return found.astype(dtype.newbyteorder("="))

    for edit in stored:
        if isinstance(edit, _StoredClassesEdit):
            yield ClassesEdit(*edit.classes)
        elif isinstance(edit, _StoredRoundEdit):
            yield RoundEdit(*edit.standing)
        elif isinstance(edit, _StoredSpecksEdit):
            yield SpecksEdit(*edit.specks)
        else:
            starts, lengths = take(_PLACE, edit.runs), take(_PLACE, edit.runs)
            old, new = take(edit.dtype, edit.count), take(edit.dtype, edit.count)
            places = _checked(Places(starts, lengths), edit.count)
            about = (edit.volume, edit.array, places)
            yield ArrayEdit(*about, packed(old), packed(new))


def _checked(places: Places, count: int) -> Places:
    wrong = (places.lengths <= 0).any() or (places.starts < 0).any()
    if wrong or len(places) != count:
        raise InputError("a record of the journal declares places it does not hold")
    return places
