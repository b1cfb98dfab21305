"""Sessions that are damaged, old, or hostile are opened or refused."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.storage import ownership
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import (
    copy_damaged_journal,
    load_session,
    open_folder,
)
from napari_contrastseg.session.storage.snapshot import save_session
from tests.kit.session_state import assert_same, work_of
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.storage.save_status import SaveProblem

FIXTURES = Path(__file__).parents[3] / "fixtures"


def test_damage_is_told_and_put_aside(
    kept: tuple[Session, Autosave, list[SaveProblem]], sample: Sample
) -> None:
    session, autosave, _ = kept
    for row in range(6):
        painting.paint(session, NAME, box(session, 3, row), 1)
        if row == 3:
            session.add_volume(phantom(1).volume)
    assert autosave.flush(30)
    harmed = autosave.folder.with_name("harmed")
    shutil.copytree(autosave.folder, harmed)
    (harmed / ownership.OWNER).unlink()
    (path,) = harmed.glob("journal-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    opened = open_folder(harmed)
    assert "is damaged after" in opened.notes[0]
    copy_damaged_journal(opened)
    Autosave(opened.session, harmed, print, opened=opened).close()
    assert (harmed / f"{path.name}.damaged").read_bytes() == bytes(data)
    assert len(list((harmed / "images").iterdir())) == 2, "what it named is kept"
    for chunk in harmed.glob("work/*/ink/c/0/0/0"):
        chunk.write_bytes(b"x")
    opened = open_folder(harmed)
    assert "some of its labels cannot be read" in opened.notes[0]
    del sample


def test_a_round_that_cannot_be_read_today_comes_back(
    kept: tuple[Session, Autosave, list[SaveProblem]], sample: Sample
) -> None:
    session, autosave, _ = kept
    add_round(session, sample.truth)
    add_round(session, sample.truth)
    autosave.close()
    (away,) = autosave.folder.glob(f"rounds/{session.rounds[0].info.key}")
    away.rename(autosave.folder / "elsewhere")
    for _ in range(2):
        opened = open_folder(autosave.folder)
        assert [r.info.number for r in opened.session.rounds] == [2]
        assert opened.session.rounds.next_number == 3
        Autosave(opened.session, autosave.folder, print, opened=opened).close()
    (autosave.folder / "elsewhere").rename(away)
    again = load_session(autosave.folder)
    assert sorted(r.info.number for r in again.rounds) == [1, 2]


def test_labels_outlive_their_image(
    kept: tuple[Session, Autosave, list[SaveProblem]],
) -> None:
    session, autosave, _ = kept
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave.close()
    shutil.rmtree(autosave.folder / "images")
    opened = open_folder(autosave.folder)
    assert "not its image" in opened.notes[0]
    record = opened.session.records[NAME]
    assert record.ink.any()
    again = Autosave(opened.session, autosave.folder, print, opened=opened)
    again.close()
    assert not (autosave.folder / "images").exists(), "an empty image was stored"


def test_labels_that_were_not_copied_are_named(
    kept: tuple[Session, Autosave, list[SaveProblem]],
) -> None:
    session, autosave, _ = kept
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave.close()
    shutil.rmtree(autosave.folder / "work")
    with pytest.raises(InputError, match=f"labels of {NAME} are missing; copy"):
        open_folder(autosave.folder)


@pytest.mark.parametrize("memory", ["1 GB", "0 GB"], ids=["held", "mapped"])
def test_sessions_of_format_1_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, memory)
    monkeypatch.setenv(SCRATCH_VARIABLE, str(tmp_path))
    folder = tmp_path / "old"
    with zipfile.ZipFile(FIXTURES / "session-format-1.zip") as archive:
        archive.extractall(folder)
    opened = open_folder(folder)
    session = opened.session
    assert not opened.notes
    assert [c.name for c in session.classes] == ["liver", "spleen"]
    found = {
        n: (int(r.ink.sum()), int(r.rejected.sum())) for n, r in session.records.items()
    }
    assert found == {"one": (6, 0), "two": (48, 30)}
    assert session.records["one"].status.tolist() == [0, 2, 0, 0]
    assert session.rounds.current is not None
    assert session.threshold(1) == 0.8
    before = work_of(session)
    Autosave(session, folder, print, opened=opened).close()
    assert not (folder / "states").exists()
    assert_same(work_of(load_session(folder)), before)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"format": 3', '"format": 99', "update"),
        ('"journal": "', '"journal": "../../', "outside its folder"),
        ('"images": ["', '"images": ["/etc/', "outside its folder"),
        ('"work": "', '"work": "../', "outside its folder"),
        ('"axis": 0', '"axis": "x"', "axis"),
        ('"number": 0', '"number": 3', "no axis 3"),
        ('"shape": [', '"shape": [999999999', "are free"),
    ],
)
def test_hostile_indexes_are_refused(
    session: Session, tmp_path: Path, old: str, new: str, words: str
) -> None:
    folder = tmp_path / "session"
    painting.paint(session, NAME, box(session, 3, 0), 1)
    save_session(session, folder)
    index = folder / "session.json"
    text = index.read_text()
    assert old in text
    index.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=words):
        load_session(folder)


def test_links_are_not_followed(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "session"
    painting.paint(session, NAME, box(session, 3, 0), 1)
    save_session(session, folder)
    (chunk,) = folder.glob("work/*/ink/c/0/0/0")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    chunk.unlink()
    chunk.symlink_to(secret)
    with pytest.raises(InputError, match="is a link"):
        load_session(folder)
