"""A run shows in napari's activity dock, and its end is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napari.utils import progress

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


def test_a_bar_follows_the_run_and_goes_with_it(
    activity: RunActivity, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bars() == []
    for state in (running(0, "preparing"), running(0.2), running(0.2), running(0.5)):
        activity.setState(state)
    assert bars() == [("ContrastSeg: fine-tune", PARTS // 2)]
    activity.setState(running(0.4, message="stopping ..."))
    assert bars() == [("ContrastSeg: stopping ...", PARTS // 2)], "never backwards"
    activity.setState(LearnState())
    assert bars() == []
    activity.setState(running(0.1))
    assert bars() == [("ContrastSeg: fine-tune", PARTS // 10)], "of another run"
    activity.close()
    assert bars() == []
    assert capsys.readouterr().err == "", "nothing is printed"
