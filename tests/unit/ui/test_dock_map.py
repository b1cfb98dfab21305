"""The map and the volume in the dock: marks, regions, what was chosen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.insight.feature_table import FeatureTable, LabelKind
from napari_contrastseg.insight.map_history import EmbeddingFrame
from napari_contrastseg.insight.silhouettes import silhouettes
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.embedding.dock import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

LONG = 180_000


def shown(widget: Any, count: int = 60, seed: int = 0, **about: Any) -> EmbeddingFrame:
    """Show a map of voxels of all volumes, as if a network had learned."""
    rng = np.random.default_rng(seed)
    records = widget.workspace.session.records
    volume = rng.integers(0, len(records), count)
    shapes = np.array([r.volume.shape for r in records.values()])[volume]
    table = FeatureTable(
        tuple(records),
        volume,
        (rng.random((count, 3)) * shapes).astype(np.int64),
        rng.integers(0, 2, count),
        np.where(np.arange(count) % 2, LabelKind.UNLABELLED, LabelKind.TRUTH),
        rng.normal(size=(count, 4)).astype(np.float32),
    )
    scores = silhouettes(table.features[table.known], table.label[table.known])
    layout = rng.normal(size=(count, 2)).astype(np.float32)
    frame = EmbeddingFrame(1, "look 1", table, layout, scores, **about)
    widget.embedding_controller.add(frame)
    return frame


@pytest.fixture
def docks(docked: tuple[Any, Any], qtbot: QtBot) -> Callable[..., Any]:
    """Adds some images to the session, and opens the map."""
    viewer, widget = docked

    def open_with(*images: NDArray[np.float32]) -> Any:
        for number, image in enumerate(images):
            layer = viewer.add_image(image, name="ab"[number])
            widget.data_controller.add_layers([layer])
        widget.embedding.resize(500, 500)
        widget.embedding.show()
        qtbot.waitExposed(widget.embedding)
        return widget

    return open_with


def noise(*shape: int) -> NDArray[np.float32]:
    """An image of nothing."""
    return np.random.default_rng(0).random(shape, np.float32)


def test_marks_belong_to_their_volume(docks: Any, qtbot: QtBot) -> None:
    """They come and go with it, and with the map that they were chosen on."""
    widget = docks(noise(9, 20, 22), noise(7, 24, 18))
    view = widget.embedding
    frame = shown(widget)
    layer = widget.workspace.registry.layer
    view.choose(np.arange(len(frame.table)))
    for name in ("a", "b", "a"):
        widget.workspace.choose_volume(name)
        other = "b" if name == "a" else "a"
        mine = frame.table.volume == frame.table.names.index(name)
        assert layer(name, "chosen").visible
        assert not layer(other, "chosen").visible
        assert len(layer(name, "chosen").data) == mine.sum()
    # the list, or a click, may lead to the other volume
    view.choose(NOTHING)
    row = int(np.flatnonzero(frame.table.volume == 1)[0])
    view.went.emit(row)
    assert widget.workspace.active == "b"
    assert len(layer("b", "chosen").data) == 1
    assert layer("b", "chosen").visible
    # another table: nothing of the old one is ringed, marked or pointed at
    widget.linked.point(row)
    assert view.crop_text.text()
    later = shown(widget, count=30, seed=1)
    assert not len(view.chosen)
    assert not view.crop_text.text()
    assert not len(layer("b", "chosen").data)
    qtbot.waitUntil(
        lambda: np.array_equal(view.map._rows[view.map._rings], widget.linked._lit())
    )
    assert later.table is view.frame.table
    # what the legend hides stays hidden when colours are drawn again
    view.map.items[0][0].setVisible(False)
    count = len(view.map.shown)
    widget.workspace.session.add_class()
    view.redraw()
    assert len(view.map.shown) == count
    widget.embedding_controller.forget()
    assert not view.map.items
    assert not view.list.count()
    assert not view.plots.bars.getPlotItem().items


def ringed(view: Any, count: int) -> bool:
    """Whether about so many points are ringed in white."""
    return abs(len(view.map._rings.getData()[0]) - count) <= 2


def test_a_drawn_region_lights_up_as_it_is_drawn(docks: Any, qtbot: QtBot) -> None:
    widget = docks(noise(9, 20, 22))
    view, viewer = widget.embedding, widget.workspace.viewer
    frame = shown(widget)
    shapes = viewer.add_shapes(ndim=3)
    qtbot.waitUntil(lambda: widget.linked._shapes == shapes, timeout=LONG)
    whole = np.array([(4, -1, -1), (4, -1, 30), (4, 30, 30), (4, 30, -1)])
    for kind in ("rectangle", "ellipse"):
        shapes.data = []
        shapes.add(whole, shape_type=kind)
        inside = frame.table.position[:, 1:] + 0.0
        if kind == "ellipse":
            inside = inside[((inside - 14.5) ** 2).sum(axis=1) < 15**2]
        qtbot.waitUntil(partial(ringed, view, len(inside)), timeout=LONG)
    flat = viewer.add_shapes(whole[:, 1:])
    viewer.dims.order = (1, 0, 2)
    viewer.layers.selection.active = flat
    widget.linked.follow()
    assert not len(view.map._rings.getData()[0])


def test_a_picture_has_a_map_too(docks: Any) -> None:
    """Layers of two dimensions: marks, crop, going there, a class."""
    widget = docks(noise(40, 50))
    view = widget.embedding
    frame = shown(widget)
    view.choose(np.arange(5))
    places = frame.table.position[:5]
    marks = widget.workspace.registry.layer("a", "chosen")
    assert np.array_equal(marks.data, places[:, 1:])
    widget.linked.point(3)
    assert not view.crop.pixmap().isNull()
    view.went.emit(3)
    view.classes.setCurrentIndex(0)
    view.give.click()
    record = widget.workspace.session.records["a"]
    assert (record.ink[tuple(places.T)] == 1).all()
    view.queue.click()
    assert widget.queue_controller.suggestions[0].reason == "chosen"
    view.similar.click()
    assert not widget.similar.runner.running, "no network has learned yet"


def test_what_was_chosen_stays_with_its_session(docks: Any) -> None:
    """Another session's volume of that name is another volume."""
    widget = docks(noise(9, 20, 22))
    view = widget.embedding
    shown(widget)
    view.choose(np.arange(60))
    view.queue.click()
    assert widget.queue_controller.suggestions
    widget.queue_controller.go_to_next()
    other = Session()
    other.add_volume(Volume("a", (noise(3, 20, 22),), np.eye(4)))
    widget.workspace.replace(other)
    assert not widget.queue_controller.suggestions
    widget.queue_controller.go_back()
    assert "no slice to go back to" in str(notification_manager.records[-1].message)
