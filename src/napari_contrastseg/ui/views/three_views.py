"""Three linked views: beside napari's canvas the two planes across the slice's axes.

napari 0.9 has one canvas a window; these planes are drawn in numpy from the session's
own arrays, so nothing is copied and no further OpenGL is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtWidgets import QDockWidget, QMainWindow, QSplitter

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.ui.notify import notify_error, notify_errors
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.image_layers import axis_words
from napari_contrastseg.ui.viewer.overlays import show_marks
from napari_contrastseg.ui.views.coats import coats_of
from napari_contrastseg.ui.views.plane_image import draw_plane, steps_of
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.views.plane_image import Coat
    from napari_contrastseg.ui.workspace import Workspace

    Voxel = tuple[int, ...]

_PLANE: Final = 2
#: Milliseconds in which several changes are answered once.
_SETTLE_MS: Final = 40
#: Milliseconds in which napari's controls become lower after the 3-D view.
_GROW_MS: Final = 200
_TITLE: Final = "Other planes (to look at; paint in the slice)"
_MARK: Final = "cross"
#: What of a layer changes how its planes look.
_LOOKS: Final = frozenset(
    {
        "visible",
        "opacity",
        "contrast_limits",
        "gamma",
        "colormap",
        "contour",
        "blending",
    }
)


class _Planes(QSplitter):
    """Two planes side by side.

    Signals
    -------
    taken_out : ()
        The dock's own x was pressed.
    """

    taken_out = Signal()

    def __init__(self) -> None:
        from napari_contrastseg.ui.views.plane_view import (  # noqa: PLC0415
            PlaneView,  # pyqtgraph is loaded once it draws something
        )

        super().__init__(Qt.Orientation.Horizontal)
        self.views = (PlaneView(), PlaneView())
        for view in self.views:
            self.addWidget(view)
        self._docked = False

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for a third of a laptop's screen."""
        return QSize(480, 260)

    def event(self, event: QEvent | None) -> bool:
        """Notice that napari has taken the planes out of their dock."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self._docked and self.parent() is None:
                self.taken_out.emit()
            self._docked = self.parent() is not None
        return super().event(event)


class ThreeViews(QObject):
    """Opens and closes the two planes, and links them with napari's canvas."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.planes: _Planes | None = None
        self._volume = ""
        self._shown: tuple[Any, ...] = ()
        self.voxel: Voxel = (0, 0, 0)
        self._clicked: dict[str, Voxel] = {}
        workspace.viewer.mouse_drag_callbacks.append(self._on_press)
        self._soon = single_shot(self._draw, _SETTLE_MS, self)
        self._height = 0
        self._grow_soon = single_shot(self._grow, _GROW_MS, self)
        self._runner = LatestTask(self, awaited=True)
        self._runner.happened.connect(self._show)
        self._runner.ended.connect(self._on_ended)

    @property
    def resting(self) -> bool:
        """Whether nothing is being drawn, or about to be."""
        return not (self._soon.isActive() or self._runner.running)

    def toggle(self) -> None:
        """Open the two planes, or close them."""
        with notify_errors():
            if self.planes is None:
                self._open()
            else:
                self.close_planes()

    def close(self) -> None:
        """Close the planes and let go of the viewer."""
        self.close_planes()
        self._workspace.viewer.mouse_drag_callbacks.remove(self._on_press)
        self._runner.close()

    # -- opening and closing -----------------------------------------------------

    def _open(self) -> None:
        volume_id = self._workspace.need_active()
        if 1 in self._workspace.session.records[volume_id].volume.shape:
            raise InputError(f"{volume_id}: is one picture and has no other planes.")
        window = getattr(self._workspace.viewer, "window", None)
        if window is None:
            raise InputError("There is no window to show other planes in.")
        planes = self.planes = _Planes()
        planes.taken_out.connect(self._on_taken_out)
        for number, view in enumerate(planes.views):
            view.pointed.connect((self._on_first, self._on_second)[number])
        window.add_dock_widget(planes, name=_TITLE, area="bottom")
        self._connect()
        self._follow_volume()

    def close_planes(self) -> None:
        """Take the planes and the cross away; there may be none."""
        planes, self.planes = self.planes, None
        if planes is None:
            return
        self._soon.stop()
        self._runner.cancel()
        self._disconnect()
        self._drop_mark()
        self._volume = ""
        # taken out by us: others may be open by the time that would be heard
        planes.taken_out.disconnect(self._on_taken_out)
        if planes.parent() is not None:
            self._workspace.viewer.window.remove_dock_widget(planes)
        planes.deleteLater()

    def _on_taken_out(self) -> None:
        """Close, once napari is done with the dock, or others with what they show."""
        QTimer.singleShot(0, self.close_planes)

    def _connect(self) -> None:
        workspace = self._workspace
        workspace.slice_changed.connect(self._on_slice)
        workspace.changed.connect(self._on_changed)
        workspace.work_changed.connect(self._on_labels)
        workspace.derived_shown.connect(self._on_labels)
        workspace.proposals_shown.connect(self._soon.start)
        workspace.viewer.layers.events.connect(self._on_layer)
        workspace.viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    def _disconnect(self) -> None:
        workspace = self._workspace
        workspace.slice_changed.disconnect(self._on_slice)
        workspace.changed.disconnect(self._on_changed)
        workspace.work_changed.disconnect(self._on_labels)
        workspace.derived_shown.disconnect(self._on_labels)
        workspace.proposals_shown.disconnect(self._soon.start)
        workspace.viewer.layers.events.disconnect(self._on_layer)
        workspace.viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self._grow_soon.stop()

    def _on_ndisplay(self, _event: Any = None) -> None:
        """Note the height before napari's controls, higher in 3-D, take some of it."""
        if self.planes is None:
            return
        if self._workspace.viewer.dims.ndisplay > _PLANE:
            self._height = self.planes.height()
        else:
            self._grow_soon.start()

    def _grow(self) -> None:
        """Be as high as before the 3-D view: Qt gives back nothing by itself."""
        planes = self.planes
        dock = planes.parentWidget() if planes is not None else None
        window = dock.parentWidget() if dock is not None else None
        if planes is None or not isinstance(dock, QDockWidget):
            return
        if not isinstance(window, QMainWindow):
            return
        missing = self._height - planes.height()
        if missing > 0:
            up = Qt.Orientation.Vertical
            window.resizeDocks([dock], [dock.height() + missing], up)

    # -- what is shown -----------------------------------------------------------

    def axes(self) -> tuple[int, int]:
        """Axes of the volume that the two planes lie across."""
        record = self._record()
        first, second = (a for a in range(3) if record is None or a != record.axis)
        return first, second

    def _record(self) -> VolumeRecord | None:
        return self._workspace.session.records.get(self._volume)

    def _grid(self) -> tuple[Any, ...]:
        """Give what the planes' shape follows from."""
        volume_id = self._workspace.active or ""
        record = self._workspace.session.records.get(volume_id)
        if record is None:
            return ()
        volume = record.volume
        return volume_id, volume.shape, record.axis, tuple(volume.spacing.tolist())

    def _follow_volume(self) -> None:
        """Show the volume worked on: where it was clicked last, or its middle."""
        self._drop_mark()
        self._volume, self._shown = self._workspace.active or "", self._grid()
        record = self._record()
        if record is None or self.planes is None:
            return
        shape, size = record.volume.shape, record.volume.spacing
        if 1 in shape:  # a picture: it has no other planes
            self._volume = ""
            self._on_taken_out()
            return
        mirrored = self._mirrored(record)
        for view, axis in zip(self.planes.views, self.axes(), strict=True):
            rows, columns = (a for a in range(3) if a != axis)
            view.setGrid(
                (shape[rows], shape[columns]),
                (float(size[rows]), float(size[columns])),
                (mirrored[rows], mirrored[columns]),
            )
        self._put(
            _moved(self._start(shape), {record.axis: self._workspace.current_slice})
        )

    def _start(self, shape: Voxel) -> Voxel:
        """Give the voxel that was clicked last, or the middle one.

        napari's cursor says where the mouse moved last, perhaps over another image.
        """
        middle = tuple(n // 2 for n in shape)
        clicked = self._clicked.get(self._volume, middle)
        return clicked if _inside(clicked, shape) else middle

    def _mirrored(self, record: VolumeRecord) -> list[bool]:
        """Say along which axes the planes are shown mirrored: a head's top is up."""
        registry = self._workspace.registry
        corners = np.vstack([np.zeros(3, np.int64), np.eye(3, dtype=np.int64)])
        zero, *ones = registry.all_world(self._volume, corners)
        found = [bool(step[axis] < 0) for axis, step in enumerate(ones - zero)]
        if record.volume.anatomical:
            found[record.volume.body_axes[0]] ^= True
        return found

    def _put(self, voxel: Voxel) -> None:
        """Show the planes through a voxel, and the cross there."""
        record = self._record()
        if record is None or self.planes is None:
            return
        self.voxel = voxel
        for view, axis in zip(self.planes.views, self.axes(), strict=True):
            row, column = (at for a, at in enumerate(voxel) if a != axis)
            view.setCross(row, column)
        marked = np.array([voxel], np.int64)
        show_marks(self._workspace.registry, self._volume, _MARK, marked)
        self._soon.start()

    def _drop_mark(self) -> None:
        self._workspace.registry.drop(self._volume, _MARK)

    def _draw(self) -> None:
        """Draw both planes in a thread; the latest that was asked for counts."""
        record = self._record()
        flat = self._workspace.viewer.dims.ndisplay == _PLANE
        if record is None or not flat:  # the layers of its slice are hidden in 3-D
            return
        coats = coats_of(self._workspace, record)
        steps = steps_of(record.volume.shape)
        places = [(axis, self.voxel[axis]) for axis in self.axes()]
        self._runner.start(_drawn(coats, places, steps))

    def _show(self, event: Any) -> None:
        record = self._record()
        if self.planes is None or record is None:
            return
        axis, index, image, steps = event
        number = self.axes().index(axis)
        view = self.planes.views[number]
        view.setImage(image, [step for a, step in enumerate(steps) if a != axis])
        words = f"{axis_words(record.volume)[axis]}, slice {index}"
        if max(steps) > 1:
            words += f" (every {max(steps)}th voxel)"
        view.title.setText(words)

    def _on_ended(self, outcome: Any) -> None:
        self._runner.wait()
        if isinstance(outcome, Failed):
            notify_error(outcome.message)

    # -- what moves the cross, and what changes the planes -----------------------

    def _on_first(self, row: int, column: int) -> None:
        self._go(self.axes()[0], row, column)

    def _on_second(self, row: int, column: int) -> None:
        self._go(self.axes()[1], row, column)

    def _go(self, axis: int, row: int, column: int) -> None:
        """Follow a click in a plane; the slice on napari's canvas follows too."""
        record = self._record()
        if record is None:
            return
        rows, columns = (a for a in range(3) if a != axis)
        self._put(_moved(self.voxel, {rows: row, columns: column}))
        if self.voxel[record.axis] != self._workspace.current_slice:
            self._workspace.go_to(self.voxel[record.axis])

    def _on_press(self, _viewer: Any, event: Any) -> None:
        """Follow a click on napari's canvas, also one that begins a stroke."""
        workspace = self._workspace
        name = workspace.active or ""
        flat = workspace.viewer.dims.ndisplay == _PLANE
        if not flat or not workspace.registry.is_open(name):
            return
        voxel = workspace.registry.voxel(name, event.position)
        if _inside(voxel, workspace.session.records[name].volume.shape):
            self._clicked[name] = voxel
            self._put(voxel)

    def _on_slice(self) -> None:
        record = self._record()
        index = self._workspace.current_slice
        if record is not None and self.voxel[record.axis] != index:
            self._put(_moved(self.voxel, {record.axis: index}))

    def _on_changed(self) -> None:
        if self._workspace.active is None:
            self.close_planes()
        elif self._grid() != self._shown:
            self._follow_volume()

    def _on_labels(self, volume_id: str, _slices: object) -> None:
        if volume_id == self._volume:
            self._soon.start()

    def _on_layer(self, event: Any) -> None:
        if event.type in _LOOKS:
            self._soon.start()


def _inside(voxel: Voxel, shape: Voxel) -> bool:
    return all(0 <= at < n for at, n in zip(voxel, shape, strict=True))


def _moved(voxel: Voxel, places: dict[int, int]) -> Voxel:
    return tuple(places.get(axis, at) for axis, at in enumerate(voxel))


def _drawn(
    coats: tuple[Coat, ...], places: list[tuple[int, int]], steps: Voxel
) -> Generator[tuple[int, int, NDArray[np.uint8], Voxel]]:
    """Draw planes, (axis, index), one by one."""
    for axis, index in places:
        yield axis, index, draw_plane(coats, axis, index, steps), steps
