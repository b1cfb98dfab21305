"""The dock on napari's model of a viewer: panels change what differs, and no more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.class_table import ClassTable
from napari_contrastseg.ui.data.header import HeaderPanel
from napari_contrastseg.ui.data.panel import DataPanel
from napari_contrastseg.ui.data.slice_strip import SliceStrip
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.embedding.round_embedding import RoundMap
from napari_contrastseg.ui.learn.panel import LearnPanel
from napari_contrastseg.ui.learn.recipe_box import RecipeBox
from napari_contrastseg.ui.learn.run_bar import RunBar
from napari_contrastseg.ui.review.panel import ReviewPanel
from napari_contrastseg.ui.review.review_bar import ReviewBar
from napari_contrastseg.ui.viewer.image_layers import layer_for
from napari_contrastseg.ui.widgets.column import Column
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

NAME = "phantom_000"


@pytest.fixture
def dock(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[ContrastSegWidget]:
    """The dock with two volumes, two classes, and a round without a map."""
    monkeypatch.setattr(RoundMap, "show", lambda _self: None)
    viewer = ViewerModel()
    made = ContrastSegWidget(viewer)
    qtbot.addWidget(made)
    for number in (0, 1):
        image, about, _ = layer_for(phantom(number).volume)
        viewer.add_image(image, **about)
        made.data.add.click()
    made.class_controller.add_class()
    made.workspace.choose_volume(NAME)
    add_round(made.workspace.session, phantom(0).truth)
    yield made
    made.shut_down()


class Counter:
    """Counts calls of functions, which go on as they were."""

    def __init__(self, patch: pytest.MonkeyPatch, *names: tuple[Any, str]) -> None:
        self.calls: list[str] = []
        for owner, name in names:
            patch.setattr(owner, name, self._counted(name, getattr(owner, name)))

    def _counted(self, name: str, function: Any) -> Any:
        def counted(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            return function(*args, **options)

        return counted


def test_no_style_of_a_whole_step_is_set_in_the_dock(dock: ContrastSegWidget) -> None:
    """Qt would polish each part of the steps once more: as long as all else."""
    assert not [area for area in dock.findChildren(Column) if area.styleSheet()]
    assert not dock.tabs.styleSheet()


def test_a_step_through_slices_changes_the_slice_alone(
    dock: ContrastSegWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = dict(dock.data.classes._rows)
    form = dock.learn.more.content()
    counter = Counter(
        monkeypatch,
        (review, "slices_to_review"),
        (ClassTable, "_place"),
        (RecipeBox, "_fill"),
        (SliceStrip, "setValue"),
        (DataPanel, "setValue"),
        (HeaderPanel, "setValue"),
        (RunBar, "setValue"),
        (ReviewBar, "setValue"),
        (LearnPanel, "setState"),
        (ReviewPanel, "setValue"),
    )
    dock.workspace.go_to(3)
    dock.workspace.next_slice()
    assert counter.calls == []
    assert dock.header.slice_text.text().startswith("slice 4: untouched")
    assert dock.data.value().current == 4
    assert dock.data.classes._rows == rows
    assert dock.learn.more.content() is form


def test_a_stroke_rebuilds_neither_the_classes_nor_the_buttons(
    dock: ContrastSegWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter(
        monkeypatch,
        (ClassTable, "_place"),
        (RecipeBox, "_fill"),
        (DataPanel, "_enable"),
    )
    where = np.zeros((16, 40, 40), bool)
    where[3, 4, 5] = True
    dock.workspace.go_to(3)
    painting.paint(dock.workspace.session, NAME, where, 1)
    assert counter.calls == []
    assert dock.header.slice_text.text().startswith("slice 3: sparse")
    assert dock.header.strip.value()[3] == Status.SPARSE
    assert dock.run_bar.run.isEnabled()
    assert dock.review_bar.undo.isEnabled()
    dock.class_controller.add_class()
    assert counter.calls == ["_place"]


def test_a_lock_is_shown_for_the_slice_it_is_of(dock: ContrastSegWidget) -> None:
    dock.workspace.go_to(3)
    dock.data.lock.click()
    assert dock.data.lock.isChecked()
    dock.workspace.go_to(4)
    assert not dock.data.lock.isChecked()
    dock.workspace.go_to(3)
    assert dock.data.lock.isChecked()


def test_a_choice_that_is_refused_is_taken_back(dock: ContrastSegWidget) -> None:
    dock.data_controller.toggle_done()
    box, before = dock.data.axis, dock.data.axis.currentIndex()
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert "press New" in str(notification_manager.records[-1].message)
    assert box.currentIndex() == before == 3
    dock.workspace.viewer.layers.clear()
    dock.data.origin.click()
    assert "none of its layers is open" in str(notification_manager.records[-1].message)
    assert not dock.data.origin.isChecked()


def test_another_volume_brings_its_slices(dock: ContrastSegWidget) -> None:
    dock.workspace.go_to(3)
    dock.data_controller.toggle_done()
    assert dock.header.strip.value()[3] == Status.DONE
    assert dock.header.done.text().startswith("Not done")
    dock.header.volume.activated.emit(1)
    assert dock.header.volume.currentText() == "phantom_001"
    assert not dock.header.strip.value().any()
    assert dock.header.done.text().startswith("Mark done")
    before = dock.review.counts.text()
    dock.data_controller.toggle_done()
    assert dock.review.counts.text() != before
    dock.session_controller.begin_new()
    dock.workspace.work.finish()
    assert dock.data.count.text() == ""
    assert not dock.header.done.isEnabled()
    assert not dock.review_bar.next.isEnabled()
    assert not dock.run_bar.run.isEnabled()


def test_a_step_is_closed_with_the_dock(
    dock: ContrastSegWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    for title, step in dock.further.items():
        monkeypatch.setattr(step, "close", partial(closed.append, title))
    dock.shut_down()
    dock.shut_down()
    assert closed == ["Tools", "Smart tools", "Export"]


def test_a_new_session_shows_nothing_of_the_one_before(
    dock: ContrastSegWidget, qtbot: QtBot
) -> None:
    dock.learn.curves.add_point("fine-tune", 1.0, 0.5)
    dock.header.show_new_map(True)
    dock.tabs.show_step("Data")
    dock.tabs.mark("Learn", "a round can be run")
    dock.data_controller.toggle_done()
    assert dock.header.done.text().startswith("Not done")
    dock.session_controller.flush()
    kept = str(dock.session_controller.folder)
    dock.session_controller.begin_new()
    qtbot.waitUntil(lambda: not dock.workspace.session.records, timeout=20_000)
    assert not dock.tabs.marked("Learn")
    assert dock.header.map_button.text() == "Map"
    assert dock.header.done.text().startswith("Mark done")
    assert not dock.learn.curves.plot.plotItem.titleLabel.isVisible()
    assert dock.session_controller.recent == (kept,), "it can be opened again"
