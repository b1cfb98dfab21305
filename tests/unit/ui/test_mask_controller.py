"""Taking masks in step Data: at once, or asked about; never unasked, never lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.mask_values import AS_BACKGROUND, decide
from napari_contrastseg.session.painting import paint
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.viewer import masks

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def take(data: DataController, layer: Layer, *, all_done: bool) -> None:
    """Take a mask, and wait until it is taken or asked about."""
    data.masks.take(layer, all_done=all_done)
    workspace_of(data).work.finish()


def take_decided(data: DataController) -> None:
    """Take the mask that waits, to the end."""
    data.masks.take_decided()
    workspace_of(data).work.finish()


def workspace_of(data: DataController) -> Workspace:
    """Where its work is done."""
    return cast("Workspace", data.parent())


def after(event: threading.Event, work: Callable[..., Any]) -> Callable[..., Any]:
    """Work that begins once an event has happened."""

    def wait_first(*args: Any, **kwargs: Any) -> Any:
        event.wait(60)
        return work(*args, **kwargs)

    return wait_first


def is_shown(workspace: Workspace, words: str) -> bool:
    """Whether it is said that something goes on."""
    return workspace.work.now is not None and workspace.work.now.words == words


@pytest.fixture
def record(workspace: Workspace, add: Add, sample: Sample) -> VolumeRecord:
    return workspace.session.records[add(sample)]


@pytest.fixture
def lay(workspace: Workspace, record: VolumeRecord) -> Any:
    """Add a labels layer on the image's grid, or on another."""

    def layer(values: Any, factor: Any = 1, first: Any = (0, 0, 0)) -> Layer:
        image = workspace.registry.layer(record.volume.id, "image")
        assert image is not None
        scale = image.scale * factor
        shift = image.translate + image.scale * (
            (np.asarray(factor) - 1) / 2 + np.asarray(first)
        )
        return workspace.viewer.add_labels(
            values, name="m", scale=scale, translate=shift
        )

    return layer


