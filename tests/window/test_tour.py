"""The tour leads to a mask, once; Help opens where one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.io.images import read_labels
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.tour import memory
from tests.kit.window import wait_idle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer


@pytest.fixture
def shown(make_napari_viewer: Callable[..., Any]) -> tuple[Any, Any]:
    """A viewer that is seen, with the dock of a person who is new here."""
    memory._mark().unlink()
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    return viewer, widget


def test_the_tour_ends_with_a_mask_and_is_not_offered_again(
    shown: tuple[Any, Any], qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, widget = shown
    tour, bar = widget.tour, widget.tour.bar

    def at(number: int) -> None:
        qtbot.waitUntil(lambda: bar.text.text().startswith(f"<b>{number} of 6"))

    assert bar.isVisible()
    bar.start.click()
    at(1)
    bar.sample.click()
    at(2)
    qtbot.waitUntil(tour._frame.isVisible)
    frame, button = tour._frame.geometry(), widget.data.add
    window = viewer.window._qt_window
    assert frame.contains(button.mapTo(window, button.rect().center()))
    button.click()
    at(3)
    (name,) = widget.workspace.session.records
    truth = phantom(1, (24, 96, 96)).truth == 1
    for index in (10, 13):
        where = np.zeros(truth.shape, bool)
        where[index] = truth[index]
        painting.paint(widget.workspace.session, name, where, 1)
        painting.mark(widget.workspace.session, name, index, Status.DONE)
    at(4)
    assert widget.learn.value().minutes == 0.5
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    at(5)
    assert widget.learn.value().minutes == 2, "the person's own again"
    widget.workspace.go_to(12)
    widget.review_bar.accept.click()
    at(6)
    export = widget.further["Export"]
    export.panel.setValue(ExportSettings(tmp_path / "out"))
    export.panel.run.click()
    qtbot.waitUntil(lambda: "That is all" in bar.text.text(), timeout=60_000)
    (mask,) = (tmp_path / "out").glob("*.nii.gz")
    assert (np.asarray(read_labels(mask).data[0]) == 1).any()
    assert not tour._frame.isVisible()
    bar.leave.click()
    assert not bar.isVisible()
    assert memory.was_offered()
    widget.shut_down()
