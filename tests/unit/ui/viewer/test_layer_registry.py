"""Layers that move, change or come from elsewhere: the session keeps what it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image
from napari.layers._layer_actions import _convert_dtype, _duplicate_layer
from qtpy.QtCore import QCoreApplication

from napari_contrastseg.io.images import read_labels
from napari_contrastseg.session import painting
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.exports.masks import MaskOptions
from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.learn.panel import LearnSettings
from tests.kit.window import (
    NAME,
    add_phantom,
    dock_without_window,
    export,
    said,
    wait_idle,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample

pytestmark = pytest.mark.usefixtures("small_networks", "short_maps")
RNG = np.random.default_rng(0)
BASE = RNG.normal(100, 20, (5, 20, 24))


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "all NaN": (BASE * np.nan, {}, "no finite number"),
    "constant": (np.full_like(BASE, 7), {}, "same value everywhere"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_is_refused_with_one_sentence(
    docked: tuple[Any, Any],
    kind: str,
) -> None:
    viewer, widget = docked
    data, about, words = REFUSED[kind]
    widget.data_controller.add_layers([viewer.add_image(data, name="image", **about)])
    assert words in said()
    assert not widget.workspace.session.records
    assert len(viewer.layers) == 1


def test_an_image_that_moves_takes_its_labels_along(
    loaded: tuple[Any, Any, Sample],
) -> None:
    _, widget, _ = loaded
    registry = widget.workspace.registry
    image, ink = registry.layer(NAME, "image"), registry.layer(NAME, "ink")
    image.translate = (0, 5, 5)
    assert "its labels move along" in said()
    assert np.allclose(ink.translate, image.translate)
    image.scale = (4, 2, 2)
    assert np.allclose(ink.scale, image.scale)
    assert np.allclose(ink.data_to_world((3, 4, 5)), image.data_to_world((3, 4, 5)))


def test_an_image_that_is_replaced_becomes_a_stranger(
    loaded: tuple[Any, Any, Sample],
) -> None:
    viewer, widget, sample = loaded
    image = widget.workspace.registry.layer(NAME, "image")
    image.data = RNG.normal(0, 1, (7, 30, 30))
    assert "goes on with the one that was added" in said()
    assert image in widget.data_controller.free_images()
    ours = widget.workspace.registry.layer(NAME, "image")
    assert np.array_equal(ours.data, sample.volume.data[0])
    assert viewer.layers.index(ours) < viewer.layers.index(
        widget.workspace.registry.layer(NAME, "ink")
    )


def test_our_labels_cannot_be_swapped(
    loaded: tuple[Any, Any, Sample],
) -> None:
    viewer, widget, _ = loaded
    record = widget.workspace.session.records[NAME]
    ink, before = widget.workspace.registry.layer(NAME, "ink"), record.ink.copy()
    viewer.layers.selection = {ink}
    _convert_dtype(viewer.layers, mode="int32")
    assert "belong to the session" in said()
    assert ink.data is record.ink
    ink.data = np.ones_like(record.ink)
    ink.undo()
    assert ink.data is record.ink
    assert np.array_equal(record.ink, before)
    ink.paint((3, 5, 5), 2)
    assert record.ink[3, 5, 5] == 2
    widget.workspace.undo()
    assert np.array_equal(record.ink, before)


def test_a_copy_of_our_labels_is_a_stranger(
    loaded: tuple[Any, Any, Sample],
) -> None:
    viewer, widget, _ = loaded
    record = widget.workspace.session.records[NAME]
    ink, before = widget.workspace.registry.layer(NAME, "ink"), record.ink.copy()
    viewer.layers.selection = {ink}
    _duplicate_layer(viewer.layers)
    (copy,) = [x for x in viewer.layers if "copy" in x.name]
    copy.paint((3, 5, 5), 2)
    assert np.array_equal(record.ink, before)


def test_masks_from_elsewhere_are_refused(
    loaded: tuple[Any, Any, Sample],
) -> None:
    viewer, widget, sample = loaded
    classes = widget.workspace.session.classes
    moved = viewer.add_labels(sample.truth, scale=(9, 9, 9), translate=(100, 1, 1))
    widget.data_controller.masks.take(moved, all_done=False)
    widget.workspace.work.finish()
    assert "lies elsewhere" in said()
    assert widget.workspace.session.classes == classes
    strange = sample.truth.astype(np.int32)
    strange[0, 0, :2] = (4, 300)
    widget.data_controller.masks.take(viewer.add_labels(strange), all_done=False)
    widget.workspace.work.finish()
    form = widget.data.mask_form
    assert form.isVisibleTo(widget.data)
    assert widget.workspace.session.classes == classes, "nothing is taken unasked"
    form.leave.click()
    assert not form.isVisibleTo(widget.data)
    levels = [sample.truth, sample.truth[:, ::2, ::2]]
    several = viewer.add_labels(levels, multiscale=True)
    widget.data_controller.masks.take(several, all_done=True)
    widget.workspace.work.finish()
    assert np.array_equal(widget.workspace.session.records[NAME].ink, sample.truth)


def test_a_mask_is_one_thing_to_undo(
    loaded: tuple[Any, Any, Sample],
    tmp_path: Path,
) -> None:
    """Its classes and its ink come, go, and come back from the disk together."""
    viewer, widget, sample = loaded
    session = widget.workspace.session
    before, classes = session.records[NAME].ink.copy(), session.classes
    mask = viewer.add_labels(np.where(sample.truth == 1, 7, sample.truth * 4))
    widget.data_controller.masks.take(mask, all_done=True)
    widget.workspace.work.finish()
    taken = session.records[NAME].ink.copy()
    assert {7, 8} <= {c.id for c in session.classes} - {c.id for c in classes}
    assert session.undo() == "take mask"
    assert session.classes == classes
    assert np.array_equal(session.records[NAME].ink, before)
    assert session.redo() == "take mask"
    save_session(session, tmp_path / "s")
    again = load_session(tmp_path / "s")
    for one in (session, again):
        assert np.array_equal(one.records[NAME].ink, taken)
        assert {7, 8} <= {c.id for c in one.classes}
        assert one.undo() == "take mask"
        assert np.array_equal(one.records[NAME].ink, before)
        assert one.classes == classes


@pytest.mark.slow
def test_a_volume_of_the_same_name_is_another_one(
    loaded: tuple[Any, Any, Sample],
    qtbot: QtBot,
) -> None:
    viewer, widget, _ = loaded
    other = viewer.add_image(BASE, name="other")
    widget.data_controller.add_layers([other])
    widget.workspace.choose_volume(NAME)
    widget.learn_controller.start(
        "fine-tune", LearnSettings("supervised", minutes=0.01)
    )
    wait_idle(qtbot, widget)
    widget.data_controller.remove_volume("other")
    viewer.layers.remove(other)
    again = viewer.add_image(RNG.normal(0, 1, (7, 9, 9)), name="other")
    widget.data_controller.add_layers([again])
    assert "other (2)" in widget.workspace.session.records
    widget.review_controller.bring_back(1)
    folder = widget.workspace.folder
    assert widget.session_controller.flush()
    widget.session_controller.open(folder)
    widget.workspace.work.finish()
    assert "other (2)" in widget.workspace.session.records
    assert widget.workspace.session.records[NAME].proposal is not None


def test_every_channel_has_its_layer(docked: tuple[Any, Any]) -> None:
    viewer, widget = docked
    one = viewer.add_image(BASE, name="one")
    two = viewer.add_image(BASE + 1, name="two")
    widget.data_controller.add_layers([one, two])
    assert not widget.data_controller.free_images()
    three = viewer.add_image(BASE, name="three")
    four = viewer.add_image(BASE, name="four")
    widget.data_controller.add_layers([three, four])
    assert not one.visible
    assert not two.visible
    ink = widget.workspace.registry.layer("three", "ink")
    ink.data_setitem((np.array([0]), np.array([4]), np.array([5])), 1)
    assert widget.session_controller.flush()
    folder = widget.workspace.folder
    viewer.layers.clear()
    widget.session_controller.open(folder)
    widget.workspace.work.finish()
    images = [x for x in viewer.layers if isinstance(x, Image)]
    assert len(images) == 4


def test_locks_protect_slices_and_classes(
    loaded: tuple[Any, Any, Sample],
) -> None:
    _, widget, sample = loaded
    record = widget.workspace.session.records[NAME]
    ink, before = widget.workspace.registry.layer(NAME, "ink"), record.ink.copy()
    widget.workspace.go_to(8)
    widget.data.lock.click()
    assert widget.data.lock.isChecked()
    ink.paint((8, 20, 20), 2)
    assert "Slice 8 is locked" in said()
    ink.fill((8, 0, 0), 1)
    QCoreApplication.processEvents()
    widget.data_controller.toggle_done()
    assert record.status[8] == Status.DONE
    assert np.array_equal(record.ink, before)
    widget.data.lock.click()
    widget.data.classes.locked.emit(1, True)
    place = tuple(int(i) for i in np.argwhere(sample.truth == 1)[0])
    spot = (8, *np.argwhere(sample.truth[8] == 1)[0])
    ink.brush_size = 40
    ink.paint(spot, 2)
    QCoreApplication.processEvents()  # napari writes once more; we put it back
    assert (record.ink[8][before[8] == 1] == 1).all(), "locked ink was painted over"
    assert (record.ink[8] == 2).sum() > (before[8] == 2).sum()
    widget.workspace.undo()
    ink.paint(place, 1)
    QCoreApplication.processEvents()
    assert "'class 1' is locked" in said()
    assert np.array_equal(record.ink, before)
    widget.class_controller.delete_class(1)
    assert "is locked" in said()


@pytest.mark.slow
def test_two_viewers_know_nothing_of_each_other(
    loaded: tuple[Any, Any, Sample],
) -> None:
    _, widget, _ = loaded
    with dock_without_window() as (other, second):
        add_phantom(other, second, 2)
        session = second.workspace.session
        where = np.zeros((16, 40, 40), bool)
        where[3, 3] = True
        painting.paint(session, "phantom_002", where, 1)
        before = widget.workspace.session.records[NAME].ink.copy()
        second.workspace.undo()
        second.workspace.redo()
        assert np.array_equal(widget.workspace.session.records[NAME].ink, before)
        assert second.workspace.folder != widget.workspace.folder
    widget.workspace.undo()
    assert widget.session_controller.flush()


@pytest.mark.slow
def test_origins_are_shown_and_exported(
    loaded: tuple[Any, Any, Sample],
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    _, widget, _ = loaded
    record = widget.workspace.session.records[NAME]
    widget.data.origin.click()
    layer = widget.workspace.registry.layer(NAME, "origin")
    assert layer.data is record.origin
    assert not layer.editable
    assert widget.data.origin.isChecked()
    assert widget.workspace.active == NAME
    step = widget.further["Export"]
    options = MaskOptions(origin=True)
    step.panel.setValue(ExportSettings(tmp_path, "masks", options))
    export(qtbot, step, step.panel.run.click)
    back = read_labels(tmp_path / f"{NAME}_origin.nii.gz")
    assert np.array_equal(back.data[0], record.origin)
    widget.data.origin.click()
    assert widget.workspace.registry.layer(NAME, "origin") is None
