"""Taking masks in step Data: at once, or asked about; never unasked, never lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.mask_values import AS_BACKGROUND, decide
from napari_contrastseg.session.painting import paint
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


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
    data.masks.take(lay(truth.astype(np.uint8) * 255), all_done=True)
    asked = data.state().mask
    assert asked is not None
    assert "255, would become class 1" in asked.text
    assert not record.ink.any()
    data.masks.take_decided()
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
    data.masks.take(mask, all_done=True)
    assert record.ink.any()
    assert not mask.visible
    assert layers.selection.active is workspace.registry.layer(record.volume.id, "ink")


def test_what_was_chosen_is_what_is_taken(
    data: DataController, record: VolumeRecord, lay: Any, sample: Sample
) -> None:
    data.masks.take(lay(sample.truth.astype(np.int32) * 300), all_done=False)
    asked = data.state().mask
    assert asked is not None
    values = decide(asked.values, {300}, AS_BACKGROUND)
    data.masks.choose(replace(asked, values=values))
    data.masks.take_decided()
    assert np.array_equal(record.ink > 0, sample.truth == 2)
    labelled = (sample.truth == 2).any(axis=(1, 2))
    assert np.array_equal(record.status == Status.DONE, labelled)


def test_leaving_it_changes_nothing(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    classes = workspace.session.classes
    data.masks.take(lay(phantom(0).truth.astype(np.int32) - 1), all_done=True)
    assert data.state().mask is not None
    data.masks.leave()
    data.masks.take_decided()
    assert data.state().mask is None
    assert not record.ink.any()
    assert workspace.session.classes == classes


def test_a_coarser_mask_is_brought_onto_the_images_grid(
    data: DataController, record: VolumeRecord, lay: Any, sample: Sample
) -> None:
    coarse = sample.truth[:, ::2, ::2]
    data.masks.take(lay(coarse, factor=(1, 2, 2)), all_done=True)
    asked = data.state().mask
    assert asked is not None
    assert "on another grid than" in asked.text
    assert "100 % of the labels" in asked.text
    data.masks.take_decided()
    assert np.array_equal(record.ink, coarse.repeat(2, axis=1).repeat(2, axis=2))
    assert (record.status == Status.DONE).all()


def test_slices_outside_of_the_mask_stay_as_they_are(
    data: DataController, record: VolumeRecord, lay: Any, sample: Sample
) -> None:
    part = sample.truth[3:9]
    data.masks.take(lay(part, first=(3, 0, 0)), all_done=True)
    asked = data.state().mask
    assert asked is not None
    assert "10 slices outside of the mask stay as they are" in asked.text
    data.masks.take_decided()
    assert np.array_equal(record.ink[3:9], part)
    assert np.flatnonzero(record.status).tolist() == list(range(3, 9))


def test_a_mask_that_does_not_overlap_is_refused(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    before = workspace.session.classes
    data.masks.take(lay(phantom(0).truth, first=(500, 0, 0)), all_done=True)
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
    data.masks.take(lay(labels, first=(5, 0, 0)), all_done=True)
    assert "not one label of it within the image" in said()
    assert not record.status.any()


def test_a_mask_of_another_unit_does_not_vanish_unsaid(
    data: DataController, record: VolumeRecord, lay: Any
) -> None:
    """Of micrometres over millimetres all labels lie between two voxels' centres."""
    data.masks.take(lay(phantom(0).truth, factor=1e-3), all_done=True)
    assert "check its voxel size and unit" in said()
    assert not record.status.any()


def test_the_question_goes_with_what_it_is_about(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    layer = lay(phantom(0).truth.astype(np.int32) * 300)
    data.masks.take(layer, all_done=True)
    assert data.state().mask is not None
    workspace.viewer.layers.remove(layer)
    assert data.state().mask is None
    data.masks.take_decided()
    assert not record.ink.any()
    workspace.viewer.layers.append(layer)
    data.masks.take(layer, all_done=True)
    data.remove_volume(record.volume.id)
    assert data.state().mask is None


def test_a_mask_that_was_changed_meanwhile_is_asked_about_again(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    layer = lay(phantom(0).truth.astype(np.int32) * 300)
    data.masks.take(layer, all_done=True)
    layer.data[0, 0, 0] = 77
    data.masks.take_decided()
    assert "other values by now" in said()
    assert not record.ink.any()
    data.masks.take_decided()
    assert record.ink[0, 0, 0] == 77
    assert len(workspace.session.classes) == 3


def test_classes_may_change_while_a_mask_waits(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    session = workspace.session
    data.masks.take(lay(phantom(0).truth.astype(np.int32) * 300), all_done=True)
    other = session.add_class("mine")
    asked = data.state().mask
    assert asked is not None
    new = {v.becomes.entry.id for v in asked.values if v.becomes.entry}
    assert other not in new
    where = np.zeros(record.volume.shape, bool)
    where[0, 0, 0] = True
    paint(session, record.volume.id, where, 1)  # the class that was not used so far
    data.masks.take_decided()
    names = {c.id: c.name for c in session.classes}
    assert names[1] == "class 1"
    assert names[other] == "mine"
    assert record.ink[0, 0, 0] == 1
    assert len(names) == 4


def test_an_empty_mask_marks_slices_done(
    data: DataController, record: VolumeRecord, lay: Any
) -> None:
    data.masks.take(lay(np.zeros(record.volume.shape, np.uint8)), all_done=True)
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
    assert "were rounded" in said()
    assert np.array_equal(record.ink, sample.truth)
    workspace.undo()
    bools = workspace.viewer.add_image(sample.truth > 0, **about)
    data.masks.take(bools, all_done=True)
    assert np.array_equal(record.ink, sample.truth > 0)


def test_an_intensity_image_is_refused_as_a_mask(
    workspace: Workspace, data: DataController, record: VolumeRecord, sample: Sample
) -> None:
    image = workspace.registry.layer(record.volume.id, "image")
    assert image is not None
    about = {"scale": image.scale, "translate": image.translate}
    values = np.asarray(sample.volume.data[0]) + 0.25
    data.masks.take(workspace.viewer.add_image(values, **about), all_done=True)
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
    data.masks.take(layer, all_done=True)
    assert np.array_equal(record.ink, sample.truth)


def test_a_mask_with_channels_is_refused_with_a_way_on(
    workspace: Workspace, data: DataController, record: VolumeRecord, sample: Sample
) -> None:
    both = np.stack([sample.truth == 1, sample.truth == 2]).astype(np.uint8)
    data.masks.take(workspace.viewer.add_labels(both), all_done=True)
    assert "Split Stack" in said()
    assert not record.ink.any()


def test_another_session_has_nothing_to_do_with_it(
    workspace: Workspace, data: DataController, record: VolumeRecord, lay: Any
) -> None:
    data.masks.take(lay(phantom(0).truth.astype(np.int32) * 300), all_done=True)
    assert data.state().mask is not None
    other = Session()
    other.add_volume(record.volume)
    workspace.session = other
    assert data.masks.state() is None
