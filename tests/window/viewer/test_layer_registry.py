"""Any layer: each kind works, or is refused with one sentence before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
import zarr
from napari.layers import Image
from napari.layers._layer_actions import _convert_dtype, _duplicate_layer
from qtpy.QtCore import QCoreApplication

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import mask_of
from napari_contrastseg.tasks.exports import Output, export_named
from napari_contrastseg.tasks.exports.masks import MaskOptions
from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.window import NAME, export, said, wait_idle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer
RNG = np.random.default_rng(0)
BASE = RNG.normal(100, 20, (5, 20, 24))


def as_zarr(array: NDArray[Any]) -> Any:
    store = zarr.create_array(
        zarr.storage.MemoryStore(), shape=array.shape, dtype=array.dtype
    )
    store[...] = array
    return store


def with_holes(array: NDArray[Any]) -> NDArray[Any]:
    made = array.copy()
    made[1, :4], made[2, :4] = np.nan, np.inf
    return made


WORKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "float64": (BASE, {}),
    "float16": (BASE.astype(np.float16), {}),
    "big-endian": (BASE.astype(">i2"), {}),
    "uint64 with an offset": (BASE.astype(np.uint64) + np.uint64(2**40), {}),
    "bool": (BASE > 100, {}),
    "huge values": (BASE * 1e300, {}),
    "holes": (with_holes(BASE), {}),
    "one slice": (BASE[:1], {}),
    "plane": (BASE[0], {}),
    "RGB": (RNG.integers(0, 255, (20, 24, 3)).astype(np.uint8), {"rgb": True}),
    "dask": (dask.array.from_array(BASE, (1, 20, 24)), {}),  # type: ignore[no-untyped-call]
    "zarr": (as_zarr(BASE), {}),
    "read-only": (np.broadcast_to(BASE, BASE.shape), {}),
    "transposed": (np.asfortranarray(BASE)[::-1].transpose(0, 2, 1), {}),
    "scaled and moved": (BASE, {"scale": (3, 1, 1), "translate": (9, -4, 2)}),
    "turned in the plane": (BASE, {"rotate": (0, 0, 30)}),
    "tilted": (BASE, {"scale": (2, 1, 1), "rotate": (0, 45, 0)}),
    "multiscale": ([BASE, BASE[:, ::2, ::2]], {"multiscale": True}),
}


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(list(WORKS)[::4], id="some"),
        pytest.param(list(WORKS), id="all", marks=pytest.mark.slow),
    ],
)
def test_it_works_from_the_layer_to_the_mask(
    window: tuple[Any, Any],
    tmp_path: Path,
    subtests: pytest.Subtests,
    kinds: list[str],
) -> None:
    """In one window: to open another for each takes longer than all the rest."""
    viewer, widget = window
    for kind in kinds:
        data, about = WORKS[kind]
        with subtests.test(kind):
            layer = viewer.add_image(data, name="image", **about)
            widget.data_controller.add_layers([layer])
            label_and_export(widget, tmp_path / kind)
        widget.session_controller.begin_new()
        widget.workspace.work.finish()
        viewer.layers.clear()


def label_and_export(widget: Any, folder: Path) -> None:
    """Paint a voxel, export it, take it back; a network can read the image."""
    session = widget.workspace.session
    (record,) = session.records.values()
    ink = widget.workspace.registry.layer("image", "ink")
    place = (0, 4, 5)[-ink.ndim :]
    ink.data_setitem(tuple(np.array([i]) for i in place), 1)
    assert record.ink[0, 4, 5] == 1
    widget.workspace.go_to(0)
    assert widget.workspace.current_slice == 0
    widget.data_controller.toggle_done()
    assert record.status[0] == Status.DONE
    options = MaskOptions(".tif", complete=False)
    masks = export_named("masks")
    list(masks.write(session, options, Output(folder)))
    back = read_labels(folder / "image.tif").data[0]
    assert np.array_equal(back, mask_of(record, complete=False))
    widget.workspace.undo()
    widget.workspace.undo()
    assert not record.ink.any()
    from napari_contrastseg.learning.data.slice_axes import input_spec
    from napari_contrastseg.learning.data.slice_reader import SliceReader

    record.volume.slice(record.axis, 0)
    spec = input_spec([record.volume], 0, 1)
    image = SliceReader(record.volume, spec).image(0)
    assert image.isfinite().all()
    assert image.std() > 0.05


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "all NaN": (BASE * np.nan, {}, "no finite number"),
    "constant": (np.full_like(BASE, 7), {}, "same value everywhere"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_is_refused_with_one_sentence(
    window: tuple[Any, Any],
    kind: str,
) -> None:
    viewer, widget = window
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_an_action_that_fails_within_another_leaves_nothing() -> None:
    session = Session()
    told = []
    session.classes_changed.connect(lambda: told.append(session.classes))

    def fail() -> None:
        with session.action("both"):
            session.add_class("core")
            raise InputError("no")

    with pytest.raises(InputError):
        fail()
    assert session.classes == ()
    assert told[-1] == ()
    assert session.undo() is None
    session.add_class("core")
    assert session.undo() == "add class"


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


def test_every_channel_has_its_layer(window: tuple[Any, Any]) -> None:
    viewer, widget = window
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


@pytest.mark.slow
def test_two_viewers_know_nothing_of_each_other(
    loaded: tuple[Any, Any, Sample],
    make_napari_viewer: Any,
) -> None:
    _, widget, _ = loaded
    other = make_napari_viewer()
    _, second = other.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    data, about, _ = layer_for(phantom(2).volume)
    other.add_image(data, **about)
    second.data.add.click()
    session = second.workspace.session
    where = np.zeros((16, 40, 40), bool)
    where[3, 3] = True
    painting.paint(session, "phantom_002", where, 1)
    before = widget.workspace.session.records[NAME].ink.copy()
    second.workspace.undo()
    second.workspace.redo()
    assert np.array_equal(widget.workspace.session.records[NAME].ink, before)
    assert second.workspace.folder != widget.workspace.folder
    second.shut_down()
    widget.workspace.undo()
    assert widget.session_controller.flush()


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


@pytest.mark.slow
def test_rounds_are_compared(
    loaded: tuple[Any, Any, Sample],
    qtbot: QtBot,
) -> None:
    viewer, widget, _ = loaded
    for _ in range(2):
        widget.learn_controller.start(
            "fine-tune", LearnSettings("supervised", minutes=0.01)
        )
        wait_idle(qtbot, widget)
    assert widget.review.other.isEnabled()
    widget.review.other.setCurrentIndex(1)
    widget.review.other.activated.emit(1)
    assert "differs in" in widget.review.compared.text()
    assert widget.review.other.currentText() == "round 1"
    session = widget.workspace.session
    one, two = (r.proposals[NAME].prediction for r in session.rounds)
    shown = widget.workspace.registry.layer(NAME, "difference").data
    assert np.array_equal(shown > 0, one != two)
    assert viewer.layers.selection.active is widget.workspace.registry.layer(
        NAME, "ink"
    )
    widget.review.other.activated.emit(0)
    assert widget.review.other.currentText() == "nothing"
    assert widget.workspace.registry.layer(NAME, "difference") is None
