"""A run shows in napari's activity dock, and its end is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from napari.resources import LOADING_GIF_PATH
from napari.utils import progress
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QLabel, QMainWindow, QWidget

from napari_contrastseg.ui.learn import activity as activity_module
from napari_contrastseg.ui.learn.activity import PARTS, RunActivity
from napari_contrastseg.ui.learn.panel_state import LearnState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


@pytest.fixture
def activity(qtbot: QtBot) -> Iterator[RunActivity]:
    """Made and closed."""
    del qtbot
    made = RunActivity()
    yield made
    made.close()


def bars() -> list[tuple[str, int]]:
    """Words and place of napari's bars."""
    return [(bar.desc.rstrip(": "), bar.n) for bar in progress._all_instances]


def running(fraction: float, stage: str = "fine-tune", message: str = "") -> LearnState:
    return LearnState(running=True, fraction=fraction, stage=stage, message=message)


def show(activity: RunActivity, *states: LearnState) -> None:
    """Show states, the time between two changes being over."""
    for state in states:
        activity.setState(state)
        activity.show()


def test_a_bar_follows_the_run_and_goes_with_it(
    activity: RunActivity, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bars() == []
    show(activity, running(0, "preparing"), running(0.2), running(0.2), running(0.5))
    assert bars() == [("ContrastSeg: fine-tune", PARTS // 2)]
    show(activity, running(0.4, message="stopping ..."))
    assert bars() == [("ContrastSeg: stopping ...", PARTS // 2)], "never backwards"
    show(activity, LearnState())
    assert bars() == []
    show(activity, running(0.1))
    assert bars() == [("ContrastSeg: fine-tune", PARTS // 10)], "of another run"
    activity.close()
    assert bars() == []
    assert capsys.readouterr().err == "", "nothing is printed"


def test_a_bar_comes_and_goes_by_itself(activity: RunActivity, qtbot: QtBot) -> None:
    activity.setState(running(0.3))
    assert bars() == [], "nothing happens where the state comes from"
    qtbot.waitUntil(lambda: bars() == [("ContrastSeg: fine-tune", 300)])
    activity.setState(LearnState())
    qtbot.waitUntil(lambda: bars() == [])


@pytest.mark.parametrize("after", ["new", "description", "value"])
def test_what_happens_while_the_bar_is_changed_does_no_harm(
    activity: RunActivity, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """napari handles other events then: the run may end, or the dock be closed."""
    name = {"new": "__init__", "description": "set_description", "value": "update"}
    made = getattr(progress, name[after])

    def change(bar: progress, *args: Any, **options: Any) -> None:
        made(bar, *args, **options)
        show(activity, LearnState())

    show(activity, *([] if after == "new" else [running(0.1, "pretrain")]))
    with monkeypatch.context() as patch:
        patch.setattr(progress, name[after], change)
        show(activity, running(0.7))
    assert bars() == []
    show(activity, running(0.2))
    assert bars() == [("ContrastSeg: fine-tune", 200)]


@pytest.mark.parametrize("by_software", [True, False])
def test_the_wheel_stands_still_where_each_turn_draws_the_window_by_software(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, *, by_software: bool
) -> None:
    monkeypatch.setattr(activity_module, "draws_with_llvm", lambda: by_software)
    window, wheel, dock = QMainWindow(), QLabel("in progress"), QWidget()
    qtbot.addWidget(window)
    window.setCentralWidget(dock)
    status = window.statusBar()
    assert status is not None
    status.addWidget(wheel)
    turning = QMovie(LOADING_GIF_PATH)
    wheel.setMovie(turning)
    turning.start()
    made = RunActivity(dock)
    show(made, running(0.2))
    still = turning.state() == QMovie.MovieState.Paused
    assert still == by_software
    made.close()
