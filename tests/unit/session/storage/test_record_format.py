"""Journals on disk: format 2 is written byte for byte as it was, and still opens.

``session-format-2.zip`` was written by the code before entries had classes of their
own; its journal holds every kind of entry and of edit.
"""

from __future__ import annotations

import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.journal_entries import (
    AxisChosen,
    StoredEntry,
    read_entry,
)
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.journal import JournalFile, read_journal
from napari_contrastseg.session.storage.large_files import LargeFileReader
from napari_contrastseg.session.storage.load import load_session, open_folder
from napari_contrastseg.session.storage.record_format import decode, encode, split
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.undo import Action, ArrayEdit
from tests.kit.session_state import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURES = Path(__file__).parents[3] / "fixtures"
KINDS = (
    *("past",) * 5,
    "future",
    *("axis", "axis", "volume", "volume", "removed", "threshold"),
    *("did",) * 5,
    *("undid", "redid", "round", "round", "weights"),
    *("did",) * 4,
    "undid",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The session of format 2."""
    with zipfile.ZipFile(FIXTURES / "session-format-2.zip") as archive:
        archive.extractall(tmp_path / "session")
    return tmp_path / "session"


def records_of(data: bytes) -> Iterator[bytes]:
    """Frames of a journal, their arrays packed by the zlib of this computer."""
    assert data[:8] == b"CSEGJRN1"
    at = 8
    while at < len(data):
        length, checksum = struct.unpack_from("<II", data, at)
        payload = data[at + 8 : at + 8 + length]
        assert zlib.crc32(payload) == checksum
        (size,) = struct.unpack_from("<I", payload)
        head, packed = payload[: 4 + size], payload[4 + size :]
        payload = head + zlib.compress(zlib.decompress(packed), 1)
        yield struct.pack("<II", len(payload), zlib.crc32(payload)) + payload
        at += 8 + length


def test_the_journal_is_written_byte_for_byte_as_before(
    folder: Path, tmp_path: Path
) -> None:
    (path,) = folder.glob("journal-*")
    entries = read_journal(path).entries
    assert tuple(entry.kind for entry in entries) == KINDS
    session, notes = open_folder(folder).session, list[str]()
    files = LargeFileReader(folder, session, notes, sparse=False)
    journal = JournalFile(tmp_path / "again")
    for stored in entries:
        journal.append(read_entry(stored, files))
    journal.close()
    wanted = b"CSEGJRN1" + b"".join(records_of(path.read_bytes()))
    assert journal.path.read_bytes() == wanted


def test_sessions_of_format_2_open_as_they_were(folder: Path) -> None:
    opened = open_folder(folder)
    session = opened.session
    assert not opened.notes
    assert not opened.written, "every volume's arrays were changed by the journal"
    assert opened.changes == len(KINDS) - 6
    assert session.fingerprint == "c36829d0d46058ace993b0ad"
    assert list(session.records) == ["one", "Präparat 3"]
    assert [c.name for c in session.classes] == ["core", "rind", "vessel"]
    assert session.slices == SliceAxis("array", 0)
    assert [record.axis for record in session.records.values()] == [0, 0]
    assert session.thresholds == {1: 0.7}
    assert [r.info.number for r in session.rounds] == [1, 2]
    assert session.rounds.current is session.rounds[0]
    assert list(session.newer_weights) != []
    assert [a.label for a in session.history.done][-4:] == [
        "mark slice",
        "bring back round 1",
        "accept slice",
        "reject slice",
    ]
    assert [a.label for a in session.history.undone] == ["lock slice"]
    sums = {n: int(r.ink.sum()) for n, r in session.records.items()}
    assert sums == {"one": 30, "Präparat 3": 4080}
    before = state_of(session)
    Autosave(session, folder, print, opened=opened).close()
    assert state_of(load_session(folder)) == before


@pytest.mark.parametrize("memory", ["1 GB", "0 GB"], ids=["held", "mapped"])
def test_sessions_of_format_2_keep_their_one_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    """The first volume's coarsest axis was that of all, then axis 2 was chosen.

    ``session-format-2-axis.zip`` was written by the code of de826a1.
    """
    monkeypatch.setenv(MEMORY_VARIABLE, memory)
    monkeypatch.setenv(SCRATCH_VARIABLE, str(tmp_path))
    with zipfile.ZipFile(FIXTURES / "session-format-2-axis.zip") as archive:
        archive.extractall(tmp_path / "session")
    opened = open_folder(tmp_path / "session")
    session = opened.session
    assert not opened.notes
    assert session.slices == SliceAxis("array", 2)
    status = {n: r.status.tolist() for n, r in session.records.items()}
    nothing = [0] * 10
    assert status == {
        "one": [*nothing[:3], 1, *nothing[4:]],
        "two": [*nothing[:3], 2, *nothing[4:]],
        "three": [*nothing[:3], 1, *nothing[4:]],
    }
    assert {r.axis for r in session.records.values()} == {2}
    record = session.add_volume(phantom(0, (6, 8, 10)).volume)
    assert record.axis == 2, "a volume that is added has it, too"
    before = state_of(session)
    save_session(session, tmp_path / "again")
    assert state_of(load_session(tmp_path / "again")) == before
    Autosave(session, tmp_path / "session", print, opened=opened).close()
    assert state_of(load_session(tmp_path / "session")) == before


def test_volumes_return_with_an_axis_each(tmp_path: Path) -> None:
    """From a snapshot, and from the journal after it."""
    shape = (6, 8, 10)
    volumes = []
    for axis in (0, 1, 2):
        spacing = np.where(np.arange(3) == axis, 3.0, 1.0)
        values = np.arange(np.prod(shape)).astype(np.float32).reshape(shape)
        volumes.append(Volume(f"v{axis}", (values,), array_affine(spacing)))
    session = Session()
    session.add_volume(volumes[0])
    autosave = Autosave(session, tmp_path / "session", print)
    assert autosave.flush(60)
    for volume in volumes[1:]:
        session.add_volume(volume)
    assert autosave.flush(60)
    shutil.copytree(tmp_path / "session", tmp_path / "open")
    autosave.close()
    for folder in ("session", "open"):
        back = load_session(tmp_path / folder)
        assert [r.axis for r in back.records.values()] == [0, 1, 2]
        assert state_of(back) == state_of(session)


@pytest.mark.parametrize("places", [[], [7], [0, 1, 2], [0, 2, 3, 9], [5, 4, 3]])
def test_places_come_back_from_their_runs(places: list[int]) -> None:
    index = np.array(places, np.int64)
    values = np.arange(len(index)).astype(np.uint8)
    edit = ArrayEdit.at("one", "ink", index, values, values + 1)
    stored = StoredEntry("did", action=Action("stroke", (edit,)))
    entry = decode(*split(encode(3, stored)))
    assert entry.action is not None
    (back,) = entry.action.edits
    assert isinstance(back, ArrayEdit)
    assert back.index.tolist() == places
    assert (back.old.tolist(), back.new.tolist()) == (
        values.tolist(),
        (values + 1).tolist(),
    )


def test_records_that_are_not_ours_are_refused() -> None:
    good = encode(0, AxisChosen(SliceAxis("array", 1)).stored())
    head, packed = split(good)
    assert (head.number, decode(head, packed)) == (0, StoredEntry("axis", 1))
    strange = good.replace(b'"axis"', b'"what"')
    for payload in (b"", b"\0\0\0\0", good[1:], b"\xff" * 40, strange):
        with pytest.raises(InputError):
            split(payload)
    with pytest.raises(InputError):
        decode(head, packed[:-1] + b"\0" * 9)
