"""Sessions in folders that a person chose are offered after a crash, too."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.session import painting
from napari_contrastseg.session.storage import ownership
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.locations import point_to
from napari_contrastseg.session.storage.recovery import lost_sessions
from tests.kit.sessions import NAME, box

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.session import Session


@pytest.fixture
def chosen(session: Session, tmp_path: Path) -> Path:
    """A folder that a killed program left, and that a pointer leads to."""
    painting.paint(session, NAME, box(session, 3, 0), 1)
    autosave = Autosave(session, tmp_path / "open", print)
    autosave.flush()
    mine = ownership.owner_of(tmp_path / "open")
    assert mine is not None
    left = tmp_path / "usb disk" / "left"
    shutil.copytree(tmp_path / "open", left)
    autosave.close()
    text = (left / ownership.OWNER).read_text()
    (left / ownership.OWNER).write_text(text.replace(f'"pid": {mine.pid}', '"pid": 1'))
    return left


def test_a_session_in_a_chosen_folder_is_found(chosen: Path) -> None:
    assert not lost_sessions()
    point_to(chosen)
    (lost,) = lost_sessions()
    assert lost.folder == chosen
    (chosen / ownership.OWNER).touch()  # a mark that it is used changes nothing
    assert lost_sessions() == [lost]


def test_a_pointer_to_a_session_that_was_closed_is_deleted(chosen: Path) -> None:
    pointer = point_to(chosen)
    assert pointer is not None
    (chosen / ownership.OWNER).unlink()
    assert not lost_sessions()
    assert not pointer.exists()


def test_a_disk_that_is_away_keeps_its_pointer(chosen: Path) -> None:
    pointer = point_to(chosen)
    assert pointer is not None
    chosen.parent.rename(chosen.parent.with_name("away"))
    assert not lost_sessions()
    assert pointer.exists()
    chosen.parent.with_name("away").rename(chosen.parent)
    assert [lost.folder for lost in lost_sessions()] == [chosen]


def test_damaged_sessions_and_pointers_are_passed_over(
    chosen: Path, tmp_path: Path
) -> None:
    point_to(chosen)
    broken = point_to(tmp_path / "other")
    assert broken is not None
    broken.write_text("{")
    (chosen / "session.json").write_text("{")
    assert not lost_sessions()
