"""Workspace: the session, the viewer and what is shown; every step is given it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.long_work import LongWork
from napari_contrastseg.ui.notify import notify_error, notify_errors, notify_info
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.brush import StrokeListener
from napari_contrastseg.ui.viewer.eraser import Eraser
from napari_contrastseg.ui.viewer.layer_registry import LayerRegistry
from napari_contrastseg.ui.viewer.mouse_place import MousePlace
from napari_contrastseg.ui.widgets.notice import Questions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.storage.autosave import Autosave
    from napari_contrastseg.session.volume_record import VolumeRecord


class Pending(Protocol):
    """What waits to be accepted or rejected before anything else."""

    @property
    def is_there(self) -> bool:
        """Whether anything waits."""
        ...

    def accept(self) -> None:
        """Make it ink."""
        ...

    def reject(self) -> None:
        """Take it away."""
        ...

    def step_back(self) -> None:
        """Take back the last thing that it was made of."""
        ...


class Workspace(QObject):
    """The session of a viewer, its layers, and the volume and slice that are shown.

    It is made first and given to the controllers of the steps; these know it alone,
    and hear of each other's changes by its signals.

    Attributes
    ----------
    autosave : Autosave or None
        Writes the session to its folder; set by the session controller.
    busy : bool
        Whether a task of the annotator's runs; set by the learn controller.
    work : LongWork
        What a person waits for, such as a session that is being opened.
    pretrained : Model or None
        A network that has learned from the session's images without labels; set by the
        background's controller.
    paint_class : int
        Class to paint with, 255 for background.
    strokes : StrokeListener
        Hands what is painted to the session.
    mouse : MousePlace
        Knows the place under the mouse.
    pending : Pending or None
        A suggestion, which comes before proposals; set by the smart tools.

    Signals
    -------
    changed : ()
        Something that panels show has changed, other than the slice.
    slice_changed : ()
        The viewer shows another slice.
    labels_changed : ()
        Labels, classes or proposals have changed.
    work_changed : (volume id, slice numbers or None for all)
        As the session's; the layers show it by then.
    derived_shown : (volume id, slice numbers or None)
        As the session's `derived_changed`; the layers show it by then.
    proposals_shown : ()
        A round's proposals came, or were brought back.
    saving_changed : ()
        The session's folder, or whether it can be written.
    session_closing : ()
        Another session takes the place of this one; it is still here.
    session_replaced : ()
        Another session is here.
    volume_removed : volume id
    """

    changed = Signal()
    slice_changed = Signal()
    labels_changed = Signal()
    work_changed = Signal(str, object)
    derived_shown = Signal(str, object)
    proposals_shown = Signal()
    saving_changed = Signal()
    session_closing = Signal()
    session_replaced = Signal()
    volume_removed = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.session = Session()
        self.registry = LayerRegistry(viewer, self.session)
        self.questions = Questions(self)
        self.work = LongWork(self)
        self.autosave: Autosave | None = None
        self.busy = False
        self.pretrained: Model | None = None
        self.paint_class = BACKGROUND
        self._active: str | None = None
        self.strokes = StrokeListener(self.registry)
        self.mouse = MousePlace(viewer)
        self.pending: Pending | None = None
        self._eraser = Eraser(self.registry)
        self._closed_ink = ""
        self._complain_later = single_shot(self._say_ink_closed, parent=self)
        self._show_later = single_shot(self._show_selected, parent=self)
        self._connect_session()
        self.saving_changed.connect(self.changed)
        self.registry.layer_made.connect(self._on_layer_made)
        self.registry.ink_closed.connect(self._on_ink_closed)
        self.registry.proposals_hidden.connect(self._on_any)
        self._free: frozenset[Layer] = frozenset()
        viewer.layers.selection.events.active.connect(self._on_active_layer)
        viewer.layers.selection.events.changed.connect(self._on_selection)
        viewer.layers.events.inserted.connect(self._on_layers)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.dims.events.current_step.connect(self._on_step)

    # -- what is shown ---------------------------------------------------------

    @property
    def active(self) -> str | None:
        """The volume that is worked on."""
        if self._active not in self.session.records:
            self._active = next(iter(self.session.records), None)
        return self._active

    def need_active(self) -> str:
        """Return the volume that is worked on, or say that there is none."""
        if self.active is None:
            raise InputError("Add a volume first.")
        return self.active

    @property
    def current_slice(self) -> int:
        """The slice of the active volume that is shown."""
        if self.active is None:
            return 0
        record = self.session.records[self.active]
        try:
            voxel = self.registry.voxel(self.active, self.viewer.dims.point)
        except InputError:
            return 0
        return int(np.clip(voxel[record.axis], 0, len(record.status) - 1))

    def need_shown_slice(self) -> tuple[str, int]:
        """Return the active volume and its slice on the screen.

        Raises
        ------
        InputError
            There is no volume, or none of its slices is on the screen: its layers were
            removed, it is seen in 3-D or along another axis, or the slider lies beside.
        """
        volume_id, dims = self.need_active(), self.viewer.dims
        if not self.registry.is_open(volume_id):
            raise InputError(
                f"Nothing changed: no layer of {volume_id} is open; choose it at the "
                "top of the dock first."
            )
        along = dims.ndim - 3 + self.session.records[volume_id].axis
        if along >= 0 and along in dims.displayed:
            raise InputError(
                "Nothing changed: the view does not show one slice along the slice "
                "axis; turn off 3-D and put the axes back in order first."
            )
        if not self._is_inside(volume_id):
            raise InputError(
                f"Nothing changed: the view shows no slice of {volume_id}; click on "
                "one in the bar at the top of the dock first."
            )
        return volume_id, self.current_slice

    def under_mouse(self, volume_id: str) -> tuple[int, ...]:
        """Voxel of a volume under the mouse."""
        return self.registry.voxel(volume_id, self.mouse.world)

    @property
    def suggested(self) -> Pending | None:
        """Give what is to be accepted or rejected before any proposal."""
        pending = self.pending
        return pending if pending is not None and pending.is_there else None

    def shows(self, volume_id: str, kind: str) -> bool:
        """Whether a layer of a kind is open for a volume."""
        return self.registry.layer(volume_id, kind) is not None

    def work_on(self, volume_id: str) -> None:
        """Show a volume in place of the others, its ink under the brush."""
        self._active = volume_id
        self.registry.show_only(volume_id)
        layer = self.registry.layer(volume_id, "ink")
        if layer is not None:
            self.viewer.layers.selection.active = layer
            layer.mode = "paint"
            self._go_inside(volume_id)
        self.choose_class(self.paint_class)

    def set_voxel_size(self, volume_id: str, size: tuple[float, float, float]) -> None:
        """Say how large a volume's voxels are, in mm, and show it so."""
        before = self.session.records[volume_id]
        self.session.set_voxel_size(volume_id, size)
        record = self.session.records[volume_id]
        if record is not before:
            self.registry.drop_work(volume_id)
            self.registry.show_volume(record)
        self.registry.show_voxel_size(record)
        if volume_id == self.active:
            self.registry.face_axis(volume_id)
            self.work_on(volume_id)

    def _go_inside(self, volume_id: str) -> None:
        """Show the middle slice of a volume where the slider lies outside of it."""
        if not self._is_inside(volume_id):
            self.go_to(len(self.session.records[volume_id].status) // 2)

    def _is_inside(self, volume_id: str) -> bool:
        """Whether the slider is at a slice of a volume, not before or after it."""
        record = self.session.records[volume_id]
        shown = self.registry.voxel(volume_id, self.viewer.dims.point)[record.axis]
        return 0 <= shown < len(record.status)

    def choose_volume(self, volume_id: str) -> None:
        """Work on a volume; its layers are opened again where they were closed."""
        record = self.session.records[volume_id]
        before = self.session.records.get(self._active or "", record)
        self._active = volume_id
        with self.registry.making_room(volume_id):
            self.registry.show_volume(record)
            if record.axis != before.axis:
                self.registry.face_axis(volume_id)
            elif not _in_one_frame(record.volume, before.volume):
                self.registry.fit(volume_id)
            proposed = self.shows(volume_id, "pseudo")
            if record.proposal is not None and not proposed:
                self.registry.show_proposals(record)
            self.registry.refresh_proposals(record)
            self.work_on(volume_id)
        self.changed.emit()

    def choose_class(self, class_id: int) -> None:
        """Paint with a class, 255 for background; a number without class is refused."""
        if class_id not in (BACKGROUND, *(c.id for c in self.session.classes)):
            notify_info(f"There is no class {class_id}; add it in step Data first.")
            return
        self.paint_class = class_id
        self.registry.choose_class(class_id)
        self.changed.emit()

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
            world = self.registry.world(volume_id, tuple(voxel))
            offset = self.viewer.dims.ndim - len(world)
            along = record.axis - (3 - len(world))
            if along >= 0:
                self.viewer.dims.set_point(offset + along, float(world[along]))

    def next_slice(self) -> None:
        """Show the next slice."""
        self.go_to(self.current_slice + 1)

    def previous_slice(self) -> None:
        """Show the slice before."""
        self.go_to(self.current_slice - 1)

    # -- the session -----------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """Where the session is kept."""
        return self.autosave.folder if self.autosave is not None else None

    @property
    def is_written(self) -> bool:
        """Whether everything is on the disk."""
        return self.autosave is not None and self.autosave.flush(0.0)

    def need_rest(self) -> None:
        """Refuse what cannot be done while a task runs."""
        if self.busy:
            raise InputError("A task is running; cancel it or wait.")
        self.work.need_rest()

    def undo(self) -> None:
        """Take back the last thing done; of a suggestion the last box or click."""
        with notify_errors():
            if self.suggested is not None:
                self.suggested.step_back()
            else:
                with self._showing_changes():
                    self.session.undo()

    def redo(self) -> None:
        """Do again what was undone."""
        with notify_errors(), self._showing_changes():
            self.session.redo()

    @contextmanager
    def _showing_changes(self) -> Iterator[None]:
        """Go to what changes inside, where that is on no slice that is shown."""
        changes: dict[str, Collection[int]] = {}

        def note(volume_id: str, slices: Collection[int] | None) -> None:
            changes[volume_id] = slices or ()

        self.session.work_changed.connect(note)
        try:
            yield
        finally:
            self.session.work_changed.disconnect(note)
        slices = changes.get(self.active or "") if len(changes) == 1 else None
        shown = self.current_slice
        if slices and shown not in slices:
            self.go_to(min(slices, key=lambda index: abs(index - shown)))

    def replace(self, session: Session) -> None:
        """Show another session in place of this one."""
        self.questions.drop()
        self.session_closing.emit()
        with self.registry.batch():
            self._drop_volumes(hide=bool(session.records))
            self.session = self.registry.session = session
            self._connect_session()
            self.paint_class = next((c.id for c in session.classes), BACKGROUND)
            self._active = self._show_first()
        if self.active is not None:
            self.registry.face_axis(self.active)
            self.work_on(self.active)
        self.session_replaced.emit()
        self.changed.emit()

    def _show_first(self) -> str | None:
        """Make the layers of the volume opened last; others' are made when shown.

        Images of volumes that are not of a cohort are made: *New* leaves them.
        """
        records, cases = self.session.records, self.session.case_ids
        first = next(reversed(records), None)
        for volume_id, record in records.items():
            if volume_id not in cases and volume_id != first:
                self.registry.show_images(record)
        if first is not None:
            self.registry.show_volume(records[first])
            self.registry.show_proposals(records[first])
        return first

    def _drop_volumes(self, *, hide: bool) -> None:
        """Remove the layers of the session, and the images of its cases.

        Other images stay; what was shown of them is hidden where others come.
        """
        cases = self.session.case_ids
        for volume_id in list(self.session.records):
            if volume_id in cases:
                self.registry.remove_volume(volume_id)
            else:
                self.registry.drop_volume(volume_id, hide=hide)

    # -- wiring ----------------------------------------------------------------

    def close(self) -> None:
        """Disconnect from the viewer."""
        self.work.close()
        self._complain_later.stop()
        self._show_later.stop()
        layers = self.viewer.layers
        layers.selection.events.active.disconnect(self._on_active_layer)
        layers.selection.events.changed.disconnect(self._on_selection)
        layers.events.inserted.disconnect(self._on_layers)
        layers.events.removed.disconnect(self._on_layer_removed)
        self.viewer.dims.events.current_step.disconnect(self._on_step)
        self.strokes.close()
        self.mouse.close()
        self._eraser.close()
        self.registry.close()

    def _connect_session(self) -> None:
        session = self.session
        session.work_changed.connect(self._on_work)
        session.classes_changed.connect(self._on_classes)
        session.proposals_changed.connect(self._on_proposals)
        session.derived_changed.connect(self._on_derived)
        session.volumes_changed.connect(self._on_any)
        session.rounds_changed.connect(self._on_any)
        session.history_changed.connect(self._on_any)
        session.cohort_changed.connect(self._on_any)

    def _on_any(self) -> None:
        self.changed.emit()

    def _on_work(self, volume_id: str, slices: object) -> None:
        self.registry.refresh(volume_id)
        self.work_changed.emit(volume_id, slices)
        self.labels_changed.emit()
        self.changed.emit()

    def _on_layer_made(self, layer: Layer) -> None:
        """Paint with the chosen class in a new layer, too, and not with napari's 1."""
        if isinstance(layer, Labels):
            layer.selected_label = self.paint_class

    def _on_classes(self) -> None:
        self.registry.recolour()
        ids = [*(c.id for c in self.session.classes), BACKGROUND]
        if self.paint_class not in ids:
            self.paint_class = ids[0]
            self.registry.choose_class(ids[0])
        self.labels_changed.emit()
        self.changed.emit()

    def _on_proposals(self) -> None:
        self._show_proposals(self.session.records.values())
        self.proposals_shown.emit()
        self.labels_changed.emit()
        self.changed.emit()

    def _on_derived(self, volume_id: str, slices: Collection[int] | None) -> None:
        """Show derived slices; a volume that had no proposal gets its layers.

        One that is not shown gets them when it is chosen.
        """
        record = self.session.records[volume_id]
        if slices is None:
            if volume_id == self.active or record.proposal is None:
                self._show_proposals([record])
            self.changed.emit()
        elif volume_id == self.active and self.current_slice in slices:
            self.registry.refresh_proposals(record)
        self.derived_shown.emit(volume_id, slices)

    def _show_proposals(self, records: Iterable[VolumeRecord]) -> None:
        """Show proposals in fresh layers; what was selected stays so.

        Volumes that are not shown get theirs when they are.
        """
        volume_id, layers = self.active, self.viewer.layers
        selected = layers.selection.active
        by_id = {record.volume.id: record for record in records}
        self.registry.drop_proposals(*by_id)
        if volume_id in by_id:
            self.registry.show_proposals(by_id[volume_id])
        if volume_id is not None:
            self._active = volume_id
            self.registry.show_only(volume_id)
            ink = self.registry.layer(volume_id, "ink")
            layers.selection.active = selected if selected in layers else ink

    def _on_ink_closed(self, volume_id: str) -> None:
        self._closed_ink = volume_id
        self._complain_later.start()  # a viewer that closes removes its layers first

    def _say_ink_closed(self) -> None:
        notify_error(
            f"The ink layer of {self._closed_ink} was closed; its ink is safe. Choose "
            "the volume at the top of the dock to show it again."
        )
        self.changed.emit()

    def _on_active_layer(self, _event: Any = None) -> None:
        key = self.registry.owner(self.viewer.layers.selection.active)
        if key is not None and key[0] != self._active:
            self._active = key[0]
            if self.registry.rests(key[0]):
                self._show_later.start()
            self.changed.emit()

    def _show_selected(self) -> None:
        """Show a volume whose image was selected, and that has no other layers yet."""
        if self.active is not None and self.registry.rests(self.active):
            self.choose_volume(self.active)

    def _on_selection(self, _event: Any = None) -> None:
        """Say so if other layers that are not the session's are selected."""
        selected = self.viewer.layers.selection
        free = frozenset(one for one in selected if self.registry.owner(one) is None)
        if free != self._free:
            self._free = free
            self.changed.emit()

    def _on_layers(self, _event: Any = None) -> None:
        self.changed.emit()

    def _on_layer_removed(self, event: Any) -> None:
        self.questions.forget_layer(event.value)
        self.changed.emit()

    def _on_step(self, _event: Any = None) -> None:
        self.slice_changed.emit()


def _in_one_frame(one: Volume, other: Volume) -> bool:
    """Whether two volumes take the same room on the screen."""
    return one.shape == other.shape and np.allclose(one.affine, other.affine)
