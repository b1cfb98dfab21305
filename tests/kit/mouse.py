"""Paint in the real window with the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy import QtTest
from qtpy.QtCore import QPoint, Qt

if TYPE_CHECKING:
    from napari_contrastseg.ui.dock import ContrastSegWidget

#: PyQt's stubs take QTest's static methods for bound ones.
QTest: Any = QtTest.QTest


def canvas_point(
    viewer: Any, widget: ContrastSegWidget, voxel: tuple[int, ...]
) -> QPoint:
    """Place on the canvas of a voxel of the active volume."""
    name = widget.workspace.active
    assert name is not None
    world = widget.workspace.registry.world(name, voxel)
    scene = viewer.window._qt_viewer.canvas
    shown = [world[i] for i in viewer.dims.displayed]
    height, width = scene._scene_canvas.size[::-1]
    zoom = viewer.scene.camera.zoom
    centre = viewer.scene.camera.center[-2:]
    y = height / 2 + (shown[0] - centre[0]) * zoom
    x = width / 2 + (shown[1] - centre[1]) * zoom
    return QPoint(round(x), round(y))


def drag(
    viewer: Any, widget: ContrastSegWidget, *voxels: tuple[int, ...], pause: int = 0
) -> None:
    """Paint with the mouse from voxel to voxel.

    vispy leaves out moves within 10 ms of the one before: `pause` is waited for each.
    """
    canvas = viewer.window._qt_viewer.canvas.native
    points = [canvas_point(viewer, widget, voxel) for voxel in voxels]
    left = Qt.MouseButton.LeftButton
    QTest.mouseMove(canvas, points[0])
    QTest.mousePress(canvas, left, Qt.KeyboardModifier.NoModifier, points[0])
    for point in points[1:]:
        QTest.mouseMove(canvas, point)
        if pause:
            QTest.qWait(pause)
    QTest.mouseRelease(canvas, left, Qt.KeyboardModifier.NoModifier, points[-1])
