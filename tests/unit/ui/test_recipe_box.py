"""List of methods: one with the pretraining of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.recipes import DEFAULT
from napari_contrastseg.ui.learn import recipe_box
from napari_contrastseg.ui.learn.combine_dialog import CombineDialog
from napari_contrastseg.ui.learn.recipe_box import MORE, TWO, RecipeBox

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def opened(qtbot: QtBot) -> RecipeBox:
    """Show all methods."""
    box = RecipeBox()
    qtbot.addWidget(box)
    box.setCurrentIndex(box.findText(MORE))
    return box


@pytest.mark.parametrize("answer", ["mixup@chaitanya2020", None])
def test_two_methods_are_asked_for(
    answer: str | None, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_box, "ask_for_two", lambda _: answer)
    box = opened(qtbot)
    box.setValue("simclr")
    box.setCurrentIndex(box.findText(TWO))
    assert box.value() == (answer or "simclr")
    assert box.recipe().name == box.value()
    assert box.recipe().pretrains
    if answer is not None:
        assert box.currentText() == "Mixup, pretrained as chaitanya2020"
        box.setValue("simclr")
        box.setValue(answer)
        assert box.value() == answer


def test_methods_that_do_not_go_together_change_nothing(qtbot: QtBot) -> None:
    box = opened(qtbot)
    box.setValue("mixup@supervised")
    box.setValue("mixup@magic")
    assert box.value() == DEFAULT


def test_the_dialog_offers_pretrainings(qtbot: QtBot) -> None:
    dialog = CombineDialog()
    qtbot.addWidget(dialog)
    assert dialog.value() == "mixup@chaitanya2020"
    dialog.setValue("self_training@simclr")
    assert dialog.value() == "self_training@simclr"
    assert dialog.pretrained.findData("supervised") < 0
    assert dialog.tuned.findData("supervised") >= 0
