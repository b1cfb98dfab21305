"""Step Data: volumes, channels, masks, slices done and locked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.io.volume import skew
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.class_controller import ClassController
from napari_contrastseg.ui.data.voxel_size import VoxelSizeForm
from napari_contrastseg.ui.viewer import image_layers
from napari_contrastseg.ui.widgets.work_bar import WorkState

if TYPE_CHECKING:
    from napari.layers import Layer
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.widgets.notice import Notice
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def test_an_image_becomes_a_volume_with_a_class_to_paint(
    workspace: Workspace, data: DataController, sample: Sample
) -> None:
    image = np.asarray(sample.volume.data[0])
    workspace.viewer.add_image(image, name="head")
    assert data.state().images == ("head",)
    data.add_image(0)
    data.add_image(0)  # there is none left
    state = data.state()
    assert state.volumes == ("head",)
    assert state.active == "head"
    assert state.images == state.masks == ()
    assert [c.id for c in state.classes] == [1]
    assert state.paint_class == 1
    assert state.status is not None
    assert len(state.status) == len(image)


def test_the_coarsest_axis_has_the_word_of_the_body(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    upright = replace(sample.volume.source, orientation=((0, 1), (1, 1), (2, 1)))
    add(replace(sample, volume=replace(sample.volume, source=upright)))
    assert data.state().axes[-1] == "coarsest: axial"
    data.remove_volume(sample.volume.id)
    workspace.viewer.add_image(np.asarray(sample.volume.data[0]), name="plain")
    data.add_image(data.state().images.index("plain"))
    assert data.state().axes[-1] == "coarsest: axis 0"


def test_a_fill_value_is_named_and_leaves_the_picture_its_contrast(
    workspace: Workspace, data: DataController, sample: Sample
) -> None:
    image = np.asarray(sample.volume.data[0]).astype(np.float32)
    layer = workspace.viewer.add_image(image, name="plain")
    limits = tuple(layer.contrast_limits)
    data.add_image(0)
    assert tuple(layer.contrast_limits) == limits
    filled = image.copy()
    filled[:, :5] = -1e30
    layer = workspace.viewer.add_image(filled, name="filled", scale=(2, 1, 1))
    data.add_image(0)
    assert "many voxels hold -1e+30" in said()
    low, high = layer.contrast_limits
    assert image.min() <= low < high <= image.max()
    data.remove_volume("filled")


def test_a_large_image_is_read_while_the_window_answers(
    workspace: Workspace,
    data: DataController,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_layers, "_MANY", 1000)
    image = np.asarray(sample.volume.data[0])
    workspace.viewer.add_image(image, name="head")
    data.add_image(0)
    assert workspace.work.now == WorkState("Reading head")
    assert not workspace.session.records
    qtbot.waitUntil(lambda: "head" in workspace.session.records, timeout=60_000)
    workspace.viewer.add_image(np.zeros((4, 30, 30)), name="black")
    data.add_image(0)
    qtbot.waitUntil(lambda: workspace.work.now is None, timeout=60_000)
    assert "has the same value everywhere" in said()
    assert list(workspace.session.records) == ["head"]


def test_selected_images_become_channels(
    workspace: Workspace, data: DataController, sample: Sample
) -> None:
    image = np.asarray(sample.volume.data[0])
    layers = [workspace.viewer.add_image(image + n, name=f"t{n}") for n in (1, 2)]
    workspace.viewer.layers.selection = set()
    data.add_selected()
    assert "Select image layers" in said()
    workspace.viewer.layers.selection = set(layers)
    data.add_selected()
    (record,) = workspace.session.records.values()
    assert len(record.volume.data) == 2
    assert not data.free_images()


def test_an_image_without_contrast_is_refused(
    workspace: Workspace, data: DataController
) -> None:
    data.add_layers([workspace.viewer.add_image(np.full((5, 20, 24), 7.0))])
    assert "same value everywhere" in said()
    assert not workspace.session.records
    assert len(workspace.viewer.layers) == 1


def test_the_shown_slice_is_marked_done_and_not_done(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    data.toggle_done()  # nothing is there: nothing happens
    record = workspace.session.records[add(sample)]
    workspace.go_to(6)
    before = data.state()
    data.toggle_done()
    assert record.status[6] == Status.DONE
    after = data.state()
    assert after.current == 6
    assert after.status is not None
    assert before.status is not None
    assert (after.status[6], before.status[6]) == (Status.DONE, Status.UNTOUCHED)
    data.toggle_done()
    assert record.status[6] == Status.UNTOUCHED, "nothing was painted on it"
    workspace.undo()
    assert record.status[6] == Status.DONE
    workspace.undo()
    assert not record.status.any()


def test_a_locked_slice_stays_as_it_is(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    record = workspace.session.records[add(sample)]
    workspace.go_to(6)
    data.lock_slice(True)
    data.toggle_done()
    assert "locked" in said()
    assert record.status[6] == Status.UNTOUCHED
    state = data.state()
    assert state.locked is not None
    assert np.flatnonzero(state.locked).tolist() == [6]
    data.lock_slice(False)
    data.toggle_done()
    assert record.status[6] == Status.DONE


@pytest.mark.parametrize(("all_done", "done"), [(True, 16), (False, 10)])
def test_a_mask_becomes_ink(
    workspace: Workspace,
    data: DataController,
    add: Add,
    sample: Sample,
    all_done: bool,
    done: int,
) -> None:
    name = add(sample)
    record = workspace.session.records[name]
    assert int((sample.truth > 0).any(axis=(1, 2)).sum()) == 10
    image = workspace.registry.layer(name, "image")
    assert image is not None
    workspace.viewer.add_labels(sample.truth, name="mine", scale=image.scale)
    assert data.state().masks == ("mine",)
    data.masks.take_free(0, all_done)
    workspace.work.finish()
    assert np.array_equal(record.ink, sample.truth)
    assert int((record.status == Status.DONE).sum()) == done
    assert [c.id for c in workspace.session.classes] == [1, 2]
    workspace.undo()
    assert not record.ink.any()
    assert [c.id for c in workspace.session.classes] == [1]


def test_a_volume_with_labels_leaves_after_a_question(
    workspace: Workspace, data: DataController, add: Add
) -> None:
    one, two = (add(phantom(number)) for number in (0, 1))
    gone: list[str] = []
    workspace.volume_removed.connect(gone.append)
    data.toggle_done()
    for answer, left in ((1, (one, two)), (0, (one,))):
        data.remove_volume(two)
        asked = workspace.questions.waiting
        assert asked is not None
        assert "has labels on 1 slice." in asked.text
        workspace.questions.answer(answer)
        assert data.state().volumes == left
    data.remove_volume(one)
    assert workspace.questions.waiting is None, "nothing is lost with it"
    assert gone == [two, one]
    images = data.free_images()
    assert [layer.name for layer in images] == [one, two]
    assert [layer.visible for layer in images] == [True, False], (
        "the last one is seen meanwhile"
    )


def test_undo_leaves_the_class_that_came_with_the_volume(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    add(sample)
    (first,) = workspace.session.classes
    data.toggle_done()
    for _ in range(3):
        workspace.undo()
    assert not workspace.session.records[sample.volume.id].status.any()
    assert workspace.session.classes == (first,)
    assert workspace.paint_class == first.id


def test_another_volume_is_shown_when_the_shown_one_leaves(
    workspace: Workspace, data: DataController, add: Add
) -> None:
    one, two = (add(phantom(number)) for number in (0, 1))
    workspace.choose_volume(two)
    left = workspace.registry.layer(two, "image")
    data.remove_volume(two)
    assert left is not None
    assert not left.visible, "it would lie over the other"
    assert "stays in napari's list of layers, hidden" in said()
    ink = workspace.registry.layer(one, "ink")
    assert ink is not None
    assert ink.visible
    assert workspace.viewer.layers.selection.active is ink


def test_another_volume_is_fitted_to_the_view_if_it_takes_other_room(
    workspace: Workspace, data: DataController, add: Add
) -> None:
    camera = workspace.viewer.scene.camera
    large, alike, small = (
        add(phantom(number, shape))
        for number, shape in ((0, (16, 40, 40)), (1, (16, 40, 40)), (2, (8, 10, 10)))
    )
    zooms = []
    for name in (large, small):
        workspace.choose_volume(name)
        zooms.append(camera.zoom)
        (image,) = (workspace.registry.layer(name, "image"),)
        assert image is not None
        middle = image.extent.world.mean(axis=0)
        assert np.allclose(camera.center[-2:], middle[-2:], atol=image.scale[-1])
    assert zooms[1] == pytest.approx(4 * zooms[0], rel=0.01)
    workspace.choose_volume(large)
    camera.zoom = 7.0
    workspace.choose_volume(alike)
    assert camera.zoom == 7, "what a person chose stays where it can"


def test_a_volume_is_fitted_to_the_view_beside_a_layer_of_more_axes(
    workspace: Workspace, data: DataController, add: Add
) -> None:
    camera, image = workspace.viewer.scene.camera, phantom(0, (8, 10, 10))
    name = add(image)
    alone = camera.zoom
    data.remove_volume(name)
    workspace.viewer.layers.clear()
    workspace.viewer.add_image(np.zeros((2, 8, 90, 90)))
    name = add(image)
    layer = workspace.registry.layer(name, "image")
    assert layer is not None
    middle = layer.extent.world.mean(axis=0)
    assert np.allclose(camera.center[-2:], middle[-2:], atol=layer.scale[-1])
    assert camera.zoom == pytest.approx(alone, rel=0.2)


def test_how_many_free_images_are_selected_is_known(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    heard: list[int] = []
    workspace.changed.connect(lambda: heard.append(data.state().selected))
    add(sample)
    assert data.state().selected == 0, "the ink layer is selected"
    layers = workspace.viewer.layers
    pair = [workspace.viewer.add_image(np.eye(4), name=name) for name in "ab"]
    layers.selection = set(pair)
    assert heard[-1] == 2
    layers.selection = {workspace.registry.layer(sample.volume.id, "ink")}
    assert heard[-1] == 0


def test_the_slice_axis_turns_the_slider_until_something_is_labelled(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    record = workspace.session.records[add(sample)]
    data.set_axis(1)
    assert workspace.viewer.dims.order[0] == 1
    state = data.state()
    assert state.axis == 1
    assert state.status is not None
    assert len(state.status) == record.volume.shape[1]
    data.toggle_done()
    data.set_axis(0)
    assert "press New" in said()
    assert record.axis == 0, "the first choice made another record"
    assert workspace.session.records[record.volume.id].axis == 1


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_sheared_image_is_added_where_resampling_is_wanted(
    workspace: Workspace, data: DataController
) -> None:
    """A gantry's tilt: each slice lies a voxel further than the one before."""
    shape = (5, 12, 14)
    z, y, x = np.indices(shape)
    values = (10 * z + y + 3.0 * x).astype(np.float32)  # a plane, whatever the grid
    shear = np.eye(3)
    shear[1, 0] = 0.5
    layer = workspace.viewer.add_image(values, name="tilted", affine=shear)
    asked: list[Notice | None] = []
    workspace.questions.asked.connect(asked.append)
    data.add_layers([layer])
    assert asked[-1] is not None
    assert "sheared" in asked[-1].text
    assert not workspace.session.records
    workspace.questions.answer(1)
    assert not workspace.session.records
    other = workspace.viewer.add_image(values, affine=shear)
    data.add_layers([other])
    data.add_layers([layer])
    workspace.viewer.layers.remove(other)
    assert workspace.questions.waiting is not None
    assert workspace.questions.waiting.text.startswith("tilted"), "of a layer gone"
    workspace.questions.answer(0)
    (record,) = workspace.session.records.values()
    assert not layer.visible
    shown = workspace.registry.layer("tilted", "image")
    assert shown is not None
    assert np.allclose(skew(record.volume.affine), 0)
    found = np.asarray(record.volume.data[0])
    inside = [(2, found.shape[1] // 2, 6), (3, found.shape[1] // 2, 5)]
    for place in inside:
        world = record.volume.affine @ [*place, 1]
        there = np.linalg.solve(affine_of_array(layer), world)
        z, y, x = there[:3]
        assert found[place] == pytest.approx(10 * z + y + 3 * x, abs=1e-2)


def affine_of_array(layer: Layer) -> np.ndarray:
    """World RAS+ of the layer's indices, (z, y, x) growing to superior, back, left."""
    matrix = np.eye(4)
    origin = np.asarray(layer.data_to_world((0, 0, 0)))
    for axis in range(3):
        step = np.asarray(layer.data_to_world(np.eye(3)[axis])) - origin
        matrix[:3, axis] = step[::-1] * (-1, -1, 1)
    matrix[:3, 3] = origin[::-1] * (-1, -1, 1)
    return matrix


def test_an_array_without_voxel_size_is_given_one(
    workspace: Workspace, data: DataController, sample: Sample
) -> None:
    """A notice says so; layers, slice axis and slider follow the size."""
    image = np.asarray(sample.volume.data[0])
    layer = workspace.viewer.add_image(image, name="head")
    data.add_image(0)
    assert "no voxel size is known" in said()
    assert data.state().voxel_size == (1, 1, 1)
    data.set_voxel_size((0.1e-3, 0.1e-3, 0.4e-3))
    (record,) = workspace.session.records.values()
    assert record.axis == 2
    assert workspace.viewer.dims.order[0] == 2
    ink = workspace.registry.layer("head", "ink")
    assert ink is not None
    for shown in (layer, ink):
        assert np.allclose(shown.scale, (0.1e-3, 0.1e-3, 0.4e-3))
    assert ink.data is record.ink
    data.toggle_done()
    assert record.status.any()
    data.set_voxel_size((0.2, 0.1, 0.1))
    assert record.axis == 2
    assert np.allclose(layer.scale, (0.2, 0.1, 0.1))


def test_the_voxel_size_is_shown_in_the_unit_it_is_read_in(qapp: object) -> None:
    del qapp
    form = VoxelSizeForm()
    for size, unit in (
        ((4.0, 1.0, 1.0), "mm"),
        ((2e-3, 0.5e-3, 0.5e-3), "µm"),
        ((9e-6, 5e-6, 5e-6), "nm"),
    ):
        form.setValue(size)
        assert form.unit.currentText() == unit
        assert form.value() == pytest.approx(size)
    chosen: list[object] = []
    form.chosen.connect(chosen.append)
    form.sides[0].setValue(7)
    form.set.click()
    assert chosen == [pytest.approx((7e-6, 5e-6, 5e-6))]


def test_the_layer_of_origins_is_opened_and_closed(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    name = add(sample)
    data.show_origin(True)
    assert data.state().origin
    layer = workspace.registry.layer(name, "origin")
    assert layer is not None
    assert layer.data is workspace.session.records[name].origin
    data.show_origin(False)
    assert not data.state().origin


def test_classes_come_change_and_go(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    add(sample)
    classes = ClassController(workspace)
    classes.add_class()
    assert workspace.paint_class == 2
    classes.rename_class(2, "rind")
    classes.recolour_class(2, "#112233")
    classes.lock_class(2, True)
    (_, entry) = workspace.session.classes
    assert (entry.name, entry.colour, entry.locked) == ("rind", "#112233", True)
    classes.delete_class(2)
    assert "is locked" in said()
    classes.lock_class(2, False)
    classes.delete_class(2)
    assert workspace.paint_class == 1


def test_an_added_volume_is_seen_though_another_image_covers_it(
    workspace: Workspace, data: DataController, sample: Sample
) -> None:
    image = np.asarray(sample.volume.data[0])
    layers = workspace.viewer.layers
    one = workspace.viewer.add_image(image, name="one")
    cover = workspace.viewer.add_image(image, name="two", blending="opaque")
    faint = workspace.viewer.add_image(image, name="overlay", blending="additive")
    workspace.viewer.add_image(image, name="far", translate=(500, 0, 0), opacity=0.5)
    workspace.viewer.dims.set_point(0, 510.0)
    data.add_image(0)
    assert one.visible
    assert faint.visible
    assert not cover.visible
    assert workspace.viewer.dims.point[0] == workspace.current_slice == len(image) // 2
    data.add_image([layer.name for layer in data.free_images()].index("far"))
    assert workspace.active == "far"
    assert 500 < workspace.viewer.dims.point[0] < 500 + len(image)
    cover.visible = True  # shown again by hand: it stays
    workspace.work_on("far")
    assert cover.visible
    assert layers.selection.active is workspace.registry.layer("far", "ink")


def test_a_slice_that_is_not_seen_is_not_marked_done(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    record = workspace.session.records[add(sample)]
    workspace.viewer.dims.ndisplay = 3
    data.toggle_done()
    assert "does not show one slice" in said()
    assert not record.status.any()


def test_the_view_is_fitted_to_the_volume_that_is_left(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    add(sample)
    fitted = workspace.viewer.scene.camera.zoom
    far = np.random.default_rng(0).normal(size=(4, 300, 300))
    data.add_layers([workspace.viewer.add_image(far, scale=(2, 9, 9), name="far")])
    workspace.choose_volume("far")
    assert workspace.viewer.scene.camera.zoom < fitted / 2
    data.remove_volume("far")
    assert workspace.viewer.scene.camera.zoom == pytest.approx(fitted)
