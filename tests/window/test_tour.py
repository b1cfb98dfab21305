"""The tour leads to a mask, once; Help opens where one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QUrl

from napari_contrastseg.io.images import read_labels
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.tour import memory
from napari_contrastseg.ui.tour.steps import STEPS
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


def test_who_wants_no_tour_is_not_asked_again(
    shown: tuple[Any, Any], make_napari_viewer: Callable[..., Any]
) -> None:
    _, widget = shown
    widget.tour.bar.leave.click()
    assert not widget.tour.bar.isVisible()
    widget.shut_down()
    other = make_napari_viewer(show=True)
    _, second = other.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    assert not second.tour.bar.isVisible()
    second.shut_down()


def test_steps_can_be_skipped_and_those_without_a_control_are(
    shown: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, widget = shown
    monkeypatch.delattr(widget.review_bar, "accept")
    bar = widget.tour.bar
    bar.start.click()
    seen = []
    while "That is all" not in bar.text.text():
        seen.append(int(bar.text.text().removeprefix("<b>")[0]))
        bar.skip.click()
    assert seen == [1, 2, 3, 4, 6]
    assert len(STEPS) == 6
    widget.shut_down()


def test_help_opens_the_tutorial_at_the_step(
    window: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, widget = window
    pages = widget.help_pages

    def section() -> str:
        return str(pages.window.textCursor().block().text())

    widget.help_button.click()
    assert section() == "1. Data", "there is no volume yet"
    assert "Tutorial" in pages.window.toPlainText()
    for title, wanted in (("Export", "4. Export"), ("Learn", "2. Learn")):
        widget.tabs.show_step(title)
        widget.help_button.click()
        assert section() == wanted
    pages.window.anchorClicked.emit(QUrl("review.md#accept-and-reject"))
    assert section() == "Accept and reject"
    back = pages.window.toMarkdown().split("](")[1].split(")")[0]
    pages.window.anchorClicked.emit(QUrl(back))
    assert "Tutorial: a first mask" in pages.window.toPlainText()
    pages.window.anchorClicked.emit(QUrl("nowhere.md"))
    assert pages.window.page.name == "tutorial.md"
