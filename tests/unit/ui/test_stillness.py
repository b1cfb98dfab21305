"""The better answer waits while a person's hand moves, and not for ever."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.ui.live import controller, stillness
from napari_contrastseg.ui.live.controller import LiveController
from napari_contrastseg.ui.live.stillness import Stillness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

LONG = 10**6


class Better:
    """Stands for the better answer: notes what it was asked for and how far it is."""

    def __init__(self) -> None:
        self.begun = self.steps = 0

    def __call__(self, *_: Any) -> Iterator[None]:
        self.begun += 1
        while True:
            self.steps += 1
            time.sleep(0.001)
            yield None


@pytest.fixture
def better(monkeypatch: pytest.MonkeyPatch) -> Better:
    """Never ends."""
    made = Better()
    monkeypatch.setattr(controller, "answer_live", made)
    return made


@pytest.fixture
def live(workspace: Workspace, add: Add, sample: Sample) -> Iterator[LiveController]:
    """A controller that was asked for nothing yet."""
    made = LiveController(workspace)
    add(sample)
    workspace.session.add_class()
    yield made
    made.close()


def strokes(workspace: Workspace) -> None:
    """One of a class, one of background."""
    (record,) = workspace.session.records.values()
    for row, value in ((5, 1), (20, BACKGROUND)):
        where = np.zeros(record.volume.shape, bool)
        where[7, row] = True
        painting.paint(workspace.session, record.volume.id, where, value)


def press(workspace: Workspace) -> Iterator[SimpleNamespace]:
    """Hold the mouse's button as napari's canvas does: down, then let go at the end."""
    event = SimpleNamespace(type="mouse_press")
    drags = [
        drag(workspace.viewer, event)
        for drag in workspace.viewer.mouse_drag_callbacks
        if isinstance(getattr(drag, "__self__", None), Stillness)
    ]
    assert drags
    for drag in drags:
        next(drag)
    event.type = "mouse_move"
    for drag in drags:
        next(drag)
    yield event
    event.type = "mouse_release"
    for drag in drags:
        assert next(drag, "over") == "over"


def test_the_better_answer_begins_once_the_hand_rests(
    workspace: Workspace,
    live: LiveController,
    better: Better,
    qtbot: QtBot,
) -> None:
    live._patience.setInterval(LONG)
    held = press(workspace)
    next(held)
    strokes(workspace)
    qtbot.wait(3 * stillness.STILL_MS)
    assert better.begun == 0
    assert next(held, None) is None  # let go of
    qtbot.waitUntil(lambda: better.steps > 0, timeout=60_000)
    workspace.next_slice()
    assert live._runner.paused
    qtbot.waitUntil(lambda: not live._runner.paused, timeout=60_000)
    assert better.begun < 2, "it went on"


def test_it_waits_no_longer_than_a_person_would(
    workspace: Workspace, live: LiveController, better: Better, qtbot: QtBot
) -> None:
    live._hand._timer.setInterval(LONG)  # the hand never rests
    live._patience.setInterval(50)
    strokes(workspace)
    qtbot.waitUntil(lambda: better.steps > 0, timeout=60_000)
    workspace.next_slice()
    assert not live._runner.paused


def test_a_closed_viewer_is_heard_no_more(
    workspace: Workspace, live: LiveController
) -> None:
    live.close()
    owners = [
        getattr(drag, "__self__", None)
        for drag in workspace.viewer.mouse_drag_callbacks
    ]
    assert not any(isinstance(owner, Stillness) for owner in owners)
