"""Controls of the dock say what they do, and why they are disabled; steps as tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QGuiApplication, QKeyEvent, QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QPushButton,
)

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


@pytest.mark.parametrize("key", [Qt.Key.Key_A, Qt.Key.Key_Period])
def test_keys_for_the_image_pass_over_boxes_to_choose_from(
    dock: ContrastSegWidget, key: Qt.Key
) -> None:
    """A letter is the beginning of a choice to Qt, and is never handed on."""
    add_volume(dock)
    open_everything(dock)
    boxes = [w for w in controls(dock, dock.embedding) if isinstance(w, QComboBox)]
    assert len(boxes) > 10
    for box in boxes:
        before = box.currentIndex()
        press = QKeyEvent(
            QKeyEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier, "a"
        )
        QApplication.sendEvent(box, press)
        assert not press.isAccepted(), name_of(box)
        assert box.currentIndex() == before


def test_the_wheel_scrolls_the_page_and_changes_nothing(
    dock: ContrastSegWidget,
) -> None:
    add_volume(dock)
    open_everything(dock)
    kinds = (QComboBox, QAbstractSpinBox, QAbstractSlider)
    found = [w for w in controls(dock, dock.embedding) if isinstance(w, kinds)]
    assert len(found) > 20
    for control in found:
        centre = control.rect().center()
        turn = QWheelEvent(
            QPointF(centre),
            QPointF(control.mapToGlobal(centre)),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(control, turn)
        assert not turn.isAccepted(), name_of(control)
        assert control.focusPolicy() != Qt.FocusPolicy.WheelFocus, name_of(control)


def test_a_button_that_is_disabled_hands_the_keyboard_to_no_other_control(
    dock: ContrastSegWidget, qtbot: QtBot
) -> None:
    """After *add volume* the keys are the window's."""
    with qtbot.waitExposed(dock):
        dock.show()
    dock.activateWindow()
    dock.data.add.setFocus()
    image, about, _ = layer_for(phantom(0).volume)
    dock.workspace.viewer.add_image(image, **about)
    dock.data.add.setFocus()
    dock.data.add.click()
    assert not dock.data.add.isEnabled()
    assert dock.focusWidget() in (None, dock.data.add)


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
