"""Reviewing in the real viewer: what is on the screen is what keys take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.rounds import add_round
from tests.kit.window import NAME, said

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord

pytestmark = pytest.mark.viewer


@pytest.fixture
def proposed(window: tuple[Any, Any]) -> tuple[Any, Any, Sample]:
    """A viewer with a phantom, and a round that is sure of the middle of the slices."""
    viewer, widget = window
    sample = phantom(1)
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    session = widget.workspace.session
    session.add_class()
    session.change_class(1, colour="#ff0000")
    session.change_class(2, colour="#ff0000")
    add_round(session, sample.truth, confidence=0.6)
    record = session.records[NAME]
    record.proposal.confidence[:, 17:23, 17:23] = 0.95
    for class_id in (0, 1, 2):
        session.set_threshold(class_id, 0.9)
    session.touch(NAME)
    widget.workspace.go_to(8)
    viewer.show(block=False)
    return viewer, widget, sample


def press(viewer: Any, qtbot: QtBot, key: Qt.Key, *held: Qt.KeyboardModifier) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    modifier = Qt.KeyboardModifier.NoModifier
    for one in held:
        modifier |= one
    qtbot.keyClick(canvas, key, modifier)


def redness(viewer: Any, widget: Any, record: VolumeRecord) -> np.ndarray:
    """How red each voxel of the shown slice is on the screen."""
    picture = viewer.screenshot(canvas_only=True, flash=False).astype(float)
    canvas = np.array(picture.shape[:2])
    camera = getattr(viewer, "scene", viewer).camera  # napari before 0.9 has no scene
    centre = np.array(camera.center[-2:])
    places = np.argwhere(np.ones(record.volume.shape[1:], bool))
    voxels = np.insert(places, 0, widget.workspace.current_slice, axis=1)
    world = widget.workspace.registry.all_world(NAME, voxels)[:, -2:]
    ratio = canvas / np.array(viewer.window._qt_viewer.canvas.size)
    at = ((world - centre) * camera.zoom * ratio + canvas / 2).round()
    rows, columns = np.clip(at.astype(int), 0, canvas - 1).T
    red = picture[rows, columns, 0] - picture[rows, columns, 1]
    return np.asarray(red.reshape(record.volume.shape[1:]))


@pytest.mark.slow
def test_sure_is_filled_and_unsure_has_an_outline_on_the_screen(
    proposed: tuple[Any, Any, Sample],
) -> None:
    viewer, widget, sample = proposed
    widget.workspace.registry.layer(NAME, "ink").visible = False
    record = widget.workspace.session.records[NAME]
    red = redness(viewer, widget, record)
    there, sure = record.prediction[8] > 0, record.pseudo[8] > 0
    sure &= record.pseudo[8] < 255
    inner = there.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(sample.truth[8], step, axis) == sample.truth[8]
    edge = there & ~inner
    assert sure.any()
    assert (there & ~sure).any()
    for part in (edge, sure & inner):
        assert np.median(red[part]) > 60, "filled, or outlined"
    assert np.median(red[inner & ~sure]) < 20, "in doubt: nothing within the outline"
    assert np.median(red[~there]) < 20


def test_keys_take_what_is_on_the_screen(
    proposed: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    viewer, widget, sample = proposed
    reject_pieces(viewer, widget, sample, qtbot)
    record = widget.workspace.session.records[NAME]
    widget.review.shown.setCurrentText("nothing")
    widget.review.shown.activated.emit(widget.review.shown.currentIndex())
    press(viewer, qtbot, Qt.Key.Key_A)
    assert "hidden" in said()
    assert not record.ink.any()
    widget.review.shown.setCurrentText("only sure")
    widget.review.shown.activated.emit(widget.review.shown.currentIndex())
    press(viewer, qtbot, Qt.Key.Key_A)
    sure = record.pseudo[8].copy()
    assert np.array_equal(record.ink[8], sure)
    assert record.status[8] == Status.SPARSE
    widget.review.shown.setCurrentText("sure and unsure")
    widget.review.shown.activated.emit(widget.review.shown.currentIndex())
    press(viewer, qtbot, Qt.Key.Key_A)
    assert record.status[8] == Status.DONE
    ink = np.where(record.ink[8] == 255, 0, record.ink[8])
    assert np.array_equal(ink, sample.truth[8])
    assert said().startswith("Slice 8 is done")


def reject_pieces(viewer: Any, widget: Any, sample: Sample, qtbot: QtBot) -> None:
    """R takes a piece of the slice, then A leaves no ring; Shift+R takes all of it."""
    record = widget.workspace.session.records[NAME]
    core = sample.truth == 1
    place = (8, *(int(i) for i in np.argwhere(core[8])[core[8].sum() // 2]))
    viewer.cursor.position = tuple(widget.workspace.registry.world(NAME, place))
    widget.review_controller.show("pseudo")
    press(viewer, qtbot, Qt.Key.Key_R)
    assert "on 1 slice." in said()
    assert not (record.prediction[8] == 1).any(), "its unsure rim goes with it"
    assert np.array_equal(record.prediction[7] == 1, core[7])
    widget.review_controller.show("prediction")
    press(viewer, qtbot, Qt.Key.Key_A)
    assert not (record.ink[8] == 1).any()
    widget.workspace.undo()
    widget.workspace.undo()
    assert np.array_equal(record.prediction[8], sample.truth[8])
    press(viewer, qtbot, Qt.Key.Key_R, Qt.KeyboardModifier.ShiftModifier)
    assert f"{core.sum()} voxels" in said()
    assert not (record.prediction == 1).any()
    widget.workspace.undo()
    assert np.array_equal(record.prediction == 1, core)
