"""The 3-D view in the real window: there and back, and what happens meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.ui.viewer.image_layers import layer_for
from napari_contrastseg.ui.views import solid
from tests.kit.mouse import QTest
from tests.kit.rounds import add_round
from tests.kit.window import NAME, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def reviewed(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> Iterator[tuple[Any, Any]]:
    """A window that is seen, with a phantom whose truth a round proposes."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(900, 600)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    sample = phantom(1)
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    widget.workspace.session.add_class()
    add_round(widget.workspace.session, sample.truth)
    widget.workspace.go_to(5)
    qtbot.wait(200)
    yield viewer, widget
    widget.shut_down()


def press(
    viewer: Any, key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier
) -> None:
    """Press a key on the canvas."""
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, key, modifier)


def there(viewer: Any, widget: Any, qtbot: QtBot) -> None:
    """Press the key, and wait until the volume is seen in 3-D."""
    press(viewer, Qt.Key.Key_O, SHIFT)
    qtbot.waitUntil(lambda: widget.views.solid.is_shown, timeout=20_000)
    qtbot.waitUntil(lambda: widget.views.solid.resting, timeout=20_000)
    qtbot.wait(50)


def back(viewer: Any, widget: Any, qtbot: QtBot) -> None:
    """Press the key again."""
    press(viewer, Qt.Key.Key_O, SHIFT)
    assert not widget.views.solid.is_shown
    qtbot.wait(50)


def layer(widget: Any, kind: str) -> Any:
    return widget.workspace.registry.layer(NAME, kind)


def state(viewer: Any) -> dict[str, Any]:
    """Give all that must be as it was."""
    camera, dims = viewer.scene.camera, viewer.dims
    names = ("visible", "opacity", "mode", "contour", "editable", "selected_label")
    return {
        "layers": [
            (one, *(getattr(one, name, None) for name in names))
            for one in viewer.layers
        ],
        "arrays": [np.asarray(one.data).tobytes() for one in viewer.layers],
        "selection": (set(viewer.layers.selection), viewer.layers.selection.active),
        "camera": (camera.center, camera.zoom, camera.angles),
        "dims": (dims.ndisplay, dims.order, dims.point, dims.range),
    }


@pytest.mark.parametrize(
    "mode", ["paint", pytest.param("pan_zoom", marks=pytest.mark.slow)]
)
def test_the_key_goes_there_and_back_and_leaves_all_as_it_was(
    reviewed: tuple[Any, Any], qtbot: QtBot, mode: str
) -> None:
    """Also where keys and strokes of the tools come in three dimensions."""
    viewer, widget = reviewed
    layer(widget, "ink").mode = mode
    layer(widget, "prediction").contour = 2
    layer(widget, "pseudo").visible = False
    viewer.scene.camera.zoom *= 1.7
    viewer.scene.camera.center = (0.0, 11.0, 22.5)
    before = state(viewer)
    there(viewer, widget, qtbot)
    assert viewer.dims.ndisplay == 3
    shown = [one for one in viewer.layers if one.visible]
    assert [one.name for one in shown] == [f"{NAME} image in 3-D", f"{NAME} in 3-D"]
    labels = layer(widget, "solid")
    assert np.array_equal(
        labels.data, widget.workspace.session.records[NAME].prediction
    )
    assert np.array_equal(labels.scale, layer(widget, "ink").scale)
    keys_and_strokes_paint_nothing(viewer, widget)
    back(viewer, widget, qtbot)
    assert state(viewer) == before


def keys_and_strokes_paint_nothing(viewer: Any, widget: Any) -> None:
    record = widget.workspace.session.records[NAME]
    native = viewer.window._qt_viewer.canvas.native
    for key in (Qt.Key.Key_P, Qt.Key.Key_2, Qt.Key.Key_E, Qt.Key.Key_F, Qt.Key.Key_1):
        press(viewer, key)
        middle = QPoint(native.width() // 2, native.height() // 2)
        QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=middle)
        QTest.mouseMove(native, middle + QPoint(9, 9))
        QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=middle + QPoint(9, 9))
        assert layer(widget, "ink").mode == "pan_zoom"
    for key in (Qt.Key.Key_A, Qt.Key.Key_C, Qt.Key.Key_R, Qt.Key.Key_Q, Qt.Key.Key_W):
        press(viewer, key)
    assert "turn off 3-D first" in said()
    assert not record.status.any()


