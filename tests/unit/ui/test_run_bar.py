"""The bar of a round says what is done before anybody knows how much is left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_contrastseg.tasks.events import preparing
from napari_contrastseg.ui.learn import run_bar
from napari_contrastseg.ui.learn.panel_state import LearnState
from napari_contrastseg.ui.learn.run_bar import RunBar

if TYPE_CHECKING:
    import pytest
    from pytestqt.qtbot import QtBot


def test_what_is_prepared_is_said_with_the_seconds_that_it_has_taken(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_bar, "_TICK_MS", 20)
    bar = RunBar()
    qtbot.addWidget(bar)
    begun = LearnState(None, running=True, stage=preparing("loading PyTorch").stage)
    bar.setValue(begun)
    assert bar.text.text() == "preparing: loading PyTorch, 0 s"
    bar._since -= 30  # as if it had begun then
    qtbot.waitUntil(lambda: "PyTorch, 30 s" in bar.text.text(), timeout=5000)
    bar.setValue(replace(begun, stage="fine-tune", fraction=0.1))
    assert bar.text.text() == "fine-tune: 10 %"
    bar.setValue(replace(begun, message="stopping ..."))
    assert bar.text.text() == "stopping ..."
