"""The tour is offered once, and its steps can be skipped; Help opens where one is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QUrl

from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.shortcuts import DOCKS
from napari_contrastseg.ui.tour import memory
from napari_contrastseg.ui.tour.steps import STEPS
from tests.kit.window import dock_without_window

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("qapp")
def test_who_wants_no_tour_is_not_asked_again() -> None:
    memory._mark().unlink()
    with dock_without_window() as (_, widget):
        assert not widget.tour.bar.isHidden()
        widget.tour.bar.leave.click()
        assert widget.tour.bar.isHidden()
    with dock_without_window() as (_, second):
        assert second.tour.bar.isHidden()


def test_who_wants_the_tour_after_all_finds_it_under_help(
    docked: tuple[Any, Any],
) -> None:
    _, widget = docked
    widget.header.help.click()
    assert widget.tabs.isHidden()
    widget.tour_button.click()
    assert "1 of 6" in widget.tour.bar.text.text()
    assert not widget.tabs.isHidden(), "its controls are in the steps"
    widget.tour.bar.leave.click()
    DOCKS.run(widget.viewer, "tour")
    assert "1 of 6" in widget.tour.bar.text.text()


def test_steps_can_be_skipped_and_those_without_a_control_are(
    docked: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, widget = docked
    monkeypatch.delattr(widget.review_bar, "accept")
    bar = widget.tour.bar
    bar.start.click()
    seen = []
    while "That is all" not in bar.text.text():
        seen.append(int(bar.text.text().removeprefix("<b>")[0]))
        bar.skip.click()
    assert seen == [1, 2, 3, 4, 6]
    assert len(STEPS) == 6


def test_help_opens_the_tutorial_at_the_step(
    docked: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, widget = docked
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


def test_the_mask_is_exported_once_its_file_is_whole(tmp_path: Path) -> None:
    """While it is written there is a part of it, under another name."""
    (tmp_path / ".mask-part.nii.gz").write_bytes(b"")
    runner = SimpleNamespace(running=True)
    panel = SimpleNamespace(value=lambda: ExportSettings(tmp_path))
    dock = SimpleNamespace(
        further={"Export": SimpleNamespace(panel=panel, runner=runner)}
    )
    exported = STEPS[-1].done
    assert not exported(dock, 0.0)
    runner.running = False
    assert exported(dock, 0.0)
