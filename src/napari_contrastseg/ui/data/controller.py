"""Between panels, session, layers and tasks: hears intents, applies events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import default_axis, intensity_range
from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.class_controller import ClassController
from napari_contrastseg.ui.embedding.similar import FindSimilar
from napari_contrastseg.ui.notify import notify_error, notify_errors, notify_info
from napari_contrastseg.ui.review.controller import ReviewController
from napari_contrastseg.ui.session_controller import SessionController
from napari_contrastseg.ui.viewer import masks
from napari_contrastseg.ui.viewer.image_layers import (
    drawing_distance,
    refuse_tilted,
    shown_upright,
    volume_from,
)
from napari_contrastseg.ui.viewer.layers import LayerRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_contrastseg.io.volume import Volume


class Controller(QObject):
    """The one object that changes the session for a viewer.

    Signals
    -------
    changed : ()
        Something that panels show has changed.
    proposals_shown : ()
        A round's proposals came, or were brought back.
    session_replaced : ()
        Another session was opened.
    volume_removed : volume id
    labels_changed : ()
        Labels, classes or proposals are not what they were.
    """

    changed = Signal()
    proposals_shown = Signal()
    session_replaced = Signal()
    volume_removed = Signal(str)
    labels_changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.session = Session()
        self.book = LayerRegistry(viewer, self.session)
        self.is_busy: Callable[[], bool] = bool
        self.paint_class = BACKGROUND
        self._active: str | None = None
        self._said_apart = False
        self.review = ReviewController(self)
        self.protect = ClassController(self)
        self.similar = FindSimilar(self)
        self.keeping = SessionController(self)
        self.keeping.changed.connect(self.changed)
        self._closed_ink = ""
        self._complain_later = QTimer(self)
        self._complain_later.setSingleShot(True)
        self._complain_later.timeout.connect(self._say_ink_closed)
        self._connect_session()
        self.book.ink_closed.connect(self._on_ink_closed)
        viewer.layers.selection.events.active.connect(self._on_active_layer)
        viewer.layers.events.inserted.connect(self._on_layers)
        viewer.layers.events.removed.connect(self._on_layers)
        viewer.dims.events.current_step.connect(self._on_step)

    # -- state that panels ask for ---------------------------------------------

    @property
    def active(self) -> str | None:
        """The volume that is worked on."""
        if self._active not in self.session.records:
            self._active = next(iter(self.session.records), None)
        return self._active

    @property
    def current_slice(self) -> int:
        """The slice of the active volume that is shown."""
        if self.active is None:
            return 0
        record = self.session.records[self.active]
        try:
            voxel = self.book.voxel(self.active, self.viewer.dims.point)
        except InputError:
            return 0
        return int(np.clip(voxel[record.axis], 0, len(record.status) - 1))

    def free_images(self) -> list[Image]:
        """Image layers that are not in the session and not ours."""
        return [
            layer
            for layer in self.viewer.layers
            if isinstance(layer, Image) and self.book.owner(layer) is None
        ]

    def free_masks(self) -> list[Layer]:
        """Layers that are not ours and may hold a mask."""
        return [
            layer
            for layer in self.viewer.layers
            if self.book.owner(layer) is None and masks.may_be_mask(layer)
        ]

    # -- Data ------------------------------------------------------------------

    def add_layers(self, layers: Sequence[Layer]) -> None:
        """Add image layers to the session as the channels of one volume."""
        with notify_errors():
            name = self.session.free_id(layers[0].name if layers else "")
            volume = volume_from(layers, name)
            axis = self.session.axis
            axis = default_axis(volume) if axis is None else axis
            upright = shown_upright(layers[0], axis)
            if not upright:
                refuse_tilted(layers[0], axis)
            intensity_range(volume, axis)
            record = self.session.add_volume(volume)
            self._active = name
            if upright:  # in layers of ours
                for layer in layers:
                    layer.visible = False
            self.book.show_volume(record, () if upright else layers)
            self._say_drawn_apart(volume)
            if not self.session.classes:
                self.session.add_class()
                self.paint_class = 1
            self.choose_class(self.paint_class)
            self.book.face_axis()
            self._work_on(name)

    def _say_drawn_apart(self, volume: Volume) -> None:
        """Say once that an oblique volume is not drawn where other images would be."""
        layer = self.book.layer(volume.id, "image")
        alone = all(
            (self.book.owner(other) or ("",))[0] == volume.id
            for other in self.viewer.layers
            if isinstance(other, Image)
        )
        if self._said_apart or layer is None or alone:
            return
        distance = drawing_distance(layer, volume)
        if distance > 1:
            self._said_apart = True
            notify_info(
                f"{volume.id}: is drawn along its own axes, up to {distance:.3g} "
                "voxels from its place in the world, so do not compare it with other "
                "images by eye; its masks are saved in its place."
            )

    def add_selected(self) -> None:
        """Add the image layers that are selected as one volume's channels."""
        chosen = [
            layer
            for layer in self.viewer.layers
            if layer in self.viewer.layers.selection
            and isinstance(layer, Image)
            and self.book.owner(layer) is None
        ]
        with notify_errors():
            if not chosen:
                raise InputError(
                    "Select image layers that are not in the session yet, in napari's "
                    "layer list."
                )
            self.add_layers(chosen)

    def choose_volume(self, volume_id: str) -> None:
        """Work on a volume; its layers are opened again where they were closed."""
        record = self.session.records[volume_id]
        self._active = volume_id
        self.book.show_volume(record)
        if record.proposal is not None and not self.book.layer(volume_id, "pseudo"):
            self.book.show_proposals(record)
        self._work_on(volume_id)
        self.choose_class(self.paint_class)

    def remove_volume(self, volume_id: str) -> None:
        """Take a volume out of the session."""
        with notify_errors():
            self.session.remove_volume(volume_id)
            self.book.drop_volume(volume_id)
            self.volume_removed.emit(volume_id)
        self.changed.emit()

    def set_axis(self, axis: int) -> None:
        """Choose the slice axis."""
        with notify_errors():
            for volume_id in self.session.records:
                image = self.book.layer(volume_id, "image")
                if image is not None:
                    refuse_tilted(image, axis)
            self.session.set_axis(axis)
            for record in self.session.records.values():
                self.book.drop_work(record.volume.id)
                self.book.show_volume(record)
            self.book.face_axis()
            if self.active is not None:
                self._work_on(self.active)
            self.choose_class(self.paint_class)
        self.changed.emit()

    def take_mask(self, layer: Layer, *, all_done: bool) -> None:
        """Take a mask layer as the active volume's ink."""
        with notify_errors():
            volume_id = self.need_active()
            assumed = masks.take_mask(
                self.session,
                volume_id,
                layer,
                all_done=all_done,
                reference=self.book.layer(volume_id, "image"),
            )
            notify_info(
                assumed or f"{layer.name} is taken as your labels of {self.active}."
            )

    def add_class(self) -> None:
        """Add a class and paint with it."""
        with notify_errors():
            self.choose_class(self.session.add_class())

    def shows(self, volume_id: str, kind: str) -> bool:
        """Whether a layer of a kind is open for a volume."""
        return self.book.layer(volume_id, kind) is not None

    def delete_class(self, class_id: int) -> None:
        """Delete a class without ink."""
        with notify_errors():
            self.session.delete_class(class_id)

    def choose_class(self, class_id: int) -> None:
        """Paint with a class, 255 for background; a number without class is refused."""
        if class_id not in (BACKGROUND, *(c.id for c in self.session.classes)):
            notify_info(f"There is no class {class_id}; add it in step Data first.")
            return
        self.paint_class = class_id
        self.book.choose_class(class_id)
        self.changed.emit()

    def toggle_done(self) -> None:
        """Mark the shown slice done, or not done."""
        if self.active is None:
            return
        index = self.current_slice
        now = self.session.records[self.active].status[index]
        wanted = Status.SPARSE if now == Status.DONE else Status.DONE
        with notify_errors():
            painting.mark(self.session, self.active, index, wanted)

    def go_to(self, index: int, volume_id: str | None = None) -> None:
        """Show a slice."""
        volume_id = volume_id or self.active
        if volume_id is None:
            return
        with notify_errors():
            if volume_id != self.active:
                self.choose_volume(volume_id)
            record = self.session.records[volume_id]
            voxel = [int(n) // 2 for n in record.volume.shape]
            voxel[record.axis] = int(np.clip(index, 0, len(record.status) - 1))
            world = self.book.world(volume_id, tuple(voxel))
            offset = self.viewer.dims.ndim - len(world)
            along = record.axis - (3 - len(world))
            if along >= 0:
                self.viewer.dims.set_point(offset + along, float(world[along]))
        self.changed.emit()

    def next_slice(self) -> None:
        """Show the next slice."""
        self.go_to(self.current_slice + 1)

    def previous_slice(self) -> None:
        """Show the slice before."""
        self.go_to(self.current_slice - 1)

    def undo(self) -> None:
        """Take back the last thing done."""
        self.session.undo()

    def redo(self) -> None:
        """Do again what was undone."""
        self.session.redo()

    # -- session folder --------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """Where the session is kept."""
        return self.keeping.folder

    def save(self, folder: Path | None = None) -> bool:
        """Keep the session in a folder of the person's choice."""
        return self.keeping.save(folder)

    def open(self, folder: Path | None) -> None:
        """Open a session folder in place of this session."""
        self.keeping.open(folder)

    def replace(self, session: Session) -> None:
        """Show another session in place of this one."""
        self.keeping.drop_offers()
        for volume_id in list(self.session.records):
            self.book.drop_volume(volume_id)
        self.session = session
        self.review.forget()
        self.book.session = session
        self._active = None
        self._connect_session()
        for record in session.records.values():
            self.book.show_volume(record)
            self.book.show_proposals(record)
        self.review.rank()
        self.book.face_axis()
        if session.classes:
            self.choose_class(session.classes[0].id)
        if self.active is not None:
            self._work_on(self.active)
        self.session_replaced.emit()
        self.changed.emit()

    # -- wiring ----------------------------------------------------------------

    def close(self) -> None:
        """Disconnect from the viewer."""
        self.review.close()
        self.similar.close()
        self.keeping.close()
        self._complain_later.stop()
        layers = self.viewer.layers
        layers.selection.events.active.disconnect(self._on_active_layer)
        layers.events.inserted.disconnect(self._on_layers)
        layers.events.removed.disconnect(self._on_layers)
        self.viewer.dims.events.current_step.disconnect(self._on_step)
        self.book.close()

    def _connect_session(self) -> None:
        session = self.session
        self.keeping.watch(session)
        session.work_changed.connect(self._on_work)
        session.classes_changed.connect(self._on_classes)
        session.proposals_changed.connect(self._on_proposals)
        session.volumes_changed.connect(self._on_any)
        session.rounds_changed.connect(self._on_any)
        session.history_changed.connect(self._on_any)

    def _on_any(self) -> None:
        self.changed.emit()

    def _on_work(self, volume_id: str, _slices: object) -> None:
        self.book.refresh(volume_id)
        self.review.on_work()
        self.labels_changed.emit()
        self.changed.emit()

    def _on_classes(self) -> None:
        self.book.recolour()
        ids = [*(c.id for c in self.session.classes), BACKGROUND]
        if self.paint_class not in ids:
            self.paint_class = ids[0]
            self.book.choose_class(ids[0])
        self.labels_changed.emit()
        self.changed.emit()

    def _on_proposals(self) -> None:
        volume_id, layers = self.active, self.viewer.layers
        selected = layers.selection.active
        for record in self.session.records.values():
            self.book.show_proposals(record)
        self.book.choose_class(self.paint_class)
        if volume_id is not None:
            self._active = volume_id
            self.book.show_only(volume_id)
            ink = self.book.layer(volume_id, "ink")
            layers.selection.active = selected if selected in layers else ink
        self.review.rank()
        self.labels_changed.emit()
        self.proposals_shown.emit()
        self.changed.emit()

    def _on_ink_closed(self, volume_id: str) -> None:
        self._closed_ink = volume_id
        self._complain_later.start()  # a viewer that closes removes its layers first

    def _say_ink_closed(self) -> None:
        notify_error(
            f"The ink layer of {self._closed_ink} was closed; its ink is safe. Choose "
            "the volume in step Data to show it again."
        )
        self.changed.emit()

    def _on_active_layer(self, _event: Any = None) -> None:
        key = self.book.owner(self.viewer.layers.selection.active)
        if key is not None and key[0] != self._active:
            self._active = key[0]
            self.changed.emit()

    def _on_layers(self, _event: Any = None) -> None:
        self.changed.emit()

    def _on_step(self, _event: Any = None) -> None:
        self.changed.emit()

    def need_active(self) -> str:
        """Return the volume that is worked on, or say that there is none."""
        if self.active is None:
            raise InputError("Add a volume first.")
        return self.active

    def _work_on(self, volume_id: str) -> None:
        """Show a volume in place of the others, its ink under the brush."""
        self.book.show_only(volume_id)
        layer = self.book.layer(volume_id, "ink")
        if layer is not None:
            self.viewer.layers.selection.active = layer
            layer.mode = "paint"
