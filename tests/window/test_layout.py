"""The window on a laptop's screen: least sizes, no scrolling, no words that are cut."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QApplication,
    QFormLayout,
    QStyle,
    QStyleOptionComboBox,
    QWidget,
)

from napari_contrastseg.ui import low_screen
from napari_contrastseg.ui.embedding.round_embedding import RoundMap
from napari_contrastseg.ui.learn.panel_state import LearnState
from napari_contrastseg.ui.widgets.column import Column
from tests.kit.dock_controls import cut_words, open_everything
from tests.kit.rounds import add_round
from tests.kit.window import NAME

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample

pytestmark = pytest.mark.viewer
LAPTOP = (1366, 768)
LOW = QSize(911, 512 - 25)
NARROW, TINY = QSize(683, 768), QSize(683, 384 - 25)
#: Pixels that the desktop's title bar takes of the screen.
TITLE_BAR = 30
RUNNING = LearnState(
    None, running=True, stage="fine-tune", fraction=0.5, eta=99, device="CPU, 12 cores"
)


@pytest.fixture
def laptop(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, Any]:
    """A small window with a round; its map is not made."""
    monkeypatch.setattr(RoundMap, "show", lambda _self: None)
    viewer, widget, sample = loaded
    viewer.window._qt_window.setGeometry(0, 0, *LAPTOP)
    viewer.window._qt_window.show()
    add_round(widget.workspace.session, sample.truth)
    return viewer, widget


def test_the_window_fits_a_laptop_and_nobody_scrolls_for_the_next_action(
    laptop: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are words cut at the usual size of letters and half as large again."""
    viewer, widget = laptop
    window = viewer.window._qt_window
    assert not widget.embedding.isVisible(), "the map waits until it is asked for"
    QApplication.processEvents()
    assert widget.width() <= 340, "the image has the room"
    window.resizeDocks([widget.parentWidget()], [1], Qt.Orientation.Horizontal)
    for step in widget.steps:
        widget.tabs.show_step(step)
        QApplication.processEvents()
        page = widget.tabs.page(step)
        assert not page.verticalScrollBar().isVisible(), step
        assert page.widget().width() <= page.viewport().width(), step
        if step == "Learn":
            assert is_seen_in_full(widget.learn.recipe)
    assert stands_beside_its_label(widget.review.round.parentWidget())
    counts = widget.review.counts
    assert counts.height() < 2 * counts.fontMetrics().height(), "it is on one line"
    open_everything(widget)
    widget.header.map_button.click()
    for state in (RUNNING, LearnState(None, unfinished="stopped after 12 steps")):
        widget.run_bar.setValue(state)
        QApplication.processEvents()
        for dock in (widget, widget.embedding):
            least = max(dock.minimumSizeHint().width(), dock.minimumWidth())
            assert least <= 320
    assert widget.embedding.isVisible()
    voxel = widget.embedding.tabs.currentWidget()
    assert not voxel.verticalScrollBar().isVisible(), "there is no map to point at"
    columns = widget.embedding.findChildren(Column)
    assert columns
    for column in columns:
        inner, bar = column.widget(), column.verticalScrollBar()
        beside = column.minimumSizeHint().width() - bar.sizeHint().width()
        assert beside >= inner.minimumSizeHint().width()
    assert window.minimumSizeHint().height() < 700
    assert window.minimumSizeHint().width() <= LAPTOP[0]
    no_words_are_cut(viewer, widget, monkeypatch)


def is_seen_in_full(box: Any) -> bool:
    """Whether there is room in a box for what is chosen."""
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    parts, field = QStyle.ComplexControl, QStyle.SubControl
    room = box.style().subControlRect(
        parts.CC_ComboBox, option, field.SC_ComboBoxEditField, box
    )
    return bool(box.fontMetrics().horizontalAdvance(box.currentText()) <= room.width())


def stands_beside_its_label(field: Any) -> bool:
    """Whether the label of a form's field is not above it."""
    form = next(
        form
        for form in field.parentWidget().findChildren(QFormLayout)
        if form.indexOf(field) >= 0
    )
    label = form.labelForField(field)
    return bool(label.geometry().right() < field.geometry().left())


