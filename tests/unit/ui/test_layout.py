"""Controls of the dock say what they do, and why they are disabled; steps as tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QGuiApplication
from qtpy.QtWidgets import QPushButton

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.embedding.dock import EmbeddingView
from napari_contrastseg.ui.embedding.round_embedding import RoundMap
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.dock_controls import controls, name_of, open_everything
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

NAME = "phantom_000"


@pytest.fixture
def dock(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[ContrastSegWidget]:
    """The dock of an empty viewer; maps of rounds are not made."""
    monkeypatch.setattr(RoundMap, "show", lambda _self: None)
    made = ContrastSegWidget(ViewerModel())
    qtbot.addWidget(made)
    yield made
    made.shut_down()


def add_volume(dock: ContrastSegWidget) -> None:
    image, about, _ = layer_for(phantom(0).volume)
    dock.workspace.viewer.add_image(image, **about)
    dock.data.add.click()


def paint(dock: ContrastSegWidget) -> None:
    where = np.zeros(phantom(0).volume.shape, bool)
    where[3, 4, 5] = True
    painting.paint(dock.workspace.session, NAME, where, 1)


def end_round(dock: ContrastSegWidget) -> None:
    add_round(dock.workspace.session, phantom(0).truth)
    dock.learn_controller.ended.emit()


def test_every_control_says_what_it_does(dock: ContrastSegWidget) -> None:
    add_volume(dock)
    open_everything(dock)
    found = list(controls(dock, dock.embedding))
    assert len(found) > 80
    assert [name_of(w) for w in found if not w.toolTip()] == []
    assert [
        (type(w).__name__, w.toolTip()) for w in found if not w.accessibleName()
    ] == []
    for tabs in (dock.tabs, dock.embedding.tabs):
        assert all(tabs.tabToolTip(i) for i in range(tabs.count()))


def test_what_is_disabled_says_why(dock: ContrastSegWidget) -> None:
    found = list(controls(dock, dock.embedding))
    disabled = [w for w in found if not w.isEnabled() and isinstance(w, QPushButton)]
    assert len(disabled) > 10
    assert [name_of(w) for w in disabled if w.toolTip() == w.property("tip")] == []


def test_a_class_with_ink_brings_learn_and_a_round_brings_review(
    dock: ContrastSegWidget, qtbot: QtBot
) -> None:
    add_volume(dock)
    paint(dock)
    qtbot.waitUntil(lambda: dock.tabs.marked("Learn"))
    assert dock.tabs.shown == "Data", "the hand is still at it"
    dock._follow.close()  # the hand rests
    end_round(dock)
    assert dock.tabs.shown == "Review"
    dock.tabs.show_step("Learn")
    assert not dock.tabs.marked("Learn"), "it was seen"
    dock.session_controller.begin_new()
    dock.workspace.work.finish()
    assert dock.tabs.shown == "Data"


@pytest.mark.parametrize("how", ["painting", "dragging", "typing"])
def test_a_round_does_not_take_the_tab_from_who_is_busy(
    dock: ContrastSegWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    add_volume(dock)
    dock.tabs.show_step("Export")
    paint(dock)
    if how != "painting":
        dock._follow.close()
    if how == "dragging":
        held = Qt.MouseButton.LeftButton
        monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: held)
    if how == "typing":
        dock.tabs.show_step("Data")
        dock.show()
        qtbot.waitExposed(dock)
        dock.activateWindow()
        dock.data.classes.name_edit(1).setFocus()
        qtbot.waitUntil(dock.data.classes.name_edit(1).hasFocus)
    shown = dock.tabs.shown
    end_round(dock)
    assert dock.tabs.shown == shown
    assert dock.tabs.marked("Review")


def test_a_new_map_is_said_at_its_button_and_opens_nothing(
    dock: ContrastSegWidget, qtbot: QtBot
) -> None:
    dock.live.framed.disconnect(dock.embedding_controller.add)
    button = dock.header.map_button
    assert "*" not in button.text()
    dock.live.framed.emit(object(), False)
    assert "*" in button.text()
    assert dock.embedding.parentWidget() is None
    with qtbot.waitExposed(dock.embedding):
        dock.embedding.show()
    assert "*" not in button.text()
    dock.embedding.hide()


@pytest.mark.parametrize(
    ("ground", "words"), [("#262930", "#f0f1f2"), ("#efebe9", "#3b3a39")]
)
def test_the_legend_of_the_map_is_seen_on_its_background(
    qtbot: QtBot, ground: str, words: str
) -> None:
    view = EmbeddingView()
    qtbot.addWidget(view)
    view.map.plot([0.0], [0.0], name="before")
    view.apply_theme(ground, words)
    view.map.plot([0.0], [0.0], name="after")
    shown = [label.item.toHtml() for _, label in view.map.legend.items]
    colours: list[Any] = [QColor(html.split("color:")[1][:7]).name() for html in shown]
    assert colours == [words, words]
    behind = view.map.legend.brush().color()
    assert behind.name() == ground
    assert behind.alpha() > 128, "points under it do not make it unreadable"
