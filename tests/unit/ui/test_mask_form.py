"""The form of a mask to be taken, alone: it edits what each value becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_contrastseg.session.classes import AnnotationClass
from napari_contrastseg.session.mask_values import KnownClasses, examine
from napari_contrastseg.ui.data.mask_form import MaskForm, MaskQuestion

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

CLASSES = KnownClasses(
    (AnnotationClass(1, "core", "#e69f00"), AnnotationClass(2, "shell", "#56b4e9"))
)


def question(*values: int, title: str = "Mask m of v") -> MaskQuestion:
    labels = np.array(values).reshape(-1, 1, 1)
    return MaskQuestion(title, "Look.", examine(labels, CLASSES).values, CLASSES)


@pytest.fixture
def form(qtbot: QtBot) -> MaskForm:
    made = MaskForm()
    qtbot.addWidget(made)
    return made


def shown(form: MaskForm) -> list[str]:
    items = [form.table.topLevelItem(i) for i in range(form.table.topLevelItemCount())]
    return [item.text(2) for item in items if item is not None]


def select(form: MaskForm, *rows: int) -> None:
    form.table.clearSelection()
    for row in rows:
        item = form.table.topLevelItem(row)
        assert item is not None
        item.setSelected(True)


def choose(form: MaskForm, words: str) -> None:
    index = form.becomes.findText(words)
    form.becomes.setCurrentIndex(index)
    form.becomes.activated.emit(index)


def test_nothing_is_shown_without_a_question(form: MaskForm) -> None:
    assert form.isHidden()
    assert form.value() is None
    form.setValue(question(0, 300))
    assert not form.isHidden()
    form.setValue(None)
    assert form.isHidden()


def test_a_value_is_selected_and_what_it_becomes_is_chosen(
    form: MaskForm, qtbot: QtBot
) -> None:
    form.setValue(question(0, 7, 300, 300))
    assert shown(form) == ["background", "class 7 (new)", "class 300 (new)"]
    select(form, 2)
    assert form.becomes.currentText() == "a new class each"
    with qtbot.waitSignal(form.valueChanged):
        choose(form, "shell")
    assert shown(form)[2] == "shell"
    value = form.value()
    assert value is not None
    assert [v.becomes.number for v in value.values] == [0, 7, 2]
    assert form.becomes.currentText() == "shell", "the value stays selected"
    choose(form, "ignored")
    assert shown(form)[1:] == ["class 7 (new)", "ignored"]


def test_many_values_become_one_class_or_one_each(form: MaskForm) -> None:
    form.setValue(question(0, 7, 8, 9, 300))
    select(form, 1, 2, 3, 4)
    choose(form, "one new class")
    assert shown(form)[1:] == ["class 7 (new)"] * 4
    choose(form, "a new class each")
    assert shown(form)[1:] == [f"class {n} (new)" for n in (7, 8, 9, 300)]
    choose(form, "background")
    assert shown(form) == ["background"] * 5


def test_different_things_are_not_shown_as_one(form: MaskForm) -> None:
    form.setValue(question(0, 1, 2))
    select(form, 1, 2)
    assert form.becomes.currentText() == ""
    select(form)
    assert not form.becomes.isEnabled()
    assert form.becomes.toolTip().startswith("Select values")


def test_another_question_is_shown_afresh(form: MaskForm) -> None:
    form.setValue(question(0, 1, 300))
    form.setValue(question(0, 5, title="Mask other of v"))
    assert form.title.text() == "Mask other of v"
    (item,) = form.table.selectedItems()
    assert item.text(0) == "5"


def test_names_of_files_are_shown_as_they_are(form: MaskForm) -> None:
    """Not as rich text: they come from strangers."""
    form.setValue(question(0, 300, title="Mask <img src=x> of v"))
    assert form.title.textFormat() == Qt.TextFormat.PlainText
    assert form.text.textFormat() == Qt.TextFormat.PlainText


def test_254_values_are_quick_to_show_and_to_change(form: MaskForm) -> None:
    form.setValue(question(*range(255)))
    select(form, *range(1, 255))
    choose(form, "background")
    assert set(shown(form)) == {"background"}
