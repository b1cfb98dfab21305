"""The window says that a person is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint
from qtpy.QtGui import QCursor

from napari_contrastseg.learning.runtime import cores
from napari_contrastseg.ui.live import person
from napari_contrastseg.ui.live.person import PersonWatch

if TYPE_CHECKING:
    import pytest
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.ui.workspace import Workspace


def test_turning_slices_and_moving_the_mouse_keep_a_core_free(
    workspace: Workspace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody = cores.Person()
    monkeypatch.setattr(person, "PERSON", somebody)
    places = [QPoint(1, 1)]
    monkeypatch.setattr(QCursor, "pos", lambda: places[-1])
    watch = PersonWatch(workspace)
    qtbot.wait(2 * person.LOOK_MS)
    assert not somebody.is_there
    places.append(QPoint(5, 5))
    qtbot.waitUntil(lambda: somebody.is_there)
    watch.close()

    other = cores.Person()
    monkeypatch.setattr(person, "PERSON", other)
    workspace.slice_changed.emit()
    assert other.is_there
