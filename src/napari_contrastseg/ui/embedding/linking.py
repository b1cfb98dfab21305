"""The map and the volume, linked both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import skimage
from napari.layers import Shapes
from qtpy.QtCore import QObject, QPointF, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPixmap

from napari_contrastseg.session import painting
from napari_contrastseg.tasks.voxels import PROVENANCE
from napari_contrastseg.ui.embedding.dock import CROP, NOTHING
from napari_contrastseg.ui.notify import notify_errors
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.overlays import show_marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.embedding.dock import EmbeddingView
    from napari_contrastseg.ui.workspace import Workspace

#: Half the side of the crop, voxels.
REACH = 24
#: Milliseconds in which several changes are answered once.
SETTLE_MS = 40
#: Corners of an ellipse.
ELLIPSE = 32


class LinkedMap(QObject):
    """Answers the map's mouse in the viewer, and the viewer's on the map.

    Signals
    -------
    slices_chosen : list of (volume id, slice)
        What shall come first in the queue.
    voxel_chosen : (volume id, voxel)
        What similar voxels are looked for.
    """

    slices_chosen = Signal(object)
    voxel_chosen = Signal(str, object)

    def __init__(self, workspace: Workspace, view: EmbeddingView) -> None:
        super().__init__(workspace)
        self._view, self._workspace = view, workspace
        self._went = -1
        self._pointed = False
        self._shapes: Shapes | None = None
        self._soon = single_shot(self.follow, SETTLE_MS, self)
        self._mark_soon = single_shot(self._mark, SETTLE_MS, self)
        view.pointed.connect(self.point)
        view.went.connect(self.go)
        view.chosen_changed.connect(self._mark)
        view.class_given.connect(self.give_class)
        view.queue_requested.connect(self.to_queue)
        view.similar_requested.connect(self.find_similar)
        view.table_changed.connect(self._on_table)
        view.visible.connect(self._on_visible)
        workspace.registry.layer_made.connect(self._on_layer_made)
        workspace.changed.connect(self._soon.start)
        workspace.slice_changed.connect(self._soon.start)

    def close(self) -> None:
        """Answer no more."""
        self._soon.stop()
        self._mark_soon.stop()
        self._hear(None)
        self._workspace.registry.layer_made.disconnect(self._on_layer_made)
        self._workspace.changed.disconnect(self._soon.start)
        self._workspace.slice_changed.disconnect(self._soon.start)

    # -- from the map to the volume --------------------------------------------

    def point(self, row: int) -> None:
        """Show what is around a point's voxel, and mark it."""
        with notify_errors():
            self._point(row)

    def _point(self, row: int) -> None:
        found = self._voxel(row)
        if found is None:
            self._view.show_crop(QPixmap(), "")
        else:
            self._view.show_crop(_crop(*found), self._words(row))
        name = self._workspace.active
        places = [] if found is None or not self._is_shown(*found) else [found[1]]
        if name is not None and (places or self._pointed):
            self._pointed = bool(places)
            marked = np.array(places, np.int64).reshape(-1, 3)
            show_marks(self._workspace.registry, name, "pointed", marked)

    def _is_shown(self, record: VolumeRecord, voxel: tuple[int, ...]) -> bool:
        """Whether a voxel lies on the slice that the viewer shows."""
        here = self._workspace.active, self._workspace.current_slice
        return here == (record.volume.id, voxel[record.axis])

    def go(self, row: int) -> None:
        """Show the slice of a point's voxel."""
        found = self._voxel(row)
        if found is None:
            return
        record, voxel = found
        self._went = row
        self._workspace.go_to(voxel[record.axis], record.volume.id)
        if not len(self._view.chosen):
            self._view.choose(np.array([row], np.intp))

    def give_class(self, class_id: int) -> None:
        """Paint the chosen voxels."""
        with notify_errors():
            painting.paint_voxels(
                self._workspace.session, self._places(), class_id, "class from map"
            )

    def to_queue(self) -> None:
        """Put the slices of the chosen voxels first in the queue."""
        session = self._workspace.session
        wanted: list[tuple[str, int]] = [
            (name, int(i))
            for name, places in self._places().items()
            for i in np.unique(places[:, session.records[name].axis])
        ]
        self.slices_chosen.emit(wanted)

    def find_similar(self) -> None:
        """Compare the volume with the point that was clicked, or chosen first."""
        chosen = self._view.chosen
        row = self._went if self._went in chosen else int(chosen[0])
        found = self._voxel(row)
        if found is not None:
            self.voxel_chosen.emit(found[0].volume.id, found[1])

    def _voxel(self, row: int) -> tuple[VolumeRecord, tuple[int, ...]] | None:
        frame = self._view.frame
        if frame is None or not 0 <= row < len(frame.table):
            return None
        name = frame.table.names[frame.table.volume[row]]
        record = self._workspace.session.records.get(name)
        if record is None:  # it is gone since
            return None
        return record, tuple(frame.table.position[row].tolist())

    def _places(self) -> dict[str, NDArray[np.int64]]:
        """Give the chosen voxels of each volume, (n, 3) each."""
        frame, rows = self._view.frame, self._view.chosen
        if frame is None:
            return {}
        table = frame.table
        found = {
            name: table.position[rows[table.volume[rows] == number]]
            for number, name in enumerate(table.names)
        }
        known = self._workspace.session.records
        return {n: p for n, p in found.items() if len(p) and n in known}

    def _words(self, row: int) -> str:
        view, session = self._view, self._workspace.session
        assert view.frame is not None
        assert view.about is not None
        about, table = view.about, view.frame.table
        label = int(about.label[row])
        place = ", ".join(str(i) for i in table.position[row].tolist())
        sure = about.confidence[row]
        return "\n".join(
            (
                session.class_name(label) if label >= 0 else "not predicted yet",
                PROVENANCE[int(about.provenance[row])],
                f"voxel {place}",
                table.names[table.volume[row]],
                "" if np.isnan(sure) else f"confidence {sure:.2f}",
            )
        )

    def _mark(self, _rows: object = None) -> None:
        """Mark the chosen voxels in their volumes."""
        places, nothing = self._places(), np.zeros((0, 3), np.int64)
        registry = self._workspace.registry
        for name in self._workspace.session.records:
            if registry.is_open(name):
                mine, active = places.get(name, nothing), self._workspace.active
                show_marks(registry, name, "chosen", mine, shown=name == active)

    def _on_layer_made(self, _layer: object) -> None:
        """Mark voxels of a volume that had no layers when they were chosen."""
        self._mark_soon.start()

    # -- from the volume to the map --------------------------------------------

    def _on_table(self) -> None:
        """Rows mean other voxels now."""
        self._went = -1
        self._soon.start()

    def _on_visible(self, visible: bool) -> None:
        if visible:
            self._soon.start()

    def _hear(self, layer: Shapes | None) -> None:
        """Follow what is drawn in a Shapes layer."""
        if layer == self._shapes:  # napari hands plugins a proxy, a new one each time
            return
        if self._shapes is not None:
            self._shapes.events.data.disconnect(self._on_drawn)
        if layer is not None:
            layer.events.data.connect(self._on_drawn)
        self._shapes = layer

    def _on_drawn(self, _event: Any = None) -> None:
        self._soon.start()

    def follow(self) -> None:
        """Ring the points of what the viewer shows."""
        active = self._workspace.viewer.layers.selection.active
        self._hear(active if isinstance(active, Shapes) else None)
        if self._view.frame is None:
            return
        with notify_errors():
            self._view.map.highlight(self._lit())

    def _lit(self) -> NDArray[np.intp]:
        """Rows of the shown slice, or of the region that shapes are drawn around."""
        frame, name = self._view.frame, self._workspace.active
        if frame is None or name is None or name not in frame.table.names:
            return NOTHING
        table, number = frame.table, frame.table.names.index(name)
        mine = np.flatnonzero(table.volume == number)
        layer = self._workspace.viewer.layers.selection.active
        if isinstance(layer, Shapes) and len(layer.data):
            return np.asarray(mine[self._inside(layer, name, table.position[mine])])
        axis = self._workspace.session.records[name].axis
        here = table.position[mine, axis] == self._workspace.current_slice
        return np.asarray(mine[here])

    def _inside(
        self, layer: Shapes, name: str, places: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether voxels are within one of the shapes, through all slices."""
        if layer.ndim < 3 and self._workspace.viewer.dims.ndim > 2:  # noqa: PLR2004
            return np.zeros(len(places), bool)  # it has no place along the slices
        shown = list(self._workspace.viewer.dims.displayed)
        registry = self._workspace.registry
        world = registry.all_world(name, places)
        first = self._workspace.viewer.dims.ndim - world.shape[1]
        flat = world[:, [d - first for d in shown]]
        inside = np.zeros(len(places), bool)
        for kind, corners in zip(layer.shape_type, layer.data, strict=True):
            about = np.stack([layer.data_to_world(c) for c in corners])
            about = about[:, [d - self._workspace.viewer.dims.ndim for d in shown]]
            inside |= skimage.measure.points_in_poly(flat, _outline(kind, about))
        return inside


def _outline(kind: str, corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners of a shape; an ellipse is given by those of the box around it."""
    if kind != "ellipse":
        return corners
    turn = np.linspace(0, 2 * np.pi, ELLIPSE, endpoint=False)[:, None]
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    centre = corners.mean(axis=0)
    return np.asarray(centre + np.cos(turn) * across / 2 + np.sin(turn) * down / 2)


def _crop(record: VolumeRecord, voxel: tuple[int, ...]) -> QPixmap:
    """Draw the voxel's slice around it, the voxel ringed."""
    key: list[Any] = []
    corner = []
    for axis, (at, size) in enumerate(zip(voxel, record.volume.shape, strict=True)):
        low = max(0, min(at - REACH, size - 2 * REACH))
        key.append(at if axis == record.axis else slice(low, low + 2 * REACH))
        if axis != record.axis:
            corner.append(at - low)
    plane = record.volume.part(0, tuple(key), np.float32)
    plane = np.nan_to_num(plane)
    low_value, high_value = np.percentile(plane, (1, 99))
    scaled = np.clip((plane - low_value) / (high_value - low_value or 1), 0, 1)
    grey = np.ascontiguousarray((255 * scaled).astype(np.uint8))
    rows, columns = grey.shape
    image = QImage(
        grey.tobytes(), columns, rows, columns, QImage.Format.Format_Grayscale8
    )
    pixmap = QPixmap.fromImage(image.copy()).scaled(CROP, CROP)
    painter = QPainter(pixmap)
    painter.setPen(QColor("#ffe119"))
    middle = QPointF(
        (corner[1] + 0.5) * CROP / columns, (corner[0] + 0.5) * CROP / rows
    )
    painter.drawEllipse(middle, 6.0, 6.0)
    painter.end()
    return pixmap