def no_words_are_cut(viewer: Any, widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    window, appearance = viewer.window._qt_window, get_settings().appearance
    open_everything(widget)
    widget.run_bar.setValue(replace(RUNNING, paused=True))
    widget.show_embedding()
    for size in (appearance.font_size, appearance.font_size * 3 // 2):
        monkeypatch.setattr(appearance, "font_size", size)
        assert widget.header.done.fontInfo().pointSize() > size
        for dock, steps in (
            (widget.parentWidget(), widget.steps),
            (widget.embedding.parentWidget(), ["Data"]),
        ):
            dock.raise_()
            window.resizeDocks([dock], [1], Qt.Orientation.Horizontal)
            for step in steps:
                widget.tabs.show_step(step)
                QApplication.processEvents()
                cut = [cut_words(part) for part in dock.findChildren(QWidget)]
                assert not "".join(cut), (size, step)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Contours are not displayed")
def test_the_window_fits_a_laptop_with_the_map_below_also_in_three_dimensions(
    laptop: tuple[Any, Any],
) -> None:
    """napari's layer controls are higher in 3-D, and keep that height after it."""
    viewer, widget = laptop
    window = viewer.window._qt_window
    widget.show_embedding()
    below = widget.embedding.parentWidget()
    window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, below)
    below.show()
    viewer.layers.selection.active = widget.workspace.registry.layer(NAME, "ink")
    for dimensions in (2, 3, 2):
        viewer.dims.ndisplay = dimensions
        QApplication.processEvents()
        assert window.minimumSizeHint().height() <= LAPTOP[1] - TITLE_BAR
    assert widget.embedding.height() > 100, "where there is room, it is used"
    assert window.height() == LAPTOP[1]


def test_on_a_low_screen_the_list_of_layers_is_a_tab_once(
    laptop: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """At 1.5 pixels a point a screen of 1366 x 768 has 911 x 512 points."""
    viewer, widget = laptop
    window, view = viewer.window._qt_window, viewer.window._qt_viewer
    controls, layers = view.dockLayerControls, view.dockLayerList
    viewer.layers.selection.active = widget.workspace.registry.layer(NAME, "ink")
    QApplication.processEvents()
    assert window.minimumSizeHint().height() > LOW.height(), "napari's docks alone"
    assert window.minimumSizeHint().width() <= LOW.width()
    monkeypatch.setattr(low_screen, "room_for", lambda _window: LOW)
    widget._low_screen.fit()
    QApplication.processEvents()
    assert window.tabifiedDockWidgets(controls) == [layers]
    assert window.height() <= LOW.height()
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, layers)
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, layers)
    qtbot.wait(300)
    assert not window.tabifiedDockWidgets(controls), "who takes them apart wants it so"


def test_on_a_narrow_screen_our_docks_are_tabs_at_the_left(
    laptop: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """At 2 pixels a point a screen of 1366 x 768 has 683 x 384 points."""
    viewer, widget = laptop
    window, view = viewer.window._qt_window, viewer.window._qt_viewer
    controls, dock = view.dockLayerControls, widget.parentWidget()
    assert window.minimumSizeHint().width() > NARROW.width()
    monkeypatch.setattr(low_screen, "room_for", lambda _window: NARROW)
    widget._low_screen.fit()
    qtbot.waitUntil(lambda: window.width() <= NARROW.width())
    assert dock in window.tabifiedDockWidgets(controls)
    assert widget.isVisible(), "it is the one in front"
    widget.header.map_button.click()
    qtbot.waitUntil(lambda: window.minimumSizeHint().width() <= NARROW.width())
    assert widget.embedding.isVisible()
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    qtbot.wait(300)
    assert not window.tabifiedDockWidgets(dock), "who takes it out wants it so"


def test_a_window_that_cannot_fit_says_so_once(
    laptop: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    viewer, widget = laptop
    window = viewer.window._qt_window
    notification_manager.records.clear()  # of the tests before
    viewer.layers.selection.active = widget.workspace.registry.layer(NAME, "ink")
    monkeypatch.setattr(low_screen, "room_for", lambda _window: TINY)
    qtbot.waitUntil(lambda: len(messages("The window needs")) == 1)
    widget._low_screen.fit()
    assert len(messages("The window needs")) == 1
    view = viewer.window._qt_viewer
    view.dockLayerControls.close()
    QApplication.processEvents()
    assert window.minimumSizeHint().height() <= TINY.height(), "as the words promise"


def messages(words: str) -> list[str]:
    """List what was said that begins with some words."""
    said = [note.message for note in notification_manager.records]
    return [message for message in said if message.startswith(words)]
