"""bench leaks: a dock that stays is counted."""

from __future__ import annotations

import pytest
from napari.components import ViewerModel

from napari_contrastseg.bench.window.leaks import DOCKS, growth, look
from napari_contrastseg.ui.dock import ContrastSegWidget


@pytest.mark.usefixtures("qapp")
def test_a_dock_that_stays_is_seen_and_one_that_goes_is_not() -> None:
    before = look()
    dock = ContrastSegWidget(ViewerModel())
    DOCKS.add(dock)
    dock.shut_down()
    stays = growth(before, look())
    assert stays["docks"] == 1
    assert stays["top_level"] >= 1
    dock.deleteLater()
    del dock
    gone = growth(before, look())
    assert gone["docks"] == gone["top_level"] == 0
