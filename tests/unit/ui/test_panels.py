"""Panels alone: they edit values, and disabled controls say why."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QStyleOptionComboBox,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg import query
from napari_contrastseg.recipes import catalogue
from napari_contrastseg.session.classes import AnnotationClass
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.exports.masks import MaskOptions
from napari_contrastseg.ui.data.class_table import ClassTable
from napari_contrastseg.ui.data.header import HeaderPanel
from napari_contrastseg.ui.data.panel import DataPanel, DataState
from napari_contrastseg.ui.export.panel import ExportPanel, ExportSettings
from napari_contrastseg.ui.learn.panel import (
    LearnPanel,
    LearnSettings,
)
from napari_contrastseg.ui.learn.panel_state import LearnState
from napari_contrastseg.ui.learn.recipe_box import MORE, RecipeBox
from napari_contrastseg.ui.learn.run_bar import RunBar
from napari_contrastseg.ui.learn.run_curves import RunCurves
from napari_contrastseg.ui.review.panel import QueueState, ReviewPanel, ReviewState
from napari_contrastseg.ui.review.review_bar import ReviewBar
from napari_contrastseg.ui.widgets.forms import (
    NameBox,
    fill,
    folder_field,
    in_rows,
    note,
)
from napari_contrastseg.ui.widgets.keep_typing import KeepTyping
from napari_contrastseg.ui.widgets.settings_form import settings_form
from napari_contrastseg.ui.widgets.step_tabs import StepTabs
from tests.kit.dock_controls import cut_words

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

CLASSES = (
    AnnotationClass(1, "core", "#e69f00"),
    AnnotationClass(2, "shell", "#56b4e9"),
)


def test_data_panel_and_header_show_their_state(qtbot: QtBot) -> None:
    panel, header = DataPanel(), HeaderPanel()
    qtbot.addWidget(panel)
    qtbot.addWidget(header)
    assert header.done.toolTip() == "Add a volume first"
    assert not panel.save.isEnabled()
    assert panel.save.toolTip() == "Add a volume first"
    state = DataState(
        volumes=("a", "b"),
        active="b",
        classes=CLASSES,
        status=np.array([0, 1, 2], np.uint8),
        current=2,
        kept="every change is kept",
    )
    panel.setValue(state)
    header.setValue(state)
    assert panel.value() is header.value() is state
    assert header.volume.currentText() == "b"
    assert header.done.text().startswith("Not done")
    assert header.slice_text.text() == "slice 2: done; 1 done"
    assert panel.kept.text() == "every change is kept"


def test_step_data_says_what_to_open_first_and_counts_one_slice(qtbot: QtBot) -> None:
    panel = DataPanel()
    qtbot.addWidget(panel)
    assert panel.add.toolTip() == "Open an image in napari first"
    assert panel.classes.add_button.toolTip() == "Add a volume first"
    panel.setValue(DataState(volumes=("a",), active="a", status=np.zeros(1, np.uint8)))
    assert panel.add.toolTip() == "Open another image in napari first"
    assert panel.classes.add_button.toolTip() == "Add a class to paint with"
    assert panel.count.text() == "1 slice"


def test_no_two_rows_of_step_review_have_names_that_are_taken_for_each_other(
    qtbot: QtBot,
) -> None:
    panel = ReviewPanel()
    qtbot.addWidget(panel)
    (form,) = panel.findChildren(QFormLayout)
    cells = (form.itemAt(n, form.ItemRole.LabelRole) for n in range(form.rowCount()))
    labels = [cell.widget() for cell in cells if cell is not None]
    names = [label.text() for label in labels if isinstance(label, QLabel)]
    names = [name for name in names if name]
    source = form.labelForField(panel.source)
    assert isinstance(source, QLabel)
    assert source.text() == "comes from"
    for name in names:
        assert sum(other.startswith(name) for other in names) == 1, name


def test_the_strip_goes_to_the_slice_that_is_clicked(qtbot: QtBot) -> None:
    header = HeaderPanel()
    qtbot.addWidget(header)
    state = DataState(volumes=("a",), active="a", status=np.zeros(10, np.uint8))
    header.setValue(state)
    header.strip.resize(200, 22)
    with qtbot.waitSignal(header.slice_chosen) as signal:
        header.strip.clicked.emit(header.strip._at(150))
    assert signal.args == [7]
    header.strip.setValue(np.full(10, Status.DONE, np.uint8))
    header.strip.grab()  # paints


def test_the_class_in_hand_is_shown_and_chosen_in_the_header(qtbot: QtBot) -> None:
    header = HeaderPanel()
    qtbot.addWidget(header)
    state = DataState(volumes=("a",), active="a", classes=CLASSES, paint_class=2)
    header.setValue(state)
    box = header.classes
    names = [box.itemText(i) for i in range(box.count())]
    assert names == ["core", "shell", "background"]
    assert box.currentText() == "shell"
    colour = box.itemIcon(box.currentIndex()).pixmap(8, 8).toImage().pixelColor(4, 4)
    assert colour.name() == CLASSES[1].colour
    with qtbot.waitSignal(header.class_chosen) as signal:
        box.activated.emit(names.index("background"))
    assert signal.args == [255]
    header.setValue(replace(state, paint_class=255))
    assert box.currentText() == "background"


def test_class_table(qtbot: QtBot) -> None:
    table = ClassTable()
    qtbot.addWidget(table)
    assert table.chosen() == 255
    table.setValue(CLASSES)
    table.choose(2)
    assert table.chosen() == 2
    with qtbot.waitSignal(table.renamed) as signal:
        edit = table.name_edit(2)
        edit.setText("rind")
        edit.editingFinished.emit()
    assert signal.args == [2, "rind"]
    table.setValue(CLASSES[:1])
    assert table.chosen() in (1, 255)


def test_a_name_that_is_being_written_outlives_changes_of_other_classes(
    qtbot: QtBot,
) -> None:
    table = ClassTable()
    qtbot.addWidget(table)
    table.setValue(CLASSES[:1])
    edit = table.name_edit(1)
    with qtbot.waitExposed(table):
        table.show()
    table.activateWindow()
    edit.setFocus()
    qtbot.waitUntil(edit.hasFocus)
    edit.setText("half a na")
    table.setValue(CLASSES)
    table.setValue(tuple(replace(c, locked=True) for c in CLASSES))
    assert table.name_edit(1) is edit
    assert edit.text() == "half a na"
    assert edit.hasFocus()
    table.setValue(CLASSES[1:])
    assert not table.name_edit(2).hasFocus(), "keys would go to another field"


def test_a_name_that_is_refused_goes_back(qtbot: QtBot) -> None:
    table = ClassTable()
    qtbot.addWidget(table)
    table.setValue(CLASSES)
    for words in (CLASSES[0].name, "  "):  # nobody listens: nothing is renamed
        table.name_edit(2).setText(words)
        table.name_edit(2).editingFinished.emit()
        assert table.name_edit(2).text() == CLASSES[1].name


def test_a_lock_that_is_refused_is_not_shown(qtbot: QtBot) -> None:
    table = ClassTable()
    qtbot.addWidget(table)
    table.setValue(CLASSES)
    lock = table._rows[2].lock
    with qtbot.waitSignal(table.locked) as signal:
        lock.click()  # nobody listens: nothing is locked
    assert signal.args == [2, True]
    assert not lock.isChecked()
    locked = (CLASSES[0], replace(CLASSES[1], locked=True))
    table.locked.connect(lambda *_: table.setValue(locked))
    lock.click()
    assert lock.isChecked()


def test_the_keyboard_goes_through_the_classes_from_top_to_bottom(
    qtbot: QtBot,
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    before, table = QLineEdit("before"), ClassTable()
    lines = QVBoxLayout(window)
    lines.addWidget(before)
    lines.addWidget(table)
    lines.addWidget(QLineEdit("after"))
    table.setValue(CLASSES[:1])
    lines.addWidget(QLineEdit("made later"))
    table.setValue(CLASSES)
    met: list[str] = []
    at: QWidget | None = before
    while at is not None and len(met) < 5:
        met += [at.text()] if isinstance(at, QLineEdit) else []
        at = at.nextInFocusChain()
    assert met == ["before", *(c.name for c in CLASSES), "after", "made later"]


def test_a_message_that_goes_leaves_the_keyboard_in_a_name(qtbot: QtBot) -> None:
    window, table = QWidget(), ClassTable()
    canvas = QLineEdit(window)  # takes the keyboard as napari's does
    table.setParent(window)
    qtbot.addWidget(window)
    typing = KeepTyping(table)
    table.setValue(CLASSES)
    edit = table.name_edit(1)
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    edit.setFocus()
    qtbot.waitUntil(edit.hasFocus)
    edit.setText("half a na")
    with qtbot.assertNotEmitted(table.renamed):
        canvas.setFocus()
    assert edit.hasFocus()
    assert edit.text() == "half a na"
    with qtbot.waitSignal(table.renamed):
        canvas.setFocus(Qt.FocusReason.MouseFocusReason)
    assert canvas.hasFocus()
    edit.setFocus()
    typing.close()
    canvas.setFocus()
    assert canvas.hasFocus()


def test_a_double_click_selects_all_words_of_a_name(qtbot: QtBot) -> None:
    table = ClassTable()
    qtbot.addWidget(table)
    table.setValue((AnnotationClass(1, "class 1", "#e69f00"),))
    edit = table.name_edit(1)
    qtbot.mouseDClick(edit, Qt.MouseButton.LeftButton)
    qtbot.mouseRelease(edit, Qt.MouseButton.LeftButton)  # which Qt leaves to us
    qtbot.keyClicks(edit, "left atrium")
    assert edit.text() == "left atrium"


def test_names_are_shown_as_they_are_written(qtbot: QtBot) -> None:
    words, table = note(), ClassTable()
    qtbot.addWidget(words)
    qtbot.addWidget(table)
    words.setText("Chosen class: <b>rim</b> &amp; core")
    assert words.textFormat() == Qt.TextFormat.PlainText
    long = "the left atrium with its appendage and the mouths of the veins"
    table.setValue((AnnotationClass(1, long, "#e69f00"),))
    table.resize(300, 80)
    table.show()
    edit = table.name_edit(1)
    assert edit.cursorPositionAt(edit.rect().center()) < len(long) // 2


@pytest.mark.parametrize(("of_files", "end"), [(True, "T1w"), (False, "")])
def test_a_name_that_is_too_long_has_an_ellipsis_in_it(
    qtbot: QtBot, of_files: bool, end: str
) -> None:
    box = NameBox(of_files=of_files)
    qtbot.addWidget(box)
    fill(box, ("sub-0001_ses-20261130_run-01_T1w", "T1"))
    box.resize(120, 30)
    shown = {}
    for index in range(2):
        box.setCurrentIndex(index)
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        shown[box.currentText()] = box.shown_name(option)
    assert shown["T1"] == "T1"
    long = shown["sub-0001_ses-20261130_run-01_T1w"]
    assert re.fullmatch(f"sub-.*…[^…]*{end}", long)


@pytest.mark.parametrize(
    ("last", "name", "left"),
    [
        ((Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier), "rim", True),
        ((Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier), "shell", True),
        ((Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier), "rim", True),
        ((Qt.Key.Key_D, Qt.KeyboardModifier.NoModifier), "shell", False),
    ],
)
def test_a_name_that_is_written_gives_the_keys_back_to_the_image(
    qtbot: QtBot, last: tuple[Qt.Key, Qt.KeyboardModifier], name: str, left: bool
) -> None:
    window = QWidget()
    table = ClassTable(window)
    qtbot.addWidget(window)
    table.setValue(CLASSES)

    def rename(class_id: int, new: str) -> None:
        table.setValue(
            tuple(replace(c, name=new) if c.id == class_id else c for c in CLASSES)
        )

    table.renamed.connect(rename)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    table.name_edit(2).setFocus()
    qtbot.waitUntil(table.name_edit(2).hasFocus)
    table.name_edit(2).selectAll()
    qtbot.keyClicks(table.name_edit(2), "rim")
    qtbot.keyClick(table.name_edit(2), *last)
    assert table.value()[1].name == name
    assert (QApplication.focusWidget() is None) == left


@pytest.mark.parametrize("name", sorted(catalogue()))
@pytest.mark.parametrize(
    "preset", ["sound", pytest.param("literal", marks=pytest.mark.slow)]
)
def test_every_recipe_has_a_form(qtbot: QtBot, name: str, preset: str) -> None:
    panel = LearnPanel()
    qtbot.addWidget(panel)
    panel.setValue(LearnSettings(name, preset, 3.5, "cpu"))
    value = panel.value()
    assert (value.recipe, value.preset, value.minutes) == (name, preset, 3.5)
    assert value.settings == catalogue()[name].presets[preset]
    panel.more.unfold()
    assert panel.value() == value, "the form says something else"
    form = settings_form(value.settings)
    assert form.asdict()
    assert all(widget.tooltip for widget in form), "a setting without words"


def test_the_form_of_a_method_is_made_when_it_is_first_opened(qtbot: QtBot) -> None:
    panel = LearnPanel()
    qtbot.addWidget(panel)
    assert not panel.more.findChildren(QAbstractSpinBox)
    panel.more.unfold()
    assert (before := panel.more.findChildren(QAbstractSpinBox))
    panel.recipe.setValue("cssl2021")
    assert panel.more.is_open
    assert (now := panel.more.content().findChildren(QAbstractSpinBox))
    assert not set(before) & set(now)


def test_a_form_takes_a_file(qtbot: QtBot, tmp_path: Path) -> None:
    form = settings_form(catalogue()["ideal2023"].presets["literal"])
    qtbot.addWidget(form.native)
    assert form.asdict()["encoder_weights"] is None
    form["encoder_weights"].value = tmp_path / "resnet50.pth"
    assert form.asdict()["encoder_weights"] == tmp_path / "resnet50.pth"


def test_run_bar_says_why_not_and_how_far_it_is(qtbot: QtBot) -> None:
    bar = RunBar()
    qtbot.addWidget(bar)
    bar.setValue(LearnState(why_not="Paint on a slice first"))
    assert not bar.run.isEnabled()
    assert bar.run.toolTip() == "Paint on a slice first"
    assert bar.text.text() == "Paint on a slice first."
    bar.setValue(LearnState(why_not=None))
    assert bar.run.isEnabled()
    assert bar.resume.isHidden()
    bar.setValue(
        LearnState(why_not=None, running=True, stage="fine-tune", fraction=0.5, eta=61)
    )
    assert not bar.run.isEnabled()
    assert bar.cancel.isEnabled()
    assert not bar.cancel.isHidden()
    assert bar.text.text() == "fine-tune: 50 %, 1:01 left"
    bar.setValue(LearnState(why_not=None, unfinished="stopped after 3 steps"))
    assert not bar.resume.isHidden()
    assert bar.resume.toolTip().endswith("stopped after 3 steps")


def test_a_double_click_on_run_round_does_not_pause_it(qtbot: QtBot) -> None:
    bar = RunBar()
    qtbot.addWidget(bar)
    bar.setValue(LearnState(why_not=None, running=True))
    bar.show()
    where = QPointF(bar.pause.rect().center())
    second = QMouseEvent(
        QEvent.Type.MouseButtonDblClick,
        where,
        bar.pause.mapToGlobal(where),
        Qt.MouseButton.LeftButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    with qtbot.assertNotEmitted(bar.pause_requested):
        QApplication.sendEvent(bar.pause, second)
        qtbot.mouseRelease(bar.pause, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(bar.pause_requested):
        qtbot.mouseClick(bar.pause, Qt.MouseButton.LeftButton)


def test_learn_panel_says_why_not(qtbot: QtBot) -> None:
    panel = LearnPanel()
    qtbot.addWidget(panel)
    panel.setState(LearnState(why_not="Paint on a slice first"))
    assert panel.fine_tune.toolTip() == "Paint on a slice first"
    panel.setState(LearnState(why_not=None))
    assert panel.fine_tune.isEnabled()
    panel.setValue(LearnSettings("supervised"))
    panel.setState(LearnState(why_not=None))
    assert not panel.pretrain.isEnabled()
    assert "no pretraining stage" in panel.pretrain.toolTip()
    panel.setState(LearnState(why_not=None, running=True))
    assert not panel.fine_tune.isEnabled()


def test_curves_are_drawn_once_somebody_looks(qtbot: QtBot) -> None:
    curves = RunCurves()
    step = QWidget()
    qtbot.addWidget(step)
    curves.setParent(step)
    step.show()
    assert not curves.isVisible(), "there is nothing to show"
    step.hide()
    curves.add_point("fine-tune", 0.5, None)
    curves.add_point("fine-tune", 0.4, 0.8)
    step.show()
    assert curves.isVisible()
    item = curves.plot.getPlotItem()
    assert item.legend is None, "it would lie on the curves"
    assert all(word in item.titleLabel.text for word in ("fine-tune", "loss", "Dice"))
    loss, dice = (list(one.getData()[1]) for one in item.listDataItems())
    assert (loss, dice) == ([0.5, 0.4], [0.8])
    curves.add_point("another", 0.3, 0.9)
    assert "another" in item.titleLabel.text
    assert list(item.listDataItems()[0].getData()[1]) == [0.3]
    curves.forget()
    assert not curves.isVisible()


def test_review_bar_says_what_would_be_undone_and_why_nothing_can_be_accepted(
    qtbot: QtBot,
) -> None:
    bar = ReviewBar()
    qtbot.addWidget(bar)
    why_not = "Mark two slices done, or run a round, first"
    assert bar.accept.toolTip() == bar.reject.toolTip() == why_not
    assert bar.undo.toolTip() == "There is nothing to undo"
    bar.setValue(ReviewState((1, 2), 2, 31, CLASSES))
    assert "This volume has no proposal" in bar.accept.toolTip()
    assert not bar.reject.isEnabled()
    bar.setValue(ReviewState(suggested=True))
    assert bar.undo.toolTip() == "Undo: box or click (Ctrl+Z)"
    assert bar.accept.isEnabled()
    assert bar.reject.isEnabled()
    assert "suggestion" in bar.accept.toolTip()
    assert bar.reject.text() == "Reject  R"
    state = ReviewState((1, 2), 2, 31, CLASSES, undo="stroke", proposed=True)
    bar.setValue(state)
    assert bar.value() is state
    assert bar.accept.isEnabled()
    assert bar.reject.isEnabled()
    assert bar.reject.text() == "Reject  Alt+R"
    assert "suggestion" not in bar.accept.toolTip()
    assert bar.undo.toolTip() == "Undo: stroke (Ctrl+Z)"


def test_review_panel(qtbot: QtBot) -> None:
    panel = ReviewPanel()
    qtbot.addWidget(panel)
    thresholds = {0: 0.9, 2: 0.6}
    panel.setValue(
        ReviewState((1, 2), 2, 31, CLASSES, thresholds, "stroke", proposed=True)
    )
    assert panel.counts.text() == "31 left"
    assert panel.chosen_class() == -1
    panel.which.setCurrentIndex(2)
    panel.which.activated.emit(2)
    assert panel.chosen_class() == 2
    assert panel.threshold.value() == pytest.approx(0.6)
    with qtbot.waitSignal(panel.threshold_moved) as signal:
        panel.threshold.setValue(0.7)
    assert signal.args == [2, pytest.approx(0.7)]


def test_long_sentences_of_step_review_are_seen_whole(qtbot: QtBot) -> None:
    words = "Filled is sure (right ventricle from 0.29, myocardium from 0.73), all "
    panel = ReviewPanel()
    tabs = StepTabs({"Review": panel})
    qtbot.addWidget(tabs)
    tabs.resize(325, 700)
    tabs.show()
    for times in (1, 3, 2):
        long = words * times
        state = ReviewState((1,), 1, 7, CLASSES, proposed=True, compared_words=long)
        queue = QueueState(next_words=long)
        panel.setValue(replace(state, sure_words=long, queue=queue))
        QApplication.processEvents()
        cut = [cut_words(part) for part in (panel.sure_text, panel.next_text)]
        assert not "".join(cut)


def test_review_panel_offers_every_query_strategy(qtbot: QtBot) -> None:
    panel = ReviewPanel()
    qtbot.addWidget(panel)
    box, every = panel.strategy, query.catalogue()
    shown = {box.itemData(i): box.itemText(i) for i in range(box.count())}
    assert shown == {name: strategy.title for name, strategy in every.items()}
    assert box.value() == query.DEFAULT
    assert box.toolTip() == every[query.DEFAULT].summary
    chosen = box.findData("even")
    with qtbot.waitSignal(panel.strategy_chosen) as signal:
        box.setCurrentIndex(chosen)
        box.activated.emit(chosen)
    assert signal.args == ["even"]
    assert box.toolTip() == every["even"].summary


def test_review_panel_shows_what_comes_next_or_why_nothing_does(qtbot: QtBot) -> None:
    panel, bar = ReviewPanel(), ReviewBar()
    qtbot.addWidget(panel)
    qtbot.addWidget(bar)
    assert bar.next.toolTip() == "Add a volume in step Data first"
    state = ReviewState(queue=QueueState("random", "slice 22: drawn at random", ""))
    with qtbot.assertNotEmitted(panel.strategy_chosen):
        panel.setValue(state)
    bar.setValue(state)
    assert panel.value() is state
    assert panel.strategy.value() == "random"
    assert panel.next_text.text() == "slice 22: drawn at random"
    assert bar.next.isEnabled(), "no round is needed"
    assert bar.next.toolTip().endswith("slice 22: drawn at random")
    state = ReviewState(queue=QueueState("random", "", "All slices are done"))
    panel.setValue(state)
    bar.setValue(state)
    assert panel.next_text.text() == bar.next.toolTip() == "All slices are done"
    assert not bar.next.isEnabled()


def test_export_panel(qtbot: QtBot, tmp_path: Path) -> None:
    panel = ExportPanel()
    qtbot.addWidget(panel)
    options = MaskOptions(".tif", complete=False)
    wanted = ExportSettings(tmp_path, "masks", options, overwrite=True)
    panel.setValue(wanted)
    assert panel.value() == wanted


def test_methods_of_papers_stand_behind_more(qtbot: QtBot) -> None:
    box = RecipeBox()
    qtbot.addWidget(box)
    assert [box.itemText(i) for i in range(box.count())] == ["Recommended", MORE]
    with qtbot.waitSignal(box.valueChanged):
        box.setCurrentIndex(1)
    assert box.value() == "recommended"
    offered = {box.itemData(i) for i in range(box.count())} - {None}
    assert offered == set(catalogue())
    box.setValue("nonsense")
    assert box.value() == "recommended"


def test_another_method_does_not_enable_what_cannot_be_done(qtbot: QtBot) -> None:
    panel = LearnPanel()
    qtbot.addWidget(panel)
    panel.recipe.setValue("hu2021")
    assert not panel.pretrain.isEnabled()
    panel.setState(LearnState(why_not=None))
    assert panel.pretrain.isEnabled()
    panel.recipe.setValue("supervised")
    assert "no pretraining" in panel.pretrain.toolTip()


def test_an_earlier_session_opens_with_the_choice(qtbot: QtBot, tmp_path: Path) -> None:
    panel = DataPanel()
    qtbot.addWidget(panel)
    panel.setValue(DataState(recent=(str(tmp_path / "new"), str(tmp_path / "old"))))
    opened: list[object] = []
    panel.open_requested.connect(opened.append)
    panel.recent.setCurrentIndex(2)
    panel.recent.activated.emit(2)
    assert opened == [tmp_path / "old"]
    assert panel.recent.currentIndex() == 0, "it can be chosen again"


def test_channels_can_be_added_once_images_are_selected(qtbot: QtBot) -> None:
    panel = DataPanel()
    qtbot.addWidget(panel)
    panel.setValue(DataState(images=("a", "b")))
    assert not panel.add_channels.isEnabled()
    assert "Select images" in panel.add_channels.toolTip()
    panel.setValue(DataState(images=("a", "b"), selected=2))
    assert panel.add_channels.isEnabled()
    panel.setValue(DataState())
    assert not panel.add_channels.isEnabled()


def test_one_slice_is_counted_as_one(qtbot: QtBot) -> None:
    panel = ReviewPanel()
    qtbot.addWidget(panel)
    panel.setValue(ReviewState((1,), 1, 1))
    assert panel.counts.toolTip() == "1 slice not done yet"


def test_every_control_of_settings_and_folders_has_a_tooltip(qtbot: QtBot) -> None:
    folder = folder_field("folder of masks", "Where masks are")
    pages = [folder.native]
    for recipe in catalogue().values():
        forms = map(settings_form, recipe.presets.values())
        pages.extend(map(in_rows, forms))
    kinds = (QAbstractSpinBox, QAbstractButton, QComboBox, QLineEdit)
    for page in pages:
        qtbot.addWidget(page)
        controls = [c for kind in kinds for c in page.findChildren(kind)]
        assert controls
        for control in controls:
            assert control.toolTip(), type(control)
