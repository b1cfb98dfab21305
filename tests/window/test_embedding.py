"""The live map in the real window, and its links with the volume."""

from __future__ import annotations

import csv
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget

from napari_contrastseg.insight.feature_table import FeatureTable, LabelKind
from napari_contrastseg.insight.map_history import EmbeddingFrame
from napari_contrastseg.insight.silhouettes import silhouettes
from napari_contrastseg.recipes.supervised import Settings
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.tasks import feature_probe
from napari_contrastseg.ui.embedding.export import export
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.viewer.image_layers import layer_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer
#: The slice whose classes 1 and 2 are taken for each other, on purpose.
WRONG = 5
LONG = 180_000


@pytest.fixture
def training(
    request: pytest.FixtureRequest,
    make_napari_viewer: Callable[..., Any],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """The dock while a network learns a phantom, looked at often."""
    monkeypatch.setattr(feature_probe, "MOST_OF_TIME", 1.0)
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    add_wrongly_labelled(viewer, widget)
    widget.show_embedding()
    widget.live.base_probe = replace(widget.live.base_probe, seconds=0.1, count=240)
    settings = getattr(request, "param", None)
    asked = LearnSettings("supervised", minutes=5, settings=settings)
    widget.learn_controller.start("fine-tune", asked)
    qtbot.waitUntil(lambda: "look" in widget.embedding.text.text(), timeout=LONG)
    yield widget
    widget.shut_down()
    assert not map_threads()


def add_wrongly_labelled(viewer: Any, widget: Any) -> Sample:
    """Add a phantom whose slices are all done, one of them wrongly."""
    sample = phantom(1)
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    for _ in range(2):
        widget.class_controller.add_class()
    truth = sample.truth.copy()
    truth[WRONG] = np.choose(truth[WRONG], (0, 2, 1))
    mask = viewer.add_labels(truth, name="mine")
    widget.data_controller.masks.take(mask, all_done=True)
    widget.workspace.work.finish()
    viewer.layers.remove(mask)
    return sample


def map_threads() -> list[threading.Thread]:
    """Threads of maps that are still there."""
    return [t for t in threading.enumerate() if t.name == "contrastseg-map"]


def points(widget: Any) -> NDArray[np.float64]:
    """Where the points are drawn, (n, 2)."""
    drawn = [item.getData() for item, _ in widget.embedding.map.items]
    return np.concatenate([np.stack([x, y], axis=1) for x, y in drawn if x is not None])


def finish(widget: Any, qtbot: QtBot, looks: int = 3) -> None:
    """Let the network learn a little more, then end the round and its map."""
    view = widget.embedding
    qtbot.waitUntil(
        lambda: any(f"look {n}:" in view.text.text() for n in range(looks, 99)),
        timeout=LONG,
    )
    widget.learn_controller.cancel()
    qtbot.waitUntil(
        lambda: not widget.learn_controller.state.running and not map_threads(),
        timeout=LONG,
    )
    qtbot.wait(100)  # the last frames may be on their way
    assert view.text.text().startswith("round 1:"), view.text.text()


def lasso(widget: Any, qtbot: QtBot, corners: NDArray[np.float64]) -> None:
    """Drag the mouse along corners of the map."""
    plot = widget.embedding.map
    box = plot.getPlotItem().getViewBox()
    places = [
        plot.mapFromScene(box.mapViewToScene(QPointF(float(x), float(y))))
        for x, y in corners
    ]
    left = Qt.MouseButton.LeftButton
    press(plot, QEvent.Type.MouseButtonPress, places[0], left)
    for place in places[1:]:
        press(plot, QEvent.Type.MouseMove, place, left)
        qtbot.wait(5)
    press(plot, QEvent.Type.MouseButtonRelease, places[-1], Qt.MouseButton.NoButton)


def press(plot: Any, kind: QEvent.Type, place: QPoint, held: Qt.MouseButton) -> None:
    """Send a mouse event; QTest's own moves hold no button."""
    port, at = plot.viewport(), QPointF(place)
    button = Qt.MouseButton.LeftButton
    if kind == QEvent.Type.MouseMove:
        button = Qt.MouseButton.NoButton
    event = QMouseEvent(
        kind,
        at,
        QPointF(port.mapToGlobal(place)),
        button,
        held,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(port, event)


def suspected(view: Any) -> list[int]:
    """Slices on the list of what looks mislabelled."""
    return [i.index for i in view.issues]


def around(places: NDArray[np.float64], margin: float = 0.02) -> NDArray[np.float64]:
    """Corners of a box around points."""
    low, high = places.min(axis=0) - margin, places.max(axis=0) + margin
    box = [low, (low[0], high[1]), high, (high[0], low[1]), low]
    return np.asarray(box, np.float64)


def test_the_map_comes_by_itself_moves_and_is_linked_with_the_volume(
    training: Any, qtbot: QtBot
) -> None:
    """Frames arrive while the network learns; in the end the round's map stands."""
    view = training.embedding
    assert isinstance(view.parentWidget(), QDockWidget)
    before = points(training)
    assert len(before) == 240
    items = [item for item, _ in view.map.items]
    qtbot.waitUntil(lambda: not np.array_equal(points(training), before), timeout=LONG)
    assert [item for item, _ in view.map.items] == items, "moved, not drawn again"
    qtbot.waitUntil(lambda: "look 1:" not in view.text.text(), timeout=LONG)
    finish(training, qtbot)
    shown = points(training)
    qtbot.wait(200)
    assert np.array_equal(points(training), shown), "no late frame comes"
    # the slider over all frames; the right end is now
    frames = training.embedding_controller.recording.frames
    assert view.slider.maximum() == len(frames) - 1 == view.slider.value()
    view.slider.setValue(0)
    assert "look 1:" in view.text.text()
    assert view.freeze.isChecked()
    view.freeze.setChecked(False)
    assert np.array_equal(points(training), shown)
    view.tap.setCurrentText("deepest layer")  # for the next run
    assert training.live.base_probe.tap == "bottleneck"
    assert view.slider.value() == view.slider.maximum()
    the_volume_lights_up_its_points(training, qtbot)


def the_volume_lights_up_its_points(training: Any, qtbot: QtBot) -> None:
    """The shown slice, a drawn region, hover, click, colours, similar voxels."""
    view = training.embedding
    viewer = training.workspace.viewer
    table = view.frame.table
    training.workspace.go_to(4)
    wanted = np.flatnonzero(table.position[:, 0] == 4)
    qtbot.waitUntil(
        lambda: np.array_equal(np.sort(training.linked._lit()), wanted), timeout=LONG
    )
    qtbot.waitUntil(
        lambda: len(view.map._rings.getData()[0]) == len(wanted), timeout=LONG
    )
    name = next(iter(training.workspace.session.records))
    corners = np.array([(4, 8, 8), (4, 8, 20), (4, 20, 20), (4, 20, 8)])
    world = np.stack(
        [training.workspace.registry.world(name, tuple(c)) for c in corners.tolist()]
    )
    shapes = viewer.add_shapes(world, shape_type="polygon")
    inside = ((table.position[:, 1:] > 8) & (table.position[:, 1:] < 20)).all(axis=1)
    lit = training.linked._lit()
    assert np.isin(np.flatnonzero(inside), lit).all()
    assert ((table.position[lit, 1:] >= 8) & (table.position[lit, 1:] <= 20)).all()
    viewer.layers.remove(shapes)
    # hover and click, with the mouse
    elsewhere = np.flatnonzero(table.position[:, 0] != 4)
    _, place = within_reach(view.map, elsewhere)
    qtbot.mouseMove(view.map.viewport(), place + QPoint(1, 0))
    qtbot.mouseMove(view.map.viewport(), place)
    qtbot.waitUntil(lambda: "voxel" in view.crop_text.text(), timeout=LONG)
    assert not view.crop.pixmap().isNull()
    row, place = within_reach(view.map, elsewhere)
    qtbot.mouseClick(view.map.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(
        lambda: training.workspace.current_slice == table.position[row, 0], timeout=LONG
    )
    assert view.chosen.tolist() == [row]
    for kind in range(view.colour.count()):
        view.colour.setCurrentIndex(kind)
        assert sum(len(rows) for _, rows in view.map.items) == len(table)
    # the legend hides a class with all that belongs to it
    view.colour.setCurrentText("class")
    first = view.map.items[0][0]
    first.setVisible(False)
    hidden = len(table) - len(view.map.shown)
    assert hidden == (view.about.label == view.about.label.min()).sum()
    find_similar(training, name, row, qtbot)
    training.shut_down()
    assert not training.similar.runner.running


@pytest.mark.slow
def test_nobody_looks_nothing_is_laid_out(training: Any, qtbot: QtBot) -> None:
    """A dock that is hidden ends its map; shown again, the map comes back."""
    training.embedding.parentWidget().hide()
    assert not training.live.is_wanted()
    qtbot.waitUntil(lambda: not map_threads(), timeout=LONG)
    text = training.embedding.text.text()
    qtbot.wait(300)
    assert training.embedding.text.text() == text
    training.embedding.parentWidget().show()
    qtbot.waitUntil(lambda: training.embedding.text.text() != text, timeout=LONG)


@pytest.mark.slow
def test_a_frozen_map_stands_still(training: Any, qtbot: QtBot) -> None:
    view = training.embedding
    view.freeze.setChecked(True)
    recording = training.embedding_controller.recording
    held, count = points(training), len(recording.frames)
    qtbot.waitUntil(lambda: len(recording.frames) > count, timeout=LONG)
    assert np.array_equal(points(training), held)


@pytest.mark.slow
@pytest.mark.parametrize("training", [Settings()], indirect=True)
def test_a_wrong_slice_is_found_while_a_network_learns(
    training: Any, qtbot: QtBot
) -> None:
    """Later it has learned the wrong labels by heart."""
    view = training.embedding
    qtbot.waitUntil(lambda: suspected(view)[:1] == [WRONG], timeout=LONG)


@pytest.fixture
def told_apart(make_napari_viewer: Callable[..., Any]) -> Iterator[Any]:
    """The dock with the map of a network that knows the classes of a phantom."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    truth = add_wrongly_labelled(viewer, widget).truth
    widget.show_embedding()
    (record,) = widget.workspace.session.records.values()
    rng = np.random.default_rng(0)
    wrong = np.zeros(truth.shape, bool)
    wrong[WRONG] = True
    position = np.concatenate(
        [rng.permutation(np.argwhere(truth == label))[:100] for label in range(3)]
        + [rng.permutation(np.argwhere((truth > 0) & wrong))[:30]]
    )
    known = np.eye(3, dtype=np.float32)[truth[tuple(position.T)]]
    told = known + rng.normal(0, 0.1, known.shape).astype(np.float32)
    table = FeatureTable(
        (record.volume.id,),
        np.zeros(len(position), np.int64),
        position,
        record.truth[tuple(position.T)].astype(np.int64),
        np.full(len(position), LabelKind.TRUTH),
        told,
    )
    scores = silhouettes(table.features, table.label)
    frame = EmbeddingFrame(1, "look 1", table, told[:, 1:], scores)
    widget.embedding_controller.add(frame)
    yield widget
    widget.shut_down()


def test_lasso_give_a_class_and_undo(
    told_apart: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """From points on the map to ink in the volume and back; a wrong slice is found."""
    view = told_apart.embedding
    (record,) = told_apart.workspace.session.records.values()
    # a slice that is labelled wrongly stands on the list, and a click goes there
    assert suspected(view)[:1] == [WRONG]
    assert f"slice {WRONG}" in view.list.item(0).text()
    view.list.setCurrentRow(0)
    view.list.itemClicked.emit(view.list.item(0))
    assert told_apart.workspace.current_slice == WRONG
    table = view.frame.table
    assert (table.position[view.chosen, 0] == WRONG).all()
    marks = told_apart.workspace.registry.layer(record.volume.id, "chosen")
    assert np.array_equal(marks.data, table.position[view.chosen])
    assert told_apart.workspace.viewer.layers.selection.active is not marks
    table = view.frame.table
    lasso(told_apart, qtbot, around(points(told_apart)))
    assert len(view.chosen) == len(table), "all of them"
    # a lasso around one point of class 1: class 2 becomes its ink
    row = int(np.flatnonzero(table.label == 1)[0])
    lasso(told_apart, qtbot, around(view.map.layout_[[row]], 0.05))
    assert row in view.chosen
    places = tuple(table.position[view.chosen].T)
    before, origin = record.ink.copy(), record.origin.copy()
    view.classes.setCurrentIndex(1)
    view.give.click()
    assert (record.ink[places] == 2).all()
    assert (record.origin[places] == Origin.PAINTED).all()
    elsewhere = np.ones(before.shape, bool)
    elsewhere[places] = False
    assert np.array_equal(record.ink[elsewhere], before[elsewhere])
    qtbot.waitUntil(
        lambda: set(view.about.label[view.chosen].tolist()) == {2}, timeout=LONG
    )
    undo_by_key(told_apart, record.volume.id, before, np.where(elsewhere, before, 2))
    assert np.array_equal(record.ink, before)
    assert np.array_equal(record.origin, origin)
    qtbot.waitUntil(lambda: view.about.label[row] == 1, timeout=LONG)
    # chosen slices come first in the queue
    record.status[:] = Status.SPARSE
    view.queue.click()
    assert told_apart.queue_controller.suggestions[0].reason == "chosen"
    assert "chosen on the map" in told_apart.review.next_text.text()
    told_apart.workspace.go_to(0)
    told_apart.queue_controller.go_to_next()
    assert told_apart.workspace.current_slice in table.position[view.chosen, 0]
    told_apart.queue_controller.go_back()
    assert told_apart.workspace.current_slice == 0
    exported(told_apart, tmp_path, row)


def undo_by_key(
    widget: Any, name: str, before: NDArray[Any], after: NDArray[Any]
) -> None:
    """Press Ctrl+Z on the ink layer, which shows `after`, then `before`."""
    viewer, ink = widget.workspace.viewer, widget.workspace.registry.layer(name, "ink")
    assert np.array_equal(np.asarray(ink.data), after)
    viewer.layers.selection.active = ink
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    keys: Any = QTest  # PyQt's stubs take its static methods for bound ones
    keys.keyClick(canvas, "z", Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(np.asarray(ink.data), before)


def exported(widget: Any, folder: Path, row: int) -> None:
    """The map as pictures and as a table."""
    session, table = widget.workspace.session, widget.embedding.frame.table
    for kind in ("png", "svg", "csv"):
        export(widget.embedding, folder / f"map.{kind}", kind)
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")
    drawing = ET.parse(folder / "map.svg")
    circles = drawing.iter("{http://www.w3.org/2000/svg}circle")
    assert sum(1 for _ in circles) >= len(table)
    with (folder / "map.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(table)
    assert rows[row]["class"] == session.class_name(1)
    assert [int(rows[row][f"s{a}"]) for a in range(3)] == table.position[row].tolist()


def within_reach(plot: Any, rows: NDArray[np.intp]) -> tuple[int, QPoint]:
    """A point that the mouse can have: nearest at its pixel, not under the legend."""
    box = plot.getPlotItem().getViewBox()
    legend = plot.legend.sceneBoundingRect()
    for row in rows.tolist():
        place = plot.mapFromScene(
            box.mapViewToScene(QPointF(*plot.layout_[row].tolist()))
        )
        scene = plot.mapToScene(place)
        if plot.at(scene) == row and not legend.contains(scene):
            return row, place
    raise AssertionError("every point is hidden")


def find_similar(training: Any, name: str, row: int, qtbot: QtBot) -> None:
    """The slice that is shown has its heat map first, the volume follows."""
    view, similar = training.embedding, training.similar
    words: list[str] = []  # the button may say "Stop" for a moment alone
    similar.progressed.connect(lambda *_: words.append(view.similar.text()))
    view.similar.click()
    qtbot.waitUntil(lambda: words[-1:] == ["Find similar"], timeout=LONG)
    assert any(text.startswith("Stop (") for text in words)
    assert not similar.runner.running
    voxel = tuple(view.frame.table.position[row])
    qtbot.waitUntil(lambda: similar._heat[voxel] == 255, timeout=LONG)
    every = similar._heat.any
    qtbot.waitUntil(lambda: bool(every(axis=(1, 2)).all()), timeout=LONG)
    layer = training.workspace.registry.layer(name, "similarity")
    assert np.shares_memory(layer.data, similar._heat)
    training.workspace.viewer.layers.remove(layer)
    similar.find(name, voxel)
    view.similar.click()
    qtbot.waitUntil(lambda: not similar.runner.running, timeout=LONG)
    assert not similar._heat.any(axis=(1, 2)).all(), "stopped before all slices"
    similar.find(name, voxel)