def test_0_and_255_are_asked_about_and_taken_as_class_1(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    truth = phantom(0).truth > 0
    take(data, lay(truth.astype(np.uint8) * 255), all_done=True)
    asked = data.state().mask
    assert asked is not None
    assert "255, would become class 1" in asked.text
    assert not record.ink.any()
    take_decided(data)
    assert data.state().mask is None
    assert np.array_equal(record.ink, truth)
    assert (record.status == Status.DONE).all()
    assert [(c.id, c.original) for c in workspace.session.classes] == [(1, 255)]
    workspace.undo()
    assert not record.ink.any()
    assert not record.status.any()


def test_a_mask_that_was_taken_no_longer_covers_the_image(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    mask = lay(phantom(0).truth.astype(np.uint8))
    layers = workspace.viewer.layers
    layers.selection.active = mask
    take(data, mask, all_done=True)
    assert record.ink.any()
    assert not mask.visible
    assert layers.selection.active is workspace.registry.layer(record.volume.id, "ink")


def test_what_was_chosen_is_what_is_taken(
    data: DataController, record: VolumeRecord, lay: Any, sample: Sample
) -> None:
    take(data, lay(sample.truth.astype(np.int32) * 300), all_done=False)
    asked = data.state().mask
    assert asked is not None
    values = decide(asked.values, {300}, AS_BACKGROUND)
    data.masks.choose(replace(asked, values=values))
    take_decided(data)
    assert np.array_equal(record.ink > 0, sample.truth == 2)
    labelled = (sample.truth == 2).any(axis=(1, 2))
    assert np.array_equal(record.status == Status.DONE, labelled)


def test_leaving_it_changes_nothing(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    classes = workspace.session.classes
    take(data, lay(phantom(0).truth.astype(np.int32) - 1), all_done=True)
    assert data.state().mask is not None
    data.masks.leave()
    take_decided(data)
    assert data.state().mask is None
    assert not record.ink.any()
    assert workspace.session.classes == classes


def test_a_coarser_mask_is_brought_onto_the_images_grid(
    data: DataController, record: VolumeRecord, lay: Any, sample: Sample
) -> None:
    coarse = sample.truth[:, ::2, ::2]
    take(data, lay(coarse, factor=(1, 2, 2)), all_done=True)
    asked = data.state().mask
    assert asked is not None
    assert "on another grid than" in asked.text
    assert "100 % of the labels" in asked.text
    take_decided(data)
    assert np.array_equal(record.ink, coarse.repeat(2, axis=1).repeat(2, axis=2))
    assert (record.status == Status.DONE).all()


def test_slices_outside_of_the_mask_stay_as_they_are(
    data: DataController, record: VolumeRecord, lay: Any, sample: Sample
) -> None:
    part = sample.truth[3:9]
    take(data, lay(part, first=(3, 0, 0)), all_done=True)
    asked = data.state().mask
    assert asked is not None
    assert "10 slices outside of the mask stay as they are" in asked.text
    take_decided(data)
    assert np.array_equal(record.ink[3:9], part)
    assert np.flatnonzero(record.status).tolist() == list(range(3, 9))


def test_a_mask_that_does_not_overlap_is_refused(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    before = workspace.session.classes
    take(data, lay(phantom(0).truth, first=(500, 0, 0)), all_done=True)
    assert "lies elsewhere than" in said()
    assert data.state().mask is None
    assert not record.ink.any()
    assert workspace.session.classes == before


def test_labels_beside_the_image_are_not_taken_for_an_empty_mask(
    data: DataController, record: VolumeRecord, lay: Any
) -> None:
    """The grids overlap, the labels do not."""
    labels = np.zeros(record.volume.shape, np.uint8)
    labels[-1] = 1
    take(data, lay(labels, first=(5, 0, 0)), all_done=True)
    assert "not one label of it within the image" in said()
    assert not record.status.any()


def test_a_mask_of_another_unit_does_not_vanish_unsaid(
    data: DataController, record: VolumeRecord, lay: Any
) -> None:
    """Of micrometres over millimetres all labels lie between two voxels' centres."""
    take(data, lay(phantom(0).truth, factor=1e-3), all_done=True)
    assert "check its voxel size and unit" in said()
    assert not record.status.any()


def test_the_question_goes_with_what_it_is_about(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    layer = lay(phantom(0).truth.astype(np.int32) * 300)
    take(data, layer, all_done=True)
    assert data.state().mask is not None
    workspace.viewer.layers.remove(layer)
    assert data.state().mask is None
    take_decided(data)
    assert not record.ink.any()
    workspace.viewer.layers.append(layer)
    take(data, layer, all_done=True)
    data.remove_volume(record.volume.id)
    assert data.state().mask is None


def test_a_mask_that_was_changed_meanwhile_is_asked_about_again(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    layer = lay(phantom(0).truth.astype(np.int32) * 300)
    take(data, layer, all_done=True)
    layer.data[0, 0, 0] = 77
    take_decided(data)
    assert "other values by now" in said()
    assert not record.ink.any()
    take_decided(data)
    assert record.ink[0, 0, 0] == 77
    assert len(workspace.session.classes) == 3


def test_classes_may_change_while_a_mask_waits(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    session = workspace.session
    take(data, lay(phantom(0).truth.astype(np.int32) * 300), all_done=True)
    other = session.add_class("mine")
    asked = data.state().mask
    assert asked is not None
    new = {v.becomes.entry.id for v in asked.values if v.becomes.entry}
    assert other not in new
    where = np.zeros(record.volume.shape, bool)
    where[0, 0, 0] = True
    paint(session, record.volume.id, where, 1)  # the class that was not used so far
    take_decided(data)
    names = {c.id: c.name for c in session.classes}
    assert names[1] == "class 1"
    assert names[other] == "mine"
    assert record.ink[0, 0, 0] == 1
    assert len(names) == 4


def test_an_empty_mask_marks_slices_done(
    data: DataController, record: VolumeRecord, lay: Any
) -> None:
    take(data, lay(np.zeros(record.volume.shape, np.uint8)), all_done=True)
    assert data.state().mask is None
    assert (record.status == Status.DONE).all()
    assert not record.ink.any()


def test_float_and_bool_images_are_masks_too(
    workspace: Workspace, data: DataController, record: VolumeRecord, sample: Sample
) -> None:
    image = workspace.registry.layer(record.volume.id, "image")
    assert image is not None
    values = np.where(sample.truth > 0, sample.truth - 1e-4, 0).astype(np.float32)
    about = {"scale": image.scale, "translate": image.translate}
    workspace.viewer.add_image(values, name="floats", **about)
    assert data.state().masks == ("floats",)
    data.masks.take_free(0, True)
    workspace.work.finish()
    assert "were rounded" in said()
    assert np.array_equal(record.ink, sample.truth)
    workspace.undo()
    bools = workspace.viewer.add_image(sample.truth > 0, **about)
    take(data, bools, all_done=True)
    assert np.array_equal(record.ink, sample.truth > 0)


def test_an_intensity_image_is_refused_as_a_mask(
    workspace: Workspace, data: DataController, record: VolumeRecord, sample: Sample
) -> None:
    image = workspace.registry.layer(record.volume.id, "image")
    assert image is not None
    about = {"scale": image.scale, "translate": image.translate}
    values = np.asarray(sample.volume.data[0]) + 0.25
    take(data, workspace.viewer.add_image(values, **about), all_done=True)
    assert "not a mask of class numbers" in said()
    assert data.state().mask is None


def test_a_mask_with_an_axis_of_length_one_is_taken(
    workspace: Workspace, data: DataController, record: VolumeRecord, sample: Sample
) -> None:
    image = workspace.registry.layer(record.volume.id, "image")
    assert image is not None
    layer = workspace.viewer.add_labels(
        sample.truth[None],
        scale=(1, *image.scale),
        translate=(0, *image.translate),
    )
    take(data, layer, all_done=True)
    assert np.array_equal(record.ink, sample.truth)


def test_a_mask_with_channels_is_refused_with_a_way_on(
    workspace: Workspace, data: DataController, record: VolumeRecord, sample: Sample
) -> None:
    both = np.stack([sample.truth == 1, sample.truth == 2]).astype(np.uint8)
    take(data, workspace.viewer.add_labels(both), all_done=True)
    assert "Split Stack" in said()
    assert not record.ink.any()


def test_another_session_has_nothing_to_do_with_it(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    take(data, lay(phantom(0).truth.astype(np.int32) * 300), all_done=True)
    assert data.state().mask is not None
    other = Session()
    other.add_volume(record.volume)
    workspace.session = other
    assert data.masks.state() is None


def test_the_window_answers_while_a_mask_is_taken(
    workspace: Workspace,
    data: DataController,
    record: VolumeRecord,
    lay: Any,
    sample: Sample,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    """Events are dealt with while the mask is read, and while it is written."""
    go = {name: threading.Event() for name in ("find_mask", "write_found")}
    for name, event in go.items():
        monkeypatch.setattr(masks, name, after(event, getattr(masks, name)))
    data.masks.take(lay(sample.truth), all_done=True)
    for words, event in zip(("Reading", "Taking"), go.values(), strict=True):
        begun = partial(is_shown, workspace, f"{words} the mask m")
        qtbot.waitUntil(begun, timeout=60_000)
        with pytest.raises(InputError, match="is under way"):
            paint(workspace.session, record.volume.id, sample.truth == 1, 1)
        event.set()
    workspace.work.finish()
    assert np.array_equal(record.ink, sample.truth)
    assert workspace.session.undo() == "take mask"
    assert not record.ink.any()
