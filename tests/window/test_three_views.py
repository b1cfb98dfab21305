"""Three linked views in the real window: clicks, strokes, other volumes, closing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy import QtTest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget

from napari_contrastseg.io.images import read_volume
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.mouse import drag
from tests.kit.nifti import load, save
from tests.kit.rounds import add_round
from tests.kit.window import NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer
#: PyQt's stubs take QTest's static methods for bound ones.
QTest: Any = QtTest.QTest


def press(viewer: Any, key: str) -> None:
    """Press a key on the canvas."""
    QTest.keyClicks(viewer.window._qt_viewer.canvas.native, key)


def settled(qtbot: QtBot, widget: Any) -> tuple[Any, Any]:
    """Wait until both planes are drawn; gives them."""
    three = widget.views.three
    qtbot.waitUntil(lambda: three.resting, timeout=20_000)
    qtbot.wait(50)
    first, second = three.planes.views
    return first, second


def click(view: Any, row: int, column: int) -> None:
    """Click on a voxel of a plane with the mouse."""
    at = view.canvas.mapFromScene(view.place(row, column))
    target = view.canvas.viewport()
    modifier = Qt.KeyboardModifier.NoModifier
    QTest.mouseMove(target, at)
    QTest.mouseClick(target, Qt.MouseButton.LeftButton, modifier, at)


def state(viewer: Any) -> dict[str, Any]:
    """Give all that the key must leave as it was."""
    camera, dims, layers = viewer.scene.camera, viewer.dims, viewer.layers
    return {
        "layers": [
            (layer, layer.visible, layer.opacity, getattr(layer, "mode", None))
            for layer in layers
        ],
        "active": layers.selection.active,
        "camera": (camera.center, camera.zoom, camera.angles),
        "dims": (dims.ndisplay, dims.order, dims.point),
        "docks": len(viewer.window._qt_window.findChildren(QDockWidget)),
        "drags": list(viewer.mouse_drag_callbacks),
    }


@pytest.fixture
def on_screen(make_napari_viewer: Callable[..., Any], qtbot: QtBot) -> tuple[Any, Any]:
    """A window that is seen, with a phantom and two classes."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    data, about, _ = layer_for(phantom(1).volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    widget.workspace.session.add_class()
    qtbot.wait(200)
    return viewer, widget


def shown(view: Any) -> Any:
    """Give the pixels of a plane."""
    return view._image.image


