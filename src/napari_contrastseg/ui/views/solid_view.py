"""The result in 3-D on napari's canvas, and back to the slice as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.ui.notify import notify_error, notify_errors, notify_info
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.known_layers import set_visible
from napari_contrastseg.ui.viewer.label_layers import NO_VEIL, colormap
from napari_contrastseg.ui.views.solid import Solid, SolidRequest, make_solid
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.viewer.known_layers import ShownKind
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds after the last change of labels until the view follows.
_SETTLE_MS: Final = 400
_LABELS, _IMAGE = "solid", "solid image"
_FLAT, _SPACE = 2, 3
_REST: Final = "pan_zoom"
#: From where a volume is looked at, degrees: a little from above and from the side.
_ANGLES: Final = (0.0, 30.0, 60.0)
_FAINT: Final = 0.3


def _camera(viewer: Any) -> Any:
    """Find the camera: napari 0.9 has moved it to the scene."""
    return getattr(viewer, "scene", viewer).camera


@dataclass(frozen=True, eq=False)
class _Before:
    """How the viewer was before the 3-D view.

    Attributes
    ----------
    visible, modes, contours : dict of Layer
        Of all layers; of those that have a mode, or a contour.
    selection, active
        Layers.
    camera, dims : dict of attribute to value
    """

    visible: dict[Layer, bool]
    modes: dict[Layer, str]
    contours: dict[Layer, int]
    selection: set[Layer]
    active: Layer | None
    camera: dict[str, Any]
    dims: dict[str, Any]

    @classmethod
    def of(cls, viewer: Any) -> _Before:
        """Note it all."""
        camera, dims, layers = _camera(viewer), viewer.dims, list(viewer.layers)
        return cls(
            {layer: layer.visible for layer in layers},
            {layer: layer.mode for layer in layers if hasattr(layer, "mode")},
            {layer: layer.contour for layer in layers if isinstance(layer, Labels)},
            set(viewer.layers.selection),
            viewer.layers.selection.active,
            {name: getattr(camera, name) for name in ("center", "zoom", "angles")},
            {name: getattr(dims, name) for name in ("order", "point")},
        )


class SolidView(QObject):
    """Shows labels as bodies in the faint image, coarser where the volume is large.

    All other layers are hidden meanwhile, and no layer is in a mode for painting; fresh
    layers wait, hidden, until the slice is shown again.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._volume = ""
        self._before: _Before | None = None
        self._shown_before: ShownKind | None = None
        self._moving = False
        self._soon = single_shot(self._make_labels, _SETTLE_MS, self)
        self._back_soon = single_shot(self.leave, 0, self)
        self._runner = LatestTask(self, awaited=True)
        self._runner.happened.connect(self._on_event)
        self._runner.ended.connect(self._on_ended)

    @property
    def is_shown(self) -> bool:
        """Whether the canvas shows the volume in 3-D."""
        return self._before is not None

    @property
    def resting(self) -> bool:
        """Whether nothing is being made, or about to be."""
        return not (self._soon.isActive() or self._runner.running)

    def toggle(self) -> None:
        """Show the volume in 3-D, or the slice again."""
        with notify_errors():
            if self.is_shown:
                self.leave()
            elif self._runner.running:
                self._runner.cancel()
            else:
                self._begin()

    def close(self) -> None:
        """Show the slice again and let go of the viewer."""
        self.leave()
        self._runner.close()

    # -- there -------------------------------------------------------------------

    def _begin(self) -> None:
        volume_id = self._workspace.need_active()
        record = self._workspace.session.records[volume_id]
        if 1 in record.volume.shape:
            raise InputError(f"{volume_id}: is one picture and cannot be seen in 3-D.")
        if self._workspace.viewer.dims.ndisplay != _FLAT:
            raise InputError("The canvas is in 3-D already; turn that off first.")
        self._workspace.registry.about(volume_id, _LABELS)  # says if no layer is open
        self._volume = volume_id
        image = self._workspace.registry.layer(volume_id, "image")
        limits = tuple(image.contrast_limits) if image is not None else (0.0, 1.0)
        if isinstance(image, Image) and image.rgb:
            limits = (0.0, 255.0)
        data = record.volume.data[0] if image is not None else None
        self._runner.start(make_solid(SolidRequest(self._labels(record), data, limits)))

    def _labels(self, record: VolumeRecord) -> Any:
        """Give ink over what was shown of the proposal, or ink alone."""
        if self._before is None:
            registry = self._workspace.registry
            self._shown_before = registry.shown_of_proposal(self._volume)
        return record.array(self._shown_before or "ink")

    def _make_labels(self) -> None:
        """Read the labels again: they have changed."""
        record = self._workspace.session.records.get(self._volume)
        if record is not None and self.is_shown:
            self._runner.start(
                make_solid(SolidRequest(self._labels(record), None, (0.0, 1.0)))
            )

    def _on_event(self, event: Any) -> None:
        record = self._workspace.session.records.get(self._volume)
        if not isinstance(event, Solid) or record is None:
            return
        layer = self._workspace.registry.layer(self._volume, _LABELS)
        if self._before is None:
            with notify_errors():  # the layers may have been closed meanwhile
                self._enter(record, event)
        elif isinstance(layer, Labels):
            layer.colormap = colormap(self._workspace.session.classes, NO_VEIL)
            layer.data = event.labels

    def _on_ended(self, outcome: Any) -> None:
        self._runner.wait()
        if isinstance(outcome, Failed):
            notify_error(outcome.message)

    def _enter(self, record: VolumeRecord, solid: Solid) -> None:
        viewer = self._workspace.viewer
        about = self._workspace.registry.about(self._volume, _LABELS)
        before = _Before.of(viewer)
        for layer in before.modes:
            layer.mode = _REST  # napari may end when a layer that is painted on goes
        self._moving = True
        try:
            labels = self._add_layers(solid, about)
            for layer in before.visible:
                set_visible(layer, False)
            viewer.layers.selection.active = labels
            self._before = before
            viewer.dims.ndisplay = _SPACE
            viewer.reset_view()
            _camera(viewer).angles = _ANGLES
        finally:
            self._moving = False
        self._wire(connect=True)
        if max(solid.steps) > 1:
            every = " x ".join(map(str, solid.steps))
            notify_info(
                f"{record.volume.id}: is too large to be drawn in 3-D as it is, so one "
                f"voxel of {every} is shown."
            )

    def _add_layers(self, solid: Solid, about: dict[str, Any]) -> Labels:
        registry = self._workspace.registry
        about["scale"] = np.asarray(about["scale"]) * solid.steps
        if solid.image is not None:
            image = Image(
                solid.image,
                rendering="mip",
                blending="additive",
                opacity=_FAINT,
                contrast_limits=(0, 255),
                **about | {"name": registry.about(self._volume, _IMAGE)["name"]},
            )
            registry.put(self._volume, _IMAGE, image)
        labels = Labels(
            solid.labels,
            opacity=1.0,
            colormap=colormap(self._workspace.session.classes, NO_VEIL),
            **about,
        )
        registry.put(self._volume, _LABELS, labels)
        labels.editable = False
        return labels

    def _wire(self, *, connect: bool) -> None:
        """Follow what changes meanwhile, or follow it no more."""
        workspace, viewer = self._workspace, self._workspace.viewer
        for signal, slot in (
            (workspace.session_closing, self.leave),
            (workspace.changed, self._on_changed),
            (workspace.work_changed, self._on_labels),
            (workspace.derived_shown, self._on_labels),
            (workspace.proposals_shown, self._soon.start),
            (viewer.dims.events.ndisplay, self._on_ndisplay),
            (viewer.layers.events.inserted, self._on_inserted),
            (viewer.layers.events, self._on_layer),
        ):
            (signal.connect if connect else signal.disconnect)(slot)

    # -- back --------------------------------------------------------------------

    def leave(self) -> None:
        """Show the slice as it was; where another volume is shown now, that one."""
        before, self._before = self._before, None
        if before is None:
            return
        self._soon.stop()
        self._back_soon.stop()
        self._runner.cancel()
        self._wire(connect=False)
        stays = self._workspace.active == self._volume
        self._moving = True
        try:
            self._restore(before, stays=stays)
        finally:
            self._moving = False

    def _restore(self, before: _Before, *, stays: bool) -> None:
        viewer, registry = self._workspace.viewer, self._workspace.registry
        viewer.dims.ndisplay = _FLAT
        active = self._workspace.active
        mine = [
            layer
            for layer in before.visible
            if layer in viewer.layers
            and (registry.owner(layer) or (active,))[0] == active
        ]
        for layer in mine:
            if layer in before.contours and layer.contour != before.contours[layer]:
                layer.contour = before.contours[layer]
            set_visible(layer, before.visible[layer])
        for kind in (_LABELS, _IMAGE):
            registry.drop(self._volume, kind)
        for name, value in before.dims.items():
            setattr(viewer.dims, name, value)
        if stays:
            self._select(before)
        elif active is not None:
            self._workspace.work_on(active)

    def _select(self, before: _Before) -> None:
        """Select layers as before, in their modes, and look from where one did."""
        layers = self._workspace.viewer.layers
        layers.selection.clear()
        layers.selection.update(before.selection & set(layers))
        if before.active in layers:
            layers.selection.active = before.active
        for layer, mode in before.modes.items():
            if layer in layers:
                layer.mode = mode
        for name, value in before.camera.items():
            setattr(_camera(self._workspace.viewer), name, value)

    # -- meanwhile ---------------------------------------------------------------

    def _on_changed(self) -> None:
        """Go back where another volume is worked on, or none."""
        if self._workspace.active != self._volume:
            self._back_soon.start()

    def _on_labels(self, volume_id: str, _slices: object) -> None:
        if volume_id == self._volume:
            self._soon.start()

    def _on_ndisplay(self, _event: Any = None) -> None:
        """Go back all the way where napari's own button has turned off 3-D."""
        if not self._moving:
            self._back_soon.start()

    def _on_inserted(self, event: Any) -> None:
        self._wait_hidden(event.value)

    def _on_layer(self, event: Any) -> None:
        """Keep layers hidden that are to be seen in the slice."""
        if event.type == "visible" and not self._moving:
            for layer in self._workspace.viewer.layers:
                self._wait_hidden(layer)

    def _wait_hidden(self, layer: Layer) -> None:
        owner = self._workspace.registry.owner(layer)
        kept = owner is not None and owner[1] in (_LABELS, _IMAGE)
        if self._before is None or self._moving or kept or not layer.visible:
            return
        self._before.visible[layer] = True
        self._moving = True
        try:
            set_visible(layer, False)
        finally:
            self._moving = False
