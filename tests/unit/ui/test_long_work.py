"""Long work: off the window's thread, one at a time, cancelled, never half taken."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import step_of, went_on
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.long_work import LongWork
from napari_contrastseg.ui.widgets.work_bar import (
    SHOWN_AFTER_MS,
    WorkBar,
    WorkState,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


@pytest.fixture
def work(qapp: object) -> Iterator[LongWork]:
    del qapp
    made = LongWork()
    yield made
    made.close()


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def test_it_is_done_in_another_thread_and_says_how_far_it_is(
    work: LongWork, qtbot: QtBot
) -> None:
    found: list[Any] = []
    shown: list[WorkState | None] = []
    work.shown.connect(shown.append)

    def read() -> int:
        with step_of(1, 2):
            went_on(0.5)
        return threading.get_ident()

    work.begin("Reading", read, found.append)
    qtbot.waitUntil(lambda: bool(found), timeout=60_000)
    assert found[0] != threading.get_ident()
    assert WorkState("Reading", 0.5) in shown, "half of it is done"
    assert shown[-1] is None


def test_nothing_else_begins_and_nothing_is_changed_meanwhile(work: LongWork) -> None:
    go, session = threading.Event(), Session()
    work.begin("Reading heart", go.wait, lambda _: None, holding=session)
    with pytest.raises(InputError, match="Reading heart is under way; wait for it"):
        work.begin("Another", go.wait, lambda _: None)
    with pytest.raises(InputError, match="Reading heart is under way"):
        session.add_class()
    go.set()
    work.finish()
    assert session.add_class() == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("heart.nii: is empty."), "heart.nii: is empty."),
        (PermissionError(13, "Permission denied", "/heart"), "choose another place"),
        (ZeroDivisionError(), "Something went wrong that should not"),
    ],
)
def test_why_it_failed_is_said_in_a_sentence(
    work: LongWork, error: Exception, words: str
) -> None:
    def fail() -> None:
        raise error

    work.begin("Reading", fail, pytest.fail)
    work.finish()
    assert words in said()
    assert work.now is None


def test_a_window_that_closes_lets_go_of_what_came(work: LongWork) -> None:
    went: list[str] = []
    session = Session()
    work.begin(
        "Reading", lambda: "heart", pytest.fail, discard=went.append, holding=session
    )
    work.close()
    assert went == ["heart"]
    assert not session.held


def test_what_came_is_not_shown_in_the_middle_of_a_stroke(
    work: LongWork, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: pressed[-1])
    found: list[int] = []
    work.begin("Reading", lambda: 1, found.append)
    qtbot.wait(300)
    assert not found
    pressed.append(Qt.MouseButton.NoButton)
    qtbot.waitUntil(lambda: found == [1], timeout=60_000)


def test_who_closes_the_window_does_not_wait_for_a_stroke(
    work: LongWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end would not be heard, and the wait never be over."""
    pressed = Qt.MouseButton.LeftButton
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: pressed)
    found: list[int] = []
    work.begin("Saving", lambda: 1, found.append)
    work.finish()
    assert found == [1]


def test_what_comes_of_it_may_be_refused_and_the_next_begins(work: LongWork) -> None:
    def refuse(_made: int) -> None:
        raise InputError("It does not fit.")

    work.begin("Reading", lambda: 1, refuse)
    work.finish()
    assert said() == "It does not fit."
    found: list[int] = []
    work.begin("Reading", lambda: 2, found.append)
    work.finish()
    assert found == [2]


def test_the_bar_is_hidden_where_work_is_over_at_once(qtbot: QtBot) -> None:
    bar = WorkBar()
    qtbot.addWidget(bar)
    bar.setValue(WorkState("Opening heart"))
    bar.setValue(None)
    qtbot.wait(SHOWN_AFTER_MS + 100)
    assert bar.isHidden()
    bar.setValue(WorkState("Opening heart"))
    assert bar.bar.maximum() == 0, "nobody knows how far it is"
    bar.setValue(WorkState("Opening heart", 0.25))
    qtbot.waitUntil(bar.isVisible)
    assert bar.text.text() == "Opening heart"
    assert bar.bar.value() / bar.bar.maximum() == 0.25
    with qtbot.waitSignal(bar.cancel_requested):
        bar.cancel.click()
    bar.setValue(WorkState("Opening heart: cancelled, ends soon", ends=True))
    assert not bar.cancel.isEnabled()
    bar.setValue(None)
    assert bar.isHidden()
