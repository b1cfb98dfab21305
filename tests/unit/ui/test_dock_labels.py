"""Volumes, strokes and masks in the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.window import NAME, said, wait_idle

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


pytestmark = pytest.mark.usefixtures("small_networks", "short_maps")


def test_a_volume_is_added(docked: tuple[Any, Any]) -> None:
    """A model may be used before anything is painted; a round may not."""
    viewer, widget = docked
    assert not widget.data.add.isEnabled()
    data, about, _ = layer_for(phantom(1).volume)
    viewer.add_image(data, **about)
    assert not widget.learn.use.isEnabled()
    widget.data.add.click()
    assert widget.learn.use.isEnabled()
    assert list(widget.workspace.session.records) == [NAME]
    assert not widget.run_bar.run.isEnabled()
    assert "Paint on a slice first" in widget.run_bar.run.toolTip()


@pytest.mark.slow
def test_a_layer_of_four_axes_is_asked_about(docked: tuple[Any, Any]) -> None:
    viewer, widget = docked
    viewer.add_image(np.random.default_rng(0).random((3, 4, 8, 8)))
    widget.data.add.click()
    assert "has 4 dimensions" in widget.notice.text.text()
    assert not widget.workspace.session.records
    (all_of_it,) = widget.notice.items.findItems(
        "all 3, as", Qt.MatchFlag.MatchStartsWith
    )
    widget.notice.items.itemClicked.emit(all_of_it)
    (record,) = widget.workspace.session.records.values()
    assert record.volume.shape == (4, 8, 8)
    assert len(record.volume.channels) == 3


def test_strokes_in_two_dimensions(docked: tuple[Any, Any], qtbot: QtBot) -> None:
    viewer, widget = docked
    rng = np.random.default_rng(0)
    viewer.add_image(rng.random((30, 40)), name="picture", scale=(0.5, 0.5))
    widget.data.add.click()
    record = widget.workspace.session.records["picture"]
    assert record.volume.shape == (1, 30, 40)
    ink = widget.workspace.registry.layer("picture", "ink")
    ink.selected_label = 1
    ink.fill((5, 5), 1)
    qtbot.wait(20)
    assert (record.ink == 1).all()
    assert record.status.tolist() == [Status.SPARSE]
    widget.workspace.undo()
    assert not record.ink.any()


def test_a_label_without_a_class_is_taken_back(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, _ = loaded
    record = widget.workspace.session.records[NAME]
    before = record.ink.copy()
    ink = widget.workspace.registry.layer(NAME, "ink")
    ink.data_setitem(tuple(np.array([i]) for i in (8, 0, 0)), 9)
    qtbot.wait(20)  # napari writes after it announces the edit
    assert np.array_equal(record.ink, before)
    assert "Label 9 is not a class" in said()


def test_erasing_in_pseudo_labels_means_background(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, sample = loaded
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    record = widget.workspace.session.records[NAME]
    widget.review_controller.move_threshold(-1, 0.0)
    widget.review_controller.refresh_all()
    widget.workspace.go_to(7)
    place = tuple(int(i) for i in np.argwhere(record.pseudo[7] > 0)[0])
    record.pseudo[7][place] = 1
    pseudo = widget.workspace.registry.layer(NAME, "pseudo")
    pseudo.data_setitem(tuple(np.array([i]) for i in (7, *place)), 0)
    qtbot.wait(20)
    assert record.ink[(7, *place)] == 255
    assert record.origin[(7, *place)] == Origin.CORRECTED
    assert record.pseudo[(7, *place)] == 255
    del sample


def test_existing_masks_become_ink(loaded: tuple[Any, Any, Sample]) -> None:
    viewer, widget, sample = loaded
    record = widget.workspace.session.records[NAME]
    viewer.add_labels(sample.truth, name="mine")
    assert widget.data.masks.currentText() == "mine"
    widget.data.take_some.click()
    widget.workspace.work.finish()
    assert np.array_equal(record.ink, sample.truth)
    widget.workspace.undo()
    viewer.layers.remove("mine")
    viewer.add_labels(sample.truth[:3], name="short")
    widget.data.take_all.click()
    widget.workspace.work.finish()
    assert "must be drawn on the image's grid" in said()


@pytest.mark.slow
def test_brush_and_panel_agree(loaded: tuple[Any, Any, Sample]) -> None:
    viewer, widget, _ = loaded
    widget.workspace.choose_class(2)
    viewer.layers.remove(widget.workspace.registry.layer(NAME, "ink"))
    widget.workspace.choose_volume(NAME)
    assert widget.workspace.registry.layer(NAME, "ink").selected_label == 2
    widget.workspace.choose_class(7)
    assert "no class 7" in said()
    assert widget.workspace.paint_class == 2
    widget.class_controller.add_class()
    assert widget.workspace.paint_class == 3
    widget.class_controller.delete_class(3)
    assert widget.workspace.paint_class == widget.data.classes.chosen() == 1
    assert widget.workspace.registry.layer(NAME, "ink").selected_label == 1
