"""Step Data: add volumes, mark and lock slices."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.layers import Image, Layer
from qtpy.QtCore import QObject

from napari_contrastseg.io.choice import Choice, NotUprightError, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.intensities import fill_note, intensity_range
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.slice_axis import COARSEST, SliceAxis
from napari_contrastseg.io.volume import lengths
from napari_contrastseg.session import painting
from napari_contrastseg.session.derived import drop_derived
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.cohort_controller import CohortController
from napari_contrastseg.ui.data.empty_slice import MarkDone
from napari_contrastseg.ui.data.file_opening import FileOpening
from napari_contrastseg.ui.data.file_question import (
    RESAMPLE,
    RESAMPLE_TIPS,
    ask_of_file,
    do_nothing,
)
from napari_contrastseg.ui.data.mask_controller import MaskController
from napari_contrastseg.ui.data.panel import DataState
from napari_contrastseg.ui.notify import notify_errors, notify_info
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.image_layers import (
    ManyAxesError,
    ShearedLayerError,
    drawing_distance,
    is_large,
    levels_note,
    needs_own_layers,
    refuse_tilted,
    shown_upright,
    size_known,
    split_layer,
    straightened,
    volume_from,
)
from napari_contrastseg.ui.viewer.label_layers import ORIGIN_COLOURS
from napari_contrastseg.ui.viewer.layer_files import (
    of_several_pictures,
    words_of_files,
)
from napari_contrastseg.ui.viewer.mask_layers import named_as_mask
from napari_contrastseg.ui.viewer.overlays import show_labels
from napari_contrastseg.ui.viewer.unopened import Unopened
from napari_contrastseg.ui.warm_up import warm_up
from napari_contrastseg.ui.widgets.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.io.volume import Volume, VolumeKind
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.data.voxel_size import VoxelSize
    from napari_contrastseg.ui.workspace import Workspace

_CANONICAL = ("axial", "coronal", "sagittal")
_AXES = 3
#: Milliseconds after which the dock is there, and what a first image needs is loaded.
WARM_UP_MS: Final = 200
#: Said where a volume leaves and another one is shown in its place.
_LEFT = (
    "{} left the session. Its image stays in napari's list of layers, hidden; the eye "
    "beside its name shows it."
)


class DataController(QObject):
    """The intents of step Data about volumes and slices, and what its panel shows."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.masks = MaskController(workspace)
        self.cohort = CohortController(workspace, self._add)
        self.done = MarkDone(workspace, self.toggle_done)
        self.files = FileOpening(workspace, self.ask_and_open)
        self._said_apart = False
        self._warm_up = single_shot(warm_up, WARM_UP_MS, self)
        self._warm_up.start()

    # -- what the panel shows --------------------------------------------------

    def state(self) -> DataState:
        """Return what the panel shows, but for where the session is kept."""
        workspace, session = self._workspace, self._workspace.session
        active = workspace.active
        record = session.records[active] if active is not None else None
        return DataState(
            images=tuple(layer.name for layer in self.free_images()),
            selected=len(self._selected()),
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
            opened=active is None or workspace.registry.is_open(active),
            current=workspace.current_slice,
            voxel_size=_size_to_choose(record),
            unrelated=record is not None and record.volume.kind == "stack",
            mask=self.masks.state(),
            cohort=self.cohort.state(),
        )

    def free_images(self) -> list[Image]:
        """Image layers that are not in the session and not ours, masks last."""
        workspace = self._workspace
        found = [
            layer
            for layer in workspace.viewer.layers
            if isinstance(layer, Image) and workspace.registry.owner(layer) is None
        ]
        return sorted(found, key=lambda layer: named_as_mask(layer.name))

    def _selected(self) -> list[Image]:
        """Give the images of these that are selected in napari's list of layers."""
        selected = self._workspace.viewer.layers.selection
        return [layer for layer in self.free_images() if layer in selected]

    # -- volumes ---------------------------------------------------------------

    def add_image(self, index: int) -> None:
        """Add one of the free images."""
        images = self.free_images()
        if 0 <= index < len(images):
            self.add_layers([images[index]])

    def add_layers(self, layers: Sequence[Layer]) -> None:
        """Add image layers to the session as the channels of one volume.

        Where their files are unpacked for that, or much of a large image is read, it
        takes long and goes to a thread.
        """
        session = self._workspace.session
        with notify_errors():
            name = session.free_id(layers[0].name if layers else "")
            words = words_of_files(layers)
            if words:
                notify_info(words)
            if words or any(map(is_large, layers)):
                self._workspace.work.begin(
                    f"Unpacking {name}" if words else f"Reading {name}",
                    partial(self._ready, layers, name),
                    lambda volume: self._add_as_kind(volume, layers),
                    otherwise=partial(self._ask_or_say, layers, name),
                    holding=session,
                )
                return
            try:
                volume = volume_from(layers, name)
            except InputError as error:
                self._ask_or_say(layers, name, error)
            else:
                self._add_as_kind(volume, layers)

    def _ready(self, layers: Sequence[Layer], name: str) -> Volume:
        """Make a volume of layers; read what says how bright it is, which is kept."""
        volume = volume_from(layers, name)
        on_slices = self._workspace.session.slices.on(volume)
        intensity_range(on_slices, on_slices.axis)
        return volume

    def _ask_or_say(
        self, layers: Sequence[Layer], name: str, error: BaseException | None
    ) -> None:
        """Ask what of layers is a volume, or say why they are none."""
        match error:
            case None:
                notify_info(f"{name} was not added.")
            case ManyAxesError():
                self._ask_of_axis(layers, error)
            case ShearedLayerError():
                self._ask_of_grid(layers, name, error)
            case SeveralPartsError() | NotUprightError():
                self._ask_of_file(layers, name, Choice(), error)
            case _:
                raise error

    def _ask_of_axis(self, layers: Sequence[Layer], error: ManyAxesError) -> None:
        """Ask which part of a layer of many axes is a volume, or its channels."""
        if len(layers) > 1 or error.layer.multiscale:
            raise error
        ways: dict[str, int | None] = {}
        if error.as_channels:
            ways[f"all {error.count}, as channels"] = None
        ways |= {f"position {n}": n for n in range(error.count)}
        self._workspace.questions.ask(
            Notice(
                f"{error.why}: click what you mean of axis {error.axis}.",
                ("Leave it",),
                ("It is not added",),
                tuple(ways),
            ),
            do_nothing,
            *(partial(self._add_split, error, where) for where in ways.values()),
            layers=layers,
        )

    def _add_split(self, error: ManyAxesError, position: int | None) -> None:
        with notify_errors():
            parts = split_layer(error.layer, error.axis, position)
            viewer = self._workspace.viewer
            viewer.layers.extend(parts)
            error.layer.visible = False
        self.add_layers(parts)

    def _ask_of_grid(
        self, layers: Sequence[Layer], name: str, error: ShearedLayerError
    ) -> None:
        """Ask whether layers whose grid is sheared are resampled."""
        self._workspace.questions.ask(
            Notice(f"{error.why}.", RESAMPLE, RESAMPLE_TIPS),
            partial(self._add_straightened, layers, name),
            do_nothing,
            layers=layers,
        )

    def _add_straightened(self, layers: Sequence[Layer], name: str) -> None:
        with notify_errors():
            self._add(straightened(layers, name), layers)

    def _ask_of_file(
        self,
        layers: Sequence[Layer],
        name: str,
        choice: Choice,
        error: SeveralPartsError | NotUprightError,
    ) -> None:
        """Ask what of a layer's file is to be added."""
        path = Path(layers[0].source.path)
        asked = Unopened(path, name, choice, error)

        def take(chosen: Choice) -> None:
            with notify_errors():
                named = self._workspace.session.free_id(asked.named(chosen))
                try:
                    volume = read_volume(path, name=named, choice=chosen)
                except (SeveralPartsError, NotUprightError) as further:
                    self._ask_of_file(layers, named, chosen, further)
                else:
                    self._add(volume, layers)

        ask_of_file(self._workspace.questions, asked, take, layers)

    def ask_and_open(self, unopened: Unopened) -> None:
        """Ask what of a file that was dropped is to be opened, and open that."""
        if unopened.error is None:
            self.files.open(unopened)
            return
        ask_of_file(
            self._workspace.questions,
            unopened,
            lambda chosen: self.files.open(unopened.chosen(chosen)),
        )

    def _add_as_kind(self, volume: Volume, layers: Sequence[Layer]) -> None:
        """Add a volume; ask first whether pictures of several files are related."""
        if not any(map(of_several_pictures, layers)) or volume.kind == "stack":
            self._add(volume, layers)
            return

        def add(kind: VolumeKind) -> None:
            with notify_errors():
                self._add(replace(volume, kind=kind), layers)

        self._workspace.questions.ask(
            Notice(
                f"{volume.id}: its slices are pictures from several files. Are they "
                "neighbouring slices of one volume?",
                ("Neighbouring slices", "Unrelated pictures"),
                (
                    "What lies between two labelled slices is interpolated",
                    "Nothing is concluded from one picture on the next",
                ),
            ),
            partial(add, "volume"),
            partial(add, "stack"),
            layers=layers,
        )

    def _add(self, volume: Volume, layers: Sequence[Layer] = ()) -> None:
        """Add a volume that layers show, or that is to be shown in layers of ours."""
        workspace, session = self._workspace, self._workspace.session
        name = volume.id
        volume = session.slices.on(volume)
        ours = not layers or needs_own_layers(layers, volume)
        ours = ours or shown_upright(layers[0], volume.axis)
        if not ours:
            refuse_tilted(layers[0], volume.axis)
        intensity_range(volume, volume.axis)
        record = session.add_volume(volume)
        if not session.classes:  # before ink is drawn, which is once then
            workspace.paint_class = session.begin_classes()
        if ours:
            for layer in layers:
                layer.visible = False
        with workspace.registry.making_room(name):
            workspace.registry.show_volume(record, () if ours else layers)
        self._say_drawn_apart(volume)
        if not size_known(volume):
            notify_info(_assumed_size(volume))
        for note in (levels_note(layers, volume), fill_note(volume, volume.axis)):
            if note is not None:
                notify_info(note)
        workspace.registry.face_axis(name)
        workspace.work_on(name)
        if any(layer.ndim > len(volume.shape) for layer in layers):
            # where the slider stands was said of another axis, such as channels
            workspace.go_to(volume.shape[volume.axis] // 2)

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
        chosen = self._selected()
        with notify_errors():
            if not chosen:
                raise InputError(
                    "Select image layers that are not in the session yet, in napari's "
                    "layer list."
                )
            self.add_layers(chosen)

    def remove_volume(self, volume_id: str) -> None:
        """Take a volume out of the session; ask first where it has labels."""
        workspace = self._workspace
        labelled = _labelled(workspace.session.records[volume_id])
        if not labelled:
            self._remove(volume_id)
            return
        workspace.questions.ask(
            Notice(
                f"{volume_id} has labels on {plural(labelled, 'slice')}. Remove it "
                "with them? Undo will not bring them back.",
                ("Remove with labels", "Keep it"),
                ("Its labels are lost; its image file stays", "Nothing changes"),
            ),
            partial(self._remove, volume_id),
            do_nothing,
        )

    def _remove(self, volume_id: str) -> None:
        workspace = self._workspace
        was_shown = workspace.active == volume_id
        image = workspace.registry.layer(volume_id, "image")
        with notify_errors():
            workspace.session.remove_volume(volume_id)
            hide = bool(workspace.session.records)  # another one is shown instead
            workspace.registry.drop_volume(volume_id, hide=hide)
            workspace.volume_removed.emit(volume_id)
            if hide and image is not None:
                notify_info(_LEFT.format(volume_id))
            if was_shown and workspace.active is not None:
                workspace.choose_volume(workspace.active)
                workspace.registry.face_axis(workspace.active)
        workspace.changed.emit()

    def set_axis(self, choice: int) -> None:
        """Choose the slice axes: one of the active volume's, or the coarsest of each.

        The other volumes have the same axis of their own files' arrays.
        """
        workspace, session = self._workspace, self._workspace.session
        with notify_errors():
            active = workspace.need_active()
            source = session.records[active].volume.source
            slices = COARSEST
            if choice < _AXES:
                slices = SliceAxis("file", source.file_axis(choice))
            for volume_id, record in session.records.items():
                image = workspace.registry.layer(volume_id, "image")
                if image is not None:
                    refuse_tilted(image, slices.of(record.volume))
            session.set_slices(slices)
            workspace.registry.drop_work(*session.records)
            workspace.registry.show_volume(session.records[active])
            workspace.registry.face_axis(active)
            workspace.work_on(active)
        workspace.changed.emit()

    def set_voxel_size(self, size: VoxelSize) -> None:
        """Say how large the active volume's voxels are, in mm."""
        workspace, session = self._workspace, self._workspace.session
        with notify_errors():
            name = workspace.need_active()
            stated = _stated_size(session.records[name].volume)
            workspace.set_voxel_size(name, size)
            if stated is not None:
                notify_info(
                    f"{name}: its file says {stated}, and other programs will go by "
                    "that; better correct the file."
                )
        workspace.changed.emit()

    def set_unrelated(self, unrelated: bool) -> None:
        """Say whether the active volume's slices are unrelated pictures."""
        workspace, session = self._workspace, self._workspace.session
        with notify_errors():
            name = workspace.need_active()
            session.set_kind(name, "stack" if unrelated else "volume")
            drop_derived(session, name)
            workspace.work_changed.emit(name, None)
        workspace.changed.emit()

    # -- slices ----------------------------------------------------------------

    def toggle_done(self) -> None:
        """Mark the shown slice done, or not done."""
        workspace, session = self._workspace, self._workspace.session
        if workspace.active is None:
            return
        with notify_errors():
            volume_id, index = workspace.need_shown_slice()
            now = session.records[volume_id].status[index]
            wanted = Status.SPARSE if now == Status.DONE else Status.DONE
            painting.mark(session, volume_id, index, wanted)

    def lock_slice(self, locked: bool) -> None:
        """Protect the shown slice, or let it be changed again."""
        workspace = self._workspace
        with notify_errors():
            volume_id, index = workspace.need_shown_slice()
            painting.lock_slice(workspace.session, volume_id, index, locked=locked)
        workspace.changed.emit()

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


def _labelled(record: VolumeRecord) -> int:
    """Count the slices that a person has worked on."""
    painted = (record.ink[record.window(i)].any() for i in range(len(record.status)))
    return sum(
        bool(done or some) for done, some in zip(record.status, painted, strict=True)
    )


def _stated_size(volume: Volume) -> str | None:
    """Name the voxel size that a volume's file states, if it does."""
    source = volume.source
    if source.path is None or source.unit == "pixel" or source.factor is not None:
        return None
    sides, unit = lengths(volume)
    return f"{' x '.join(f'{side:.4g}' for side in sides)} {unit}"


def _assumed_size(volume: Volume) -> str:
    """Say what is taken for the size of voxels, where nothing says it."""
    sides = " x ".join(f"{side:.4g}" for side in volume.spacing)
    known = "no voxel size is known, 1 x 1 x 1 mm is assumed"
    if (volume.spacing != 1).any():
        known = f"no unit of its voxel size {sides} is known, mm is assumed"
    return f"{volume.id}: {known}; change it in step Data, voxel size."


def _size_to_choose(record: VolumeRecord | None) -> VoxelSize | None:
    """Give the voxel size that a person may change: where no file knows the place."""
    if record is None or record.volume.anatomical:
        return None
    z, y, x = map(float, record.volume.spacing)
    return (z, y, x)


def _axis_names(volume: Volume | None) -> tuple[str, ...]:
    """Name a volume's axes, and at last the choice of each volume's coarsest."""
    numbers = [f"axis {i}" for i in range(_AXES)]
    if volume is None:
        return (*numbers, "coarsest")
    coarsest = COARSEST.of(volume)
    if not volume.anatomical:
        return (*numbers, f"coarsest: {numbers[coarsest]}")
    words = dict(zip(volume.body_axes, _CANONICAL, strict=True))
    names = [f"{number} ({words[i]})" for i, number in enumerate(numbers)]
    return (*names, f"coarsest: {words[coarsest]}")


def _axis_chosen(session: Session, record: VolumeRecord | None) -> int:
    """Find which of `_axis_names` the session has chosen."""
    if record is None or session.slices == COARSEST:
        return _AXES
    return record.axis
