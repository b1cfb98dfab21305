"""The live map in the real window."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QDockWidget

from napari_contrastseg.bench.samples import phantom
from napari_contrastseg.ui.image_layers import layer_for
from napari_contrastseg.ui.panels.learn_panel import LearnSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer


@pytest.fixture
def training(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> Iterator[Any]:
    """The dock while a network learns a phantom, looked at often."""
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-contrastseg", "ContrastSeg"
    )
    sample = phantom(1)
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    for _ in range(2):
        widget.controller.add_class()
    mask = viewer.add_labels(sample.truth, name="mine")
    widget.controller.take_mask(mask, all_done=True)
    widget.runs.watch = replace(widget.runs.watch, seconds=0.1, count=120)
    widget.runs.start("fine-tune", LearnSettings("supervised", minutes=5))
    qtbot.waitUntil(lambda: "look" in widget.embedding.text.text(), timeout=180_000)
    yield widget
    widget.shut_down()
    assert not map_threads()


def map_threads() -> list[threading.Thread]:
    """Threads of maps that are still there."""
    return [t for t in threading.enumerate() if t.name == "contrastseg-map"]


def points(widget: Any) -> np.ndarray:
    """Where the points are drawn, (n, 2)."""
    drawn = [item.getData() for item, _ in widget.embedding._items]
    return np.concatenate([np.stack([x, y], axis=1) for x, y in drawn if x is not None])


def test_the_map_comes_by_itself_and_moves(training: Any, qtbot: QtBot) -> None:
    """Frames arrive while the network learns; in the end the round's map stands."""
    assert isinstance(training.embedding.parentWidget(), QDockWidget)
    before = points(training)
    assert len(before) == 120
    items = list(training.embedding._items)
    qtbot.waitUntil(
        lambda: not np.array_equal(points(training), before), timeout=180_000
    )
    assert training.embedding._items == items, "points are moved, not drawn anew"
    looks = "look 1:"
    qtbot.waitUntil(
        lambda: looks not in training.embedding.text.text(), timeout=180_000
    )
    training.runs.cancel()
    qtbot.waitUntil(lambda: not training.runs.state.running, timeout=180_000)
    assert "round 1" in training.embedding.text.text()
    shown = points(training)
    qtbot.wait(200)
    assert np.array_equal(points(training), shown), "no late frame comes"
    qtbot.waitUntil(lambda: not map_threads(), timeout=180_000)


def test_nobody_looks_nothing_is_laid_out(training: Any, qtbot: QtBot) -> None:
    """A dock that is hidden ends its map; shown again, the map comes back."""
    training.embedding.parentWidget().hide()
    assert not training.live.is_wanted()
    qtbot.waitUntil(lambda: not map_threads(), timeout=180_000)
    text = training.embedding.text.text()
    qtbot.wait(300)
    assert training.embedding.text.text() == text
    training.embedding.parentWidget().show()
    qtbot.waitUntil(lambda: training.embedding.text.text() != text, timeout=180_000)
