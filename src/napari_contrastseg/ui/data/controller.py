"""Step Data: add volumes, mark and lock slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject

from napari_contrastseg.io.choice import NotUprightError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.slice_axis import COARSEST, SliceAxis
from napari_contrastseg.io.volume import fill_note, intensity_range
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.mask_controller import MaskController
from napari_contrastseg.ui.data.panel import DataState
from napari_contrastseg.ui.notify import notify_errors, notify_info
from napari_contrastseg.ui.viewer.image_layers import (
    drawing_distance,
    needs_own_layers,
    refuse_tilted,
    shown_upright,
    size_known,
    straightened,
    volume_from,
)
from napari_contrastseg.ui.viewer.label_layers import ORIGIN_COLOURS
from napari_contrastseg.ui.viewer.overlays import show_labels
from napari_contrastseg.ui.widgets.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.data.voxel_size import VoxelSize
    from napari_contrastseg.ui.workspace import Workspace

_CANONICAL = ("axial", "coronal", "sagittal")
_AXES = 3


class DataController(QObject):
    """The intents of step Data about volumes and slices, and what its panel shows."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.masks = MaskController(workspace)
        self._said_apart = False

    # -- what the panel shows --------------------------------------------------

    def state(self) -> DataState:
        """Return what the panel shows, but for where the session is kept."""
        workspace, session = self._workspace, self._workspace.session
        active = workspace.active
        record = session.records[active] if active is not None else None
        return DataState(
            images=tuple(layer.name for layer in self.free_images()),
            masks=tuple(layer.name for layer in self.masks.free()),
            volumes=tuple(session.records),
            active=active,
            axes=_axis_names(record.volume if record is not None else None),
            axis=_axis_chosen(session, record),
            classes=session.classes,
            paint_class=workspace.paint_class,
            status=record.status.copy() if record is not None else None,
            locked=record.locked.copy() if record is not None else None,
            origin=active is not None and workspace.shows(active, "origin"),
            current=workspace.current_slice,
            voxel_size=_size_to_choose(record),
            mask=self.masks.state(),
        )

    def free_images(self) -> list[Image]:
        """Image layers that are not in the session and not ours."""
        workspace = self._workspace
        return [
            layer
            for layer in workspace.viewer.layers
            if isinstance(layer, Image) and workspace.registry.owner(layer) is None
        ]

    # -- volumes ---------------------------------------------------------------

    def add_image(self, index: int) -> None:
        """Add one of the free images."""
        images = self.free_images()
        if 0 <= index < len(images):
            self.add_layers([images[index]])

    def add_layers(self, layers: Sequence[Layer]) -> None:
        """Add image layers to the session as the channels of one volume."""
        session = self._workspace.session
        with notify_errors():
            name = session.free_id(layers[0].name if layers else "")
            try:
                volume = volume_from(layers, name)
            except NotUprightError as error:
                self._offer_resampling(layers, name, error)
                return
            self._add(volume, layers)

    def _offer_resampling(
        self, layers: Sequence[Layer], name: str, error: NotUprightError
    ) -> None:
        """Ask whether layers whose grid is sheared are resampled."""

        def resample() -> None:
            with notify_errors():
                self._add(straightened(layers, name), layers)

        self._workspace.questions.ask(
            Notice(
                str(error),
                ("Resample", "Leave it"),
                (
                    "Add it on an upright grid; its masks have that grid, too",
                    "It is not added",
                ),
            ),
            resample,
            lambda: None,
        )

    def _add(self, volume: Volume, layers: Sequence[Layer]) -> None:
        """Add a volume that layers show, or that is to be shown in layers of ours."""
        workspace, session = self._workspace, self._workspace.session
        name = volume.id
        volume = session.slices.on(volume)
        ours = needs_own_layers(layers, volume)
        ours = ours or shown_upright(layers[0], volume.axis)
        if not ours:
            refuse_tilted(layers[0], volume.axis)
        intensity_range(volume, volume.axis)
        record = session.add_volume(volume)
        if ours:
            for layer in layers:
                layer.visible = False
        workspace.registry.show_volume(record, () if ours else layers)
        self._say_drawn_apart(volume)
        filled = fill_note(volume, volume.axis)
        if filled is not None:
            notify_info(filled)
        if not size_known(volume):
            notify_info(
                f"{name}: no voxel size is known, 1 x 1 x 1 mm is assumed; change "
                "it in step Data, voxel size."
            )
        if not session.classes:
            workspace.paint_class = session.add_class()
        workspace.registry.face_axis(name)
        workspace.work_on(name)

    def _say_drawn_apart(self, volume: Volume) -> None:
        """Say once that an oblique volume is not drawn where other images would be."""
        registry = self._workspace.registry
        layer = registry.layer(volume.id, "image")
        alone = all(
            (registry.owner(other) or ("",))[0] == volume.id
            for other in self._workspace.viewer.layers
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
        selected = self._workspace.viewer.layers.selection
        chosen = [layer for layer in self.free_images() if layer in selected]
        with notify_errors():
            if not chosen:
                raise InputError(
                    "Select image layers that are not in the session yet, in napari's "
                    "layer list."
                )
            self.add_layers(chosen)

    def remove_volume(self, volume_id: str) -> None:
        """Take a volume out of the session."""
        workspace = self._workspace
        was_shown = workspace.active == volume_id
        with notify_errors():
            workspace.session.remove_volume(volume_id)
            workspace.registry.drop_volume(volume_id)
            workspace.volume_removed.emit(volume_id)
            if was_shown and workspace.active is not None:
                workspace.choose_volume(workspace.active)
        workspace.changed.emit()

    def set_axis(self, choice: int) -> None:
        """Choose the slice axes: one of the active volume's, or the coarsest of each.

        The other volumes have the same axis of their own files' arrays.
        """
        workspace, session = self._workspace, self._workspace.session
        with notify_errors():
            source = session.records[workspace.need_active()].volume.source
            slices = COARSEST
            if choice < _AXES:
                slices = SliceAxis("file", source.file_axis(choice))
            for volume_id, record in session.records.items():
                image = workspace.registry.layer(volume_id, "image")
                if image is not None:
                    refuse_tilted(image, slices.of(record.volume))
            session.set_slices(slices)
            for record in session.records.values():
                workspace.registry.drop_work(record.volume.id)
                workspace.registry.show_volume(record)
            if workspace.active is not None:
                workspace.registry.face_axis(workspace.active)
                workspace.work_on(workspace.active)
        workspace.changed.emit()

    def set_voxel_size(self, size: VoxelSize) -> None:
        """Say how large the active volume's voxels are, in mm."""
        workspace, session = self._workspace, self._workspace.session
        with notify_errors():
            name = workspace.need_active()
            before = session.records[name]
            session.set_voxel_size(name, size)
            record = session.records[name]
            if record is not before:
                workspace.registry.drop_work(name)
                workspace.registry.show_volume(record)
            workspace.registry.show_voxel_size(record)
            workspace.registry.face_axis(name)
            workspace.work_on(name)
        workspace.changed.emit()

    # -- slices ----------------------------------------------------------------

    def toggle_done(self) -> None:
        """Mark the shown slice done, or not done."""
        workspace, session = self._workspace, self._workspace.session
        if workspace.active is None:
            return
        index = workspace.current_slice
        now = session.records[workspace.active].status[index]
        wanted = Status.SPARSE if now == Status.DONE else Status.DONE
        with notify_errors():
            painting.mark(session, workspace.active, index, wanted)

    def lock_slice(self, locked: bool) -> None:
        """Protect the shown slice, or let it be changed again."""
        workspace = self._workspace
        if workspace.active is not None:
            index = workspace.current_slice
            painting.lock_slice(
                workspace.session, workspace.active, index, locked=locked
            )

    def show_origin(self, on: bool) -> None:
        """Open or close the layer that shows where each label came from."""
        workspace = self._workspace
        with notify_errors():
            volume_id = workspace.need_active()
            origin = workspace.session.records[volume_id].origin
            workspace.registry.drop(volume_id, "origin")
            if on:
                show_labels(
                    workspace.registry, volume_id, "origin", origin, ORIGIN_COLOURS
                )
        workspace.changed.emit()


def _size_to_choose(record: VolumeRecord | None) -> VoxelSize | None:
    """Give the voxel size that a person may change: where no file knows the place."""
    if record is None or record.volume.anatomical:
        return None
    z, y, x = map(float, record.volume.spacing)
    return (z, y, x)


def _axis_names(volume: Volume | None) -> tuple[str, ...]:
    """Name a volume's axes, and at last the choice of each volume's coarsest."""
    names = [f"axis {i}" for i in range(_AXES)]
    if volume is not None and volume.anatomical:
        for axis, word in zip(volume.body_axes, _CANONICAL, strict=True):
            names[axis] += f" ({word})"
    coarsest = "coarsest"
    if volume is not None:
        coarsest += f": {names[COARSEST.of(volume)]}"
    return (*names, coarsest)


def _axis_chosen(session: Session, record: VolumeRecord | None) -> int:
    """Find which of `_axis_names` the session has chosen."""
    if record is None or session.slices == COARSEST:
        return _AXES
    return record.axis
