"""Smart brush and box in the real window, by mouse and keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QPoint, Qt
from scipy import ndimage

from napari_contrastseg.io.images import read_labels
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.tasks.exports.masks import MaskOptions
from napari_contrastseg.ui.export.panel import ExportSettings
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.mouse import QTest, canvas_point, drag
from tests.kit.window import NAME, export, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer

SHAPE, MIDDLE, RADIUS = (5, 90, 90), (2, 45, 45), 22


def disc(radius: float) -> np.ndarray:
    rows, columns = np.indices(SHAPE[1:])
    far = (rows - MIDDLE[1]) ** 2 + (columns - MIDDLE[2]) ** 2
    return np.asarray(far <= radius**2)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.fixture
def ball(window: tuple[Any, Any], qtbot: QtBot) -> tuple[Any, Any]:
    """A bright disc in noise on every slice, slice 2 shown, class 1 chosen."""
    viewer, widget = window
    noise = np.random.default_rng(0).normal(0, 0.1, SHAPE)
    data = ((disc(RADIUS) + noise).astype(np.float32),)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])[[2, 1, 0, 3]].T
    volume = replace(phantom(1).volume, data=data, affine=affine)
    image, about, _ = layer_for(volume)
    viewer.add_image(image, **about)
    widget.data.add.click()
    widget.workspace.choose_class(1)
    widget.workspace.go_to(MIDDLE[0])
    viewer.reset_view()
    viewer.window._qt_window.show()
    qtbot.waitExposed(viewer.window._qt_window)
    QCoreApplication.processEvents()
    return viewer, widget


def press(
    viewer: Any, key: str, modifier: Any = Qt.KeyboardModifier.NoModifier
) -> None:
    """Press a key over the canvas."""
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, key, modifier)
    QCoreApplication.processEvents()


def click(viewer: Any, point: QPoint) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(canvas, point)
    QTest.mouseClick(
        canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point
    )
    QCoreApplication.processEvents()


def test_a_stroke_with_the_smart_brush_finds_the_edge(ball: tuple[Any, Any]) -> None:
    viewer, widget = ball
    record = widget.workspace.session.records[NAME]
    layer = widget.workspace.registry.layer(NAME, "ink")
    layer.brush_size = 26
    press(viewer, "g")
    assert "Smart brush on" in said()
    assert widget.further["Smart tools"].panel.brush.isChecked()
    drag(viewer, widget, (2, 43, 43), (2, 45, 47), (2, 47, 45))
    QCoreApplication.processEvents()
    found = record.ink[2] == 1
    assert dice(found, disc(RADIUS)) > 0.95
    assert np.array_equal(layer._slice.image.raw == 1, found), "and it is shown"
    press(viewer, "z", Qt.KeyboardModifier.ControlModifier)
    assert not record.ink.any()
    press(viewer, "g")
    drag(viewer, widget, (2, 43, 43), (2, 45, 47), (2, 47, 45))
    assert dice(record.ink[2] == 1, disc(RADIUS)) < 0.9


CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
CORNERS = (2, 20, 21), (2, 69, 68)


def drag_with_alt(viewer: Any, widget: Any) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    first, last = (canvas_point(viewer, widget, corner) for corner in CORNERS)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, ALT, first)
    QTest.mouseMove(canvas, last)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, ALT, last)


def click_in_the_middle(viewer: Any, widget: Any) -> None:
    click(viewer, canvas_point(viewer, widget, MIDDLE))


WAYS: dict[str, Callable[[Any, Any], None]] = {
    "drag": lambda *both: drag(*both, CORNERS[0], (2, 40, 40), CORNERS[1]),
    "drag with Alt": drag_with_alt,
    "click": click_in_the_middle,
}


def test_what_is_pointed_at_is_accepted_taken_away_or_left(
    ball: tuple[Any, Any], subtests: pytest.Subtests
) -> None:
    """In one window: A accepts, R rejects, Ctrl and a click take a place away."""
    for way, point_at in WAYS.items():
        with subtests.test(way):
            accept_what_is_pointed_at(*ball, point_at)
    with subtests.test("Ctrl and a click"):
        take_a_place_away_and_reject(*ball)
    with subtests.test("Escape"):
        leave_with_escape(*ball)


def accept_what_is_pointed_at(
    viewer: Any, widget: Any, point_at: Callable[[Any, Any], None]
) -> None:
    """Point at the disc, accept it, and take it back."""
    record = widget.workspace.session.records[NAME]
    layer = widget.workspace.registry.layer(NAME, "ink")
    camera = viewer.scene.camera.center
    press(viewer, "b", ALT)
    assert "Drag a box" in said()
    point_at(viewer, widget)
    QCoreApplication.processEvents()
    assert not viewer.canvas.overlays._zoom_box.visible
    assert not record.ink.any()
    assert "A accepts" in said()
    assert widget.review_bar.accept.isEnabled()
    press(viewer, "a")
    found = record.ink[2] == 1
    assert dice(found, disc(RADIUS)) > 0.95
    assert f"{found.sum()} voxels of" in said()
    assert viewer.scene.camera.center == camera
    press(viewer, "b", ALT)
    assert layer.mode == "paint"
    assert viewer.layers.selection.active is layer
    press(viewer, "z", CONTROL)
    assert not record.ink.any()


def take_a_place_away_and_reject(viewer: Any, widget: Any) -> None:
    press(viewer, "b", ALT)
    click_in_the_middle(viewer, widget)
    suggestion = widget.further["Smart tools"].suggestion

    def shown() -> Any:
        layer = widget.workspace.registry.layer(NAME, "suggestion")
        return np.asarray(layer.data[2]) == 1

    before = shown().sum()
    canvas = viewer.window._qt_viewer.canvas.native
    point = canvas_point(viewer, widget, (2, 45, 60))
    QTest.mouseMove(canvas, point)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, CONTROL, point)
    QCoreApplication.processEvents()
    assert shown().sum() < before
    press(viewer, "z", CONTROL)
    assert shown().sum() == before
    press(viewer, "r")
    assert not suggestion.is_there
    assert not widget.workspace.session.records[NAME].ink.any()
    press(viewer, "b", ALT)


def leave_with_escape(viewer: Any, widget: Any) -> None:
    suggestion = widget.further["Smart tools"].suggestion
    press(viewer, "b", ALT)
    assert suggestion.waiting
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, Qt.Key.Key_Escape)
    assert not suggestion.waiting
    drag(viewer, widget, (2, 20, 20), (2, 30, 30))
    assert widget.workspace.session.records[NAME].ink.any(), "the brush is back"


def test_pieces_are_numbered_by_key_and_exported(
    ball: tuple[Any, Any], tmp_path: Path, qtbot: QtBot
) -> None:
    viewer, widget = ball
    session = widget.workspace.session
    where = np.zeros(SHAPE, bool)
    where[1:4, 10:20, 10:20] = where[3, 40:70, 40:70] = where[4, 71, 71] = True
    painting.paint(session, NAME, where, 1)
    smart, step = widget.further["Smart tools"], widget.further["Export"]
    with qtbot.waitSignal(smart.runner.ended, timeout=20_000):
        press(viewer, "i", Qt.KeyboardModifier.AltModifier)
    assert said().startswith("3 pieces of class 1: 900, 300, 1 voxels")
    options = MaskOptions(instances="corner")
    step.panel.setValue(ExportSettings(tmp_path, "masks", options))
    export(qtbot, step, step.panel.run.click)
    back = np.asarray(read_labels(tmp_path / f"{NAME}_instances.nii.gz").data[0])
    whole, _ = ndimage.label(where, np.ones((3, 3, 3)))
    assert np.array_equal(back > 0, whole > 0)
    assert np.bincount(back.ravel().astype(int)).tolist()[1:] == [900, 300, 1]
    shown = widget.workspace.registry.layer(NAME, "instances").data
    assert np.array_equal(shown, back)
