"""Where the mouse is, when the slice or the camera has moved under it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_contrastseg.ui.viewer.mouse_place import MousePlace


@pytest.fixture
def viewer() -> ViewerModel:
    """Slice 3 of a volume, with the mouse at row 10, column 20."""
    made = ViewerModel()
    made.add_image(np.zeros((8, 60, 60)))
    made.dims.set_point(0, 3)
    made.scene.camera.center, made.scene.camera.zoom = (0, 30, 30), 4
    made.cursor.position = (3, 10, 20)
    return made


def test_the_slice_is_the_one_that_is_shown(viewer: ViewerModel) -> None:
    place = MousePlace(viewer)
    viewer.dims.set_point(0, 5)
    assert place.world == (5, 10, 20)


def test_the_camera_may_have_moved_under_the_mouse(viewer: ViewerModel) -> None:
    place = MousePlace(viewer)
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, None)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 40, 30), 8
    assert place.world == pytest.approx((3, 30, 25))
    viewer.dims.order = (1, 0, 2)  # nobody knows where it is now
    assert place.world[1] == pytest.approx(viewer.dims.point[1])


def test_a_drag_is_followed(viewer: ViewerModel) -> None:
    place = MousePlace(viewer)
    event = SimpleNamespace(type="mouse_press")
    steps = viewer.mouse_drag_callbacks[-1](viewer, event)
    next(steps)
    event.type = "mouse_move"
    viewer.scene.camera.center = (0, 50, 30)  # the view is dragged with the mouse
    next(steps)
    event.type = "mouse_release"
    assert next(steps, None) is None
    assert place.world == (3, 10, 20)


def test_it_lets_go_of_the_viewer(viewer: ViewerModel) -> None:
    before = len(viewer.mouse_move_callbacks), len(viewer.mouse_drag_callbacks)
    MousePlace(viewer).close()
    after = len(viewer.mouse_move_callbacks), len(viewer.mouse_drag_callbacks)
    assert before == after