def test_the_view_follows_ink_and_a_round(
    reviewed: tuple[Any, Any], qtbot: QtBot
) -> None:
    viewer, widget = reviewed
    session = widget.workspace.session
    record = session.records[NAME]
    there(viewer, widget, qtbot)
    where = np.zeros(record.ink.shape, bool)
    where[2, 3:6, 3:6] = True
    painting.paint(session, NAME, where, np.full(9, 2, np.uint8))
    qtbot.waitUntil(lambda: bool(layer(widget, "solid").data[2, 4, 4] == 2))
    add_round(session, np.roll(record.prediction, 3, axis=2))
    qtbot.waitUntil(
        lambda: np.array_equal(layer(widget, "solid").data, record.prediction)
    )
    shown = {one.name for one in viewer.layers if one.visible}
    assert shown == {f"{NAME} image in 3-D", f"{NAME} in 3-D"}
    back(viewer, widget, qtbot)
    assert layer(widget, "prediction").visible
    assert layer(widget, "pseudo").visible
    assert layer(widget, "solid") is None


@pytest.mark.slow
def test_a_hidden_proposal_is_left_out(reviewed: tuple[Any, Any], qtbot: QtBot) -> None:
    viewer, widget = reviewed
    press(viewer, Qt.Key.Key_Q)
    there(viewer, widget, qtbot)
    assert not layer(widget, "solid").data.any()
    back(viewer, widget, qtbot)
    assert not layer(widget, "prediction").visible


@pytest.mark.slow
def test_napari_s_own_button_goes_back_too(
    reviewed: tuple[Any, Any], qtbot: QtBot
) -> None:
    viewer, widget = reviewed
    before = state(viewer)
    there(viewer, widget, qtbot)
    viewer.dims.ndisplay = 2
    qtbot.waitUntil(lambda: not widget.views.solid.is_shown)
    assert state(viewer) == before


@pytest.mark.slow
def test_another_volume_is_shown_in_its_slice(
    reviewed: tuple[Any, Any], qtbot: QtBot
) -> None:
    viewer, widget = reviewed
    there(viewer, widget, qtbot)
    data, about, _ = layer_for(phantom(2).volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    qtbot.waitUntil(lambda: not widget.views.solid.is_shown)
    assert widget.workspace.active == "phantom_002"
    assert viewer.dims.ndisplay == 2
    shown = {one.name for one in viewer.layers if one.visible}
    assert shown == {"phantom_002", "phantom_002 ink"}
    assert not any("3-D" in one.name for one in viewer.layers)
    widget.workspace.choose_volume(NAME)
    assert layer(widget, "ink").visible
    assert layer(widget, "prediction").visible


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [pytest.param("session", marks=pytest.mark.slow), "plugin", "window"]
)
def test_it_ends_with_the_session_the_plugin_and_the_window(
    reviewed: tuple[Any, Any], qtbot: QtBot, how: str
) -> None:
    viewer, widget = reviewed
    there(viewer, widget, qtbot)
    if how == "session":
        widget.session_controller.begin_new()
        widget.workspace.work.finish()
    elif how == "plugin":
        widget.shut_down()
    else:
        viewer.close()
    assert not widget.views.solid.is_shown
    if how != "window":
        assert viewer.dims.ndisplay == 2
        assert not any("3-D" in one.name for one in viewer.layers)


@pytest.mark.slow
def test_a_large_volume_is_drawn_coarser_and_that_is_said(
    reviewed: tuple[Any, Any], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, widget = reviewed
    monkeypatch.setattr(solid, "_SIDE", 20)
    monkeypatch.setattr(solid, "_COARSE_SIDE", 20)
    there(viewer, widget, qtbot)
    record = widget.workspace.session.records[NAME]
    assert np.array_equal(layer(widget, "solid").data, record.prediction[:, ::2, ::2])
    assert layer(widget, "solid").scale.tolist() == [2.0, 2.0, 2.0]
    assert "one voxel of 1 x 2 x 2 is shown" in said()
    back(viewer, widget, qtbot)


@pytest.mark.slow
def test_ctrl_z_undoes_in_3d_too(reviewed: tuple[Any, Any], qtbot: QtBot) -> None:
    viewer, widget = reviewed
    record = widget.workspace.session.records[NAME]
    painting.paint(widget.workspace.session, NAME, np.ones(record.ink.shape, bool), 1)
    there(viewer, widget, qtbot)
    press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not record.ink.any()
    press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | SHIFT)
    assert record.ink.all()
    back(viewer, widget, qtbot)
