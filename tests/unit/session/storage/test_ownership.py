"""One process writes to a session; a dead one leaves it."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage import journal as journals
from napari_contrastseg.session.storage import ownership
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import load_session, open_folder
from napari_contrastseg.session.storage.locations import new_folder
from napari_contrastseg.session.storage.ownership import InUseError
from napari_contrastseg.session.storage.recovery import lost_sessions
from napari_contrastseg.session.storage.snapshot import save_session
from tests.kit.sessions import NAME, box
from tests.kit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.storage.save_status import SaveProblem


def test_one_process_writes(kept: tuple[Session, Autosave, list[SaveProblem]]) -> None:
    session, autosave, said = kept
    autosave.flush()
    with pytest.raises(InUseError, match="open in another window"):
        Autosave(Session(), autosave.folder, print)
    with pytest.raises(InUseError):
        ownership.refuse_owned(autosave.folder)
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave.flush()
    owner = ownership.claim(autosave.folder, take_over=True)
    back = open_folder(autosave.folder)
    theirs = Autosave(back.session, autosave.folder, print, opened=back, owner=owner)
    painting.paint(session, NAME, box(session, 4, 0), 1)
    assert not autosave.flush(20)
    assert autosave.stopped
    assert said[-1].taken_over
    assert theirs.close()
    assert not load_session(autosave.folder).records[NAME].ink[4].any()
    assert ownership.owner_of(autosave.folder) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("[]", ""),
        ('{"token": "x", "pid": -1, "host": "HERE", "started": 0, "beat": 0}', ""),
        (
            '{"token": "x", "pid": 1, "host": "", "started": 0, "beat": NOW}',
            "on another machine",
        ),
    ],
)
def test_a_strange_owner_is_no_traceback(
    session: Session, tmp_path: Path, text: str, words: str
) -> None:
    save_session(session, tmp_path)
    text = text.replace("HERE", ownership.this_host()).replace("NOW", str(time.time()))
    (tmp_path / ownership.OWNER).write_text(text)
    if words:
        with pytest.raises(InUseError, match=words):
            ownership.claim(tmp_path)
    ownership.release(tmp_path, ownership.claim(tmp_path, take_over=bool(words)))
    assert ownership.owner_of(tmp_path) is None


def test_a_dead_owner_leaves_its_session(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRASTSEG_HOME", str(tmp_path / "home"))
    folder = new_folder(NAME)
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave = Autosave(session, folder, print)
    autosave.flush()
    assert not lost_sessions(), "it is open, not lost"
    mine = ownership.owner_of(folder)
    assert mine is not None
    dead = folder.with_name("dead")
    shutil.copytree(folder, dead)
    text = (dead / ownership.OWNER).read_text()
    (dead / ownership.OWNER).write_text(text.replace(f'"pid": {mine.pid}', '"pid": 1'))
    autosave.close()
    (lost,) = lost_sessions()
    assert lost.folder == dead
    assert NAME in lost.holds
    assert "3 changes" in lost.holds  # two classes and a stroke
    again = Autosave(load_session(dead), dead, print)
    again.close()
    assert not lost_sessions()


def test_two_writers_leave_one_session_whole(
    kept: tuple[Session, Autosave, list[SaveProblem]], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, autosave, said = kept
    autosave.flush()
    theirs: list[Autosave] = []
    write = journals.JournalFile.append

    def slowly(journal: journals.JournalFile, *words: Any) -> None:
        write(journal, *words)
        if not theirs:  # they take over while our snapshot is being written
            monkeypatch.undo()
            owner = ownership.claim(autosave.folder, take_over=True)
            back = open_folder(autosave.folder)
            theirs.append(
                Autosave(back.session, autosave.folder, print, opened=back, owner=owner)
            )
            theirs[0].flush(20)

    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave.flush()
    monkeypatch.setattr(journals.JournalFile, "append", slowly)
    autosave._snapshot()
    assert not autosave.flush(20)
    until(lambda: bool(said))  # the autosave thread reports it in its own time
    assert said[-1].taken_over
    painting.paint(theirs[0]._session, NAME, box(session, 4, 0), 1)
    assert theirs[0].close()
    back = open_folder(autosave.folder)
    assert not back.notes
    assert back.session.records[NAME].ink[4].any()