def test_the_key_opens_the_planes_and_closes_them_and_nothing_else_changes(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    """Opened again, they show a round's proposal, and stay in three dimensions."""
    viewer, widget, sample = loaded
    before = state(viewer)
    press(viewer, "o")
    settled(qtbot, widget)
    assert "to look at" in viewer.window._qt_window.findChildren(QDockWidget)[-1].name
    assert widget.views.three.axes() == (1, 2)
    press(viewer, "o")
    qtbot.wait(50)
    assert widget.views.three.planes is None
    assert state(viewer) == before
    a_proposal_is_seen_also_in_three_dimensions(viewer, widget, sample, qtbot)


def a_proposal_is_seen_also_in_three_dimensions(
    viewer: Any, widget: Any, sample: Sample, qtbot: QtBot
) -> None:
    widget.workspace.go_to(3)
    press(viewer, "o")
    first, _ = settled(qtbot, widget)
    before = shown(first).copy()
    add_round(widget.workspace.session, sample.truth)
    qtbot.waitUntil(lambda: widget.sources.resting, timeout=60_000)
    settled(qtbot, widget)
    seen = shown(first).copy()
    assert not np.array_equal(seen, before)
    widget.views.solid.toggle()
    qtbot.waitUntil(lambda: widget.views.solid.is_shown, timeout=20_000)
    settled(qtbot, widget)
    assert np.array_equal(shown(first), seen)
    widget.views.solid.toggle()
    settled(qtbot, widget)
    assert np.array_equal(shown(first), seen)


@pytest.mark.parametrize(
    "affine",
    [
        pytest.param(np.diag([1.0, 1.0, 4.0, 1.0]), marks=pytest.mark.slow),
        pytest.param(np.diag([-1.0, 2.0, -3.0, 1.0]), marks=pytest.mark.slow),
        np.array([[0, 0, 2.5, -7], [0, -1.2, 0, 3], [0.8, 0, 0, 11], [0, 0, 0, 1.0]]),
    ],
    ids=["anisotropic", "flipped", "rotated and flipped"],
)
def test_all_views_show_the_voxel_under_the_cross(
    window: tuple[Any, Any], qtbot: QtBot, tmp_path: Path, affine: Any
) -> None:
    viewer, widget = window
    values = np.random.default_rng(1).integers(0, 256, (12, 18, 14), dtype=np.uint8)
    path = save(tmp_path / "scan.nii.gz", values, affine)
    volume = read_volume(path)
    data, about, _ = layer_for(volume)
    viewer.add_image(data, **about | {"contrast_limits": (0, 255)})
    widget.data.add.click()
    widget.workspace.registry.layer(volume.id, "image").contrast_limits = (0, 255)
    press(viewer, "o")
    views = settled(qtbot, widget)
    three, rng = widget.views.three, np.random.default_rng(2)
    stored = load(path)
    for number in (0, 1, 0, 1):
        rows, columns = (a for a in range(3) if a != three.axes()[number])
        row, column = (int(rng.integers(volume.shape[a])) for a in (rows, columns))
        click(views[number], row, column)
        settled(qtbot, widget)
        voxel = three.voxel
        assert (voxel[rows], voxel[columns]) == (row, column)
        assert (
            widget.workspace.current_slice
            == voxel[widget.workspace.session.records[volume.id].axis]
        )
        world = volume.affine @ (*voxel, 1)  # where nibabel's file has it
        i, j, k = np.rint(np.linalg.inv(stored.affine) @ world)[:3].astype(int)
        value = values[i, j, k]
        for view, axis in zip(views, three.axes(), strict=True):
            at = tuple(v for a, v in enumerate(voxel) if a != axis)
            assert view.cross() == at
            assert shown(view)[at].tolist() == [value] * 3
        mark = widget.workspace.registry.layer(volume.id, "cross")
        assert mark.data[0].tolist() == list(voxel)


@pytest.mark.slow
def test_the_cross_begins_in_the_middle_or_where_the_image_was_clicked(
    on_screen: tuple[Any, Any], qtbot: QtBot
) -> None:
    viewer, widget = on_screen
    three, (_, rows, columns) = widget.views.three, phantom(1).volume.shape
    viewer.mouse_over_canvas = True
    viewer.cursor.position = widget.workspace.registry.world(NAME, (0, 0, 0))
    press(viewer, "o")
    settled(qtbot, widget)
    assert three.voxel == (widget.workspace.current_slice, rows // 2, columns // 2)
    press(viewer, "o")
    widget.workspace.go_to(5)
    qtbot.wait(100)
    drag(viewer, widget, (5, 9, 13))
    widget.workspace.go_to(4)
    press(viewer, "o")
    settled(qtbot, widget)
    assert three.voxel == (4, 9, 13)
    widget.shut_down()


@pytest.mark.slow
def test_a_head_is_shown_the_right_way_up(
    window: tuple[Any, Any], qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, widget = window
    values = np.zeros((10, 11, 12), np.uint8)
    values[..., 10:] = 255  # superior
    volume = read_volume(save(tmp_path / "head.nii.gz", values, np.eye(4)))
    data, about, _ = layer_for(volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    press(viewer, "o")
    for view in settled(qtbot, widget):
        top, bottom = view.place(11, 5), view.place(0, 5)
        assert shown(view)[11, 5].any()
        assert not shown(view)[0, 5].any()
        assert top.y() < bottom.y()
    assert [v.title.text().split(",")[0] for v in widget.views.three.planes.views] == [
        "coronal",
        "sagittal",
    ]


def test_a_stroke_moves_the_cross_and_is_seen_in_the_other_planes(
    on_screen: tuple[Any, Any], qtbot: QtBot
) -> None:
    viewer, widget = on_screen
    widget.workspace.go_to(3)
    press(viewer, "o")
    first, second = settled(qtbot, widget)
    widget.workspace.choose_class(1)
    qtbot.wait(200)
    before = shown(first).copy()
    drag(viewer, widget, (3, 5, 7), (3, 5, 9))
    settled(qtbot, widget)
    record = widget.workspace.session.records[NAME]
    assert record.ink[3, 5, 7] == 1
    assert widget.views.three.voxel == (3, 5, 7)
    assert not np.array_equal(shown(first), before)
    hue = shown(first)[3, 7].astype(int)
    assert hue[0] - hue[2] > 50  # class 1 is orange
    assert shown(second)[3, 5].tolist() == hue.tolist()
    widget.workspace.undo()
    settled(qtbot, widget)
    assert np.ptp(shown(first)[3, 7].astype(int)) == 0
    widget.shut_down()


@pytest.mark.slow
def test_the_slider_moves_the_planes_cross(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    press(viewer, "o")
    first, _ = settled(qtbot, widget)
    widget.workspace.go_to(11)
    assert first.cross()[0] == 11
    viewer.layers[0].visible = False
    settled(qtbot, widget)
    assert np.ptp(shown(first).astype(int), axis=-1).max() > 0  # labels alone
    assert not shown(first)[0, 0].any()


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        "dock",
        pytest.param("volume", marks=pytest.mark.slow),
        "session",
        pytest.param("plugin", marks=pytest.mark.slow),
    ],
)
def test_the_planes_close_with_what_they_belong_to(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot, how: str
) -> None:
    viewer, widget, _ = loaded
    press(viewer, "o")
    settled(qtbot, widget)
    three = widget.views.three
    if how == "dock":
        dock = three.planes.parentWidget()
        dock.destroyOnClose()
    elif how == "volume":
        while widget.workspace.session.history.last:
            widget.workspace.undo()
        widget.data_controller.remove_volume(NAME)
    elif how == "session":
        widget.session_controller.begin_new()
    else:
        widget.shut_down()
    qtbot.waitUntil(lambda: three.planes is None, timeout=5000)
    assert not any("cross" in layer.name for layer in viewer.layers)


def test_a_picture_closes_the_planes(on_screen: tuple[Any, Any], qtbot: QtBot) -> None:
    """It has none, whatever was shown before."""
    viewer, widget = on_screen
    press(viewer, "o")
    settled(qtbot, widget)
    noise = np.random.default_rng(0).normal(size=(30, 40))
    layer = viewer.add_image(noise, name="flat")
    widget.data_controller.add_layers([layer])
    qtbot.waitUntil(lambda: widget.views.three.planes is None)
    widget.workspace.choose_volume(NAME)
    press(viewer, "o")
    settled(qtbot, widget)
    widget.shut_down()


@pytest.mark.slow
def test_a_window_closes_with_the_planes_open(on_screen: Any, qtbot: QtBot) -> None:
    viewer, widget = on_screen
    press(viewer, "o")
    settled(qtbot, widget)
    three = widget.views.three
    viewer.close()
    assert three.planes is None


def test_the_planes_are_as_high_after_the_3d_view_as_before(
    on_screen: tuple[Any, Any], qtbot: QtBot
) -> None:
    """napari's layer controls are higher in 3-D, and take room from below."""
    viewer, widget = on_screen
    press(viewer, "o")
    settled(qtbot, widget)
    planes, window = widget.views.three.planes, viewer.window._qt_window
    window.resize(1000, 950)
    qtbot.wait(100)
    window.resizeDocks([planes.parentWidget()], [220], Qt.Orientation.Vertical)
    qtbot.wait(100)
    before = planes.height()
    viewer.dims.ndisplay = 3
    window.resizeDocks([planes.parentWidget()], [80], Qt.Orientation.Vertical)
    qtbot.wait(100)
    assert planes.height() < before - 20
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: planes.height() >= before - 5, timeout=10_000)
