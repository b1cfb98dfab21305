"""Make napari layers of the session, and keep them in step: by identity, not name."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_contrastseg.ui.notify import notify_error, notify_info
from napari_contrastseg.ui.viewer.brush_circle import drop_box
from napari_contrastseg.ui.viewer.coarse_strokes import CoarseStrokes
from napari_contrastseg.ui.viewer.drawn_slices import DrawnSlices
from napari_contrastseg.ui.viewer.fit_view import fit_view
from napari_contrastseg.ui.viewer.image_layers import (
    layers_for,
    name_axes,
    placement,
    show_past_fill_values,
)
from napari_contrastseg.ui.viewer.known_layers import (
    SHOWN,
    TITLES,
    KnownLayers,
    LayerKind,
    set_visible,
)
from napari_contrastseg.ui.viewer.label_layers import (
    NO_VEIL,
    SURE_VEIL,
    colormap,
    forget_strokes,
)
from napari_contrastseg.ui.viewer.lately_shown import LatelyShown, LayerLooks
from napari_contrastseg.ui.viewer.layer_files import VOLUME_KEY
from napari_contrastseg.ui.viewer.scale_bar import scale_bar
from napari_contrastseg.ui.viewer.session_labels import SessionLabels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

#: Ways of blending in which an image lets those below it be seen.
_SEEN_THROUGH: Final = ("additive", "minimum", "multiplicative")
#: Made because a person asked for them, and not again by themselves; and all overlays.
_ASKED_FOR: Final = (
    *("cross", "similarity", "difference", "origin"),
    *("instances", "solid", "solid image", "suggestion"),
)
_OVERLAYS: Final = ("pointed", "chosen", *_ASKED_FOR)
_PROPOSED: Final = ("confidence", "prediction", "pseudo")
_PAINTED: Final = ("ink", "prediction", "pseudo")
_MOVES: Final = ("scale", "translate", "rotate", "shear", "affine", "units")
_PLANE = 2
#: Pixels of a slice's longer side from which the outline of a proposal grows.
_OUTLINE_SIDE: Final = 600
#: Until the scale bar is shown: to draw its letters for the first time takes as long as
#: to draw the first image.
BAR_AFTER_MS: Final = 300


def outline_width(record: VolumeRecord) -> int:
    """Pixels of an outline in a volume's slices: a thin one is lost in large ones."""
    sides = np.delete(record.volume.shape, record.axis)
    return 1 + int(sides.max()) // _OUTLINE_SIDE


class LayerRegistry(KnownLayers):
    """Creates the session's layers and keeps them in step.

    Signals
    -------
    layer_made : the layer, for key bindings
    painted : napari's event
        A stroke in one of the layers that may be painted on.
    ink_closed : volume id
        The person removed an ink layer; the ink itself is safe in the session.
    proposals_hidden : ()
        A layer of a proposal was hidden, or shown again.
    """

    layer_made = Signal(object)
    painted = Signal(object)
    ink_closed = Signal(str)
    proposals_hidden = Signal()

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        super().__init__()
        self.viewer = viewer
        self.session = session
        self._drawn, self._coarse = DrawnSlices(), CoarseStrokes()
        self._lately, self._looks = LatelyShown(), LayerLooks()
        self._removing = self._moving = self._in_batch = False
        self._moved: set[str] = set()
        self._shown_last = ""
        self._scaled = False
        self._bar_later = QTimer()
        self._bar_later.setSingleShot(True)
        self._bar_later.timeout.connect(self._show_scale_bar)
        drop_box(viewer)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.ndisplay.connect(self._outline)

    # -- making layers ---------------------------------------------------------

    def show_volume(self, record: VolumeRecord, images: Sequence[Layer] = ()) -> None:
        """Make sure that a volume has its image layers and its ink layer."""
        name = record.volume.id
        if not self._scaled:
            self._scaled = True
            self._bar_later.start(BAR_AFTER_MS)
        self.show_images(record, images)
        self._lately.note(name)
        if (name, "ink") not in self._layers:
            self._add_labels(record, "ink", record.ink, opacity=0.6)

    def show_images(self, record: VolumeRecord, images: Sequence[Layer] = ()) -> None:
        """Make sure that a volume has its image layers, be it not worked on."""
        name = record.volume.id
        for number, layer in enumerate(images):
            name_axes(layer, record.volume)
            self._own_image(name, number, layer)
        made = not images and (name, "image") not in self._layers
        if made:
            self._add_images(record)
        if made or images:
            grey = [image for image in self._images(name) if not image.rgb]
            show_past_fill_values(record.volume, record.axis, grey)
        if made:
            self._place_again(name)

    def _show_scale_bar(self) -> None:
        """Show how long things are, once: a person may turn it off."""
        bar = scale_bar(self.viewer)
        bar.box = False  # drawn alone it can end the process: see `drop_box`
        bar.visible = True

    def _images(self, name: str) -> list[Image]:
        """List a volume's image layers that are open, in the order of its channels."""
        kinds = [kind for owner, kind in self._layers if owner == name]
        found = [self._layers[name, k] for k in kinds if k.startswith("image")]
        return [layer for layer in found if isinstance(layer, Image)]

    def _own_image(self, name: str, number: int, layer: Layer) -> None:
        self._layers[name, f"image {number}" if number else "image"] = layer
        layer.events.data.connect(self._on_image_replaced)
        for move in _MOVES:
            getattr(layer.events, move).connect(self._on_image_moved)

    def _disown(self, key: tuple[str, LayerKind]) -> Layer | None:
        """Let go of a layer; it may stay in the viewer, no longer ours."""
        layer = self._layers.pop(key, None)
        if layer is None:
            return None
        if key[1].startswith("image"):
            layer.events.data.disconnect(self._on_image_replaced)
            for move in _MOVES:
                getattr(layer.events, move).disconnect(self._on_image_moved)
        elif key[1] in _PAINTED:
            self._drawn.forget(layer)
            self._coarse.forget(layer)
            layer.events.paint.disconnect(self._on_paint)
            layer.events.data.disconnect(self._on_labels_replaced)
            layer.events.visible.disconnect(self._on_visible)
        return layer

    def _add_images(self, record: VolumeRecord) -> None:
        name = record.volume.id
        where = {}
        if any((name, kind) in self._layers for kind in ("ink", "prediction")):
            where = placement(self._reference(name))  # the image may have been moved
        for number, (data, about, _) in enumerate(layers_for(record.volume)):
            layer = Image(data, **about | where)
            self.viewer.add_layer(layer)
            self._own_image(name, number, layer)

    def _place_again(self, volume_id: str) -> None:
        """Put images that were taken away under all that lay over them."""
        layers = self.viewer.layers
        for number, image in enumerate(self._images(volume_id)):
            if self._looks.give_back(self.owner(image) or ("", ""), image):
                layers.move(layers.index(image), number)

    def show_proposals(self, record: VolumeRecord) -> None:
        """Put the current round's proposals into fresh layers, under the ink.

        What is sure is filled, all that is proposed has an outline: where it is not
        filled it is unsure.

        napari selects every layer that is added: the caller selects the right one.

        Fresh, because assigning `Labels.data` would keep the old undo history.
        """
        name = record.volume.id
        self.drop_proposals(name)
        proposal = record.proposal
        opened = {(name, "image"), (name, "ink")} & set(self._layers)
        if proposal is None or not opened:
            return  # a volume that is chosen in Data again gets all its layers
        confidence = self._add_confidence(record, proposal.confidence)
        confidence.visible = False
        self._add_labels(record, "pseudo", record.pseudo, opacity=0.4)
        self._add_labels(record, "prediction", record.prediction, opacity=0.9)
        self._outline()
        self._veil(name)
        ink = self._layers.get((name, "ink"))
        if ink is not None:
            layers = self.viewer.layers
            layers.move(layers.index(ink), len(layers))

    def put(self, volume_id: str, kind: LayerKind, layer: Layer) -> None:
        """Show a layer about a volume on top of it; what was selected stays so."""
        self.drop(volume_id, kind)
        selected = self.viewer.layers.selection.active
        self._layers[volume_id, kind] = layer
        self.viewer.add_layer(layer)
        if selected in self.viewer.layers:
            self.viewer.layers.selection.active = selected

    def show_only(self, volume_id: str) -> None:
        """Hide the other volumes' layers, which lie in the same place.

        Which of its own layers are shown is left to the person, once they were; so
        are images of no volume that covered it.
        """
        if self._shown_last != volume_id:
            self._uncover(volume_id)
            if volume_id in self._lately:
                self._lately.note(volume_id)
        for (name, kind), layer in self._layers.items():
            if name != volume_id:
                set_visible(layer, False)
            elif self._shown_last != volume_id and kind.split()[0] in (
                "image",
                "ink",
                "pseudo",
                "prediction",
                "chosen",
                "pointed",
                "similarity",
            ):
                set_visible(layer, True)
        self._shown_last = volume_id

    def _uncover(self, volume_id: str) -> None:
        """Hide opaque images of no volume that lie over a volume's own."""
        image = self._layers.get((volume_id, "image"))
        layers = self.viewer.layers
        if image is None or image not in layers:
            return
        for layer in list(layers)[layers.index(image) + 1 :]:
            opaque = layer.opacity == 1 and layer.blending not in _SEEN_THROUGH
            if isinstance(layer, Image) and self.owner(layer) is None and opaque:
                set_visible(layer, False)

    def _outline(self, _event: Any = None) -> None:
        """Draw the outline of all that is proposed; napari has none in 3-D."""
        flat = self.viewer.dims.ndisplay == _PLANE
        for (name, kind), layer in self._layers.items():
            record = self.session.records.get(name)
            if kind == "prediction" and record is not None:
                layer.contour = outline_width(record) if flat else 0

    def _veil(self, volume_id: str) -> None:
        """Show where background is sure, if that is what accepting would take."""
        layer = self._layers.get((volume_id, "pseudo"))
        if layer is not None:
            whole = self.shown_of_proposal(volume_id) == "prediction"
            veil = NO_VEIL if whole else SURE_VEIL
            layer.colormap = colormap(self.session.classes, veil)

    def _add_confidence(
        self, record: VolumeRecord, confidence: NDArray[np.float16]
    ) -> Layer:
        name = record.volume.id
        layer = Image(
            self.shown(name, confidence),
            name=f"{name} {TITLES['confidence']}",
            colormap="magma",
            contrast_limits=(0.3, 1.0),
            blending="additive",
            opacity=0.5,
            **placement(self._reference(name)),
        )
        self._layers[name, "confidence"] = layer
        self.viewer.add_layer(layer)
        self._looks.give_back((name, "confidence"), layer)
        return layer

    def _add_labels(
        self,
        record: VolumeRecord,
        kind: LayerKind,
        array: NDArray[np.uint8],
        opacity: float,
    ) -> Labels:
        name = record.volume.id
        layer = SessionLabels(
            self.shown(name, array),
            name=f"{name} {TITLES[kind]}",
            opacity=opacity,
            colormap=colormap(self.session.classes),
            metadata={VOLUME_KEY: record.volume},
            **placement(self._reference(name)),
        )
        layer.brush_size = 8
        alone = kind == "ink" and len(array) == 1 and record.axis == 0
        self._drawn.watch(layer, partial(record.worked.rows, 0) if alone else None)
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._on_labels_replaced)
        layer.events.visible.connect(self._on_visible)
        self._layers[name, kind] = layer
        self.viewer.add_layer(layer)
        self._coarse.watch(layer)
        self.layer_made.emit(layer)
        self._looks.give_back((name, kind), layer)
        return layer

    # -- keeping in step -------------------------------------------------------

    def face_axis(self, volume_id: str) -> None:
        """Let napari's slider run along a volume's slice axis."""
        ndim = self.viewer.dims.ndim
        if ndim >= 3:  # noqa: PLR2004  pictures have no slider
            along = ndim - 3 + self.session.records[volume_id].axis
            rest = [a for a in range(ndim) if a != along]
            self.viewer.dims.order = (*rest[:-2], along, *rest[-2:])
        self.fit(volume_id)

    def fit(self, volume_id: str) -> None:
        """Fit the view to a volume, whatever other layers there are."""
        layers = self.viewer.layers
        fit_view(self.viewer, [one for one in self._images(volume_id) if one in layers])

    def show_voxel_size(self, record: VolumeRecord) -> None:
        """Show a volume's layers with the size that its voxels have by now."""
        name, size = record.volume.id, record.volume.spacing
        self._moving = True
        try:
            for (owner, _), layer in self._layers.items():
                if owner == name:
                    layer.units = ("mm",) * layer.ndim
                    layer.scale = size[-layer.ndim :]
        finally:
            self._moving = False

    def recolour(self) -> None:
        """Show the classes' colours."""
        for (name, kind), layer in self._layers.items():
            if kind == "pseudo":
                self._veil(name)
            elif kind in _PAINTED:
                layer.colormap = colormap(self.session.classes)

    def refresh(self, volume_id: str) -> None:
        """Show what has changed in the session's arrays."""
        self._refresh(volume_id, (*_PAINTED, "origin"))

    def _refresh(self, volume_id: str, kinds: Sequence[LayerKind]) -> None:
        for kind in kinds:
            layer = self._layers.get((volume_id, kind))
            if kind in _PAINTED and isinstance(layer, Labels):
                self._drawn.refresh(layer)
            elif layer is not None:
                layer.refresh()

    def refresh_proposals(self, record: VolumeRecord) -> None:
        """Show what has changed in a volume's proposal."""
        name = record.volume.id
        confidence = self._layers.get((name, "confidence"))
        if confidence is not None and record.proposal is not None:
            mine = self.shown(name, record.proposal.confidence)
            if not np.shares_memory(np.asarray(confidence.data), mine):
                confidence.data = mine
        self._refresh(name, _PROPOSED)

    def choose_class(self, class_id: int) -> None:
        """Paint with a class in all of our layers."""
        for (_, kind), layer in self._layers.items():
            if kind in _PAINTED:
                layer.selected_label = class_id

    def close(self) -> None:
        """Let go of everything; the layers stay."""
        self._bar_later.stop()
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.viewer.dims.events.ndisplay.disconnect(self._outline)
        for key in list(self._layers):
            self._disown(key)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Remove all layers inside at once.

        napari collects Python's garbage at each layer that is removed by itself, which
        takes a third of a second.
        """
        if self._in_batch:
            yield
            return
        self._in_batch = True
        try:
            with self.viewer.layers.batched_update():
                yield
        finally:
            self._in_batch = False

    def drop_volume(self, volume_id: str, *, hide: bool = True) -> None:
        """Remove the layers that we made for a volume; its image stays, not ours."""
        self.drop_work(volume_id)
        self._looks.forget(volume_id)
        if self._shown_last == volume_id:
            self._shown_last = ""  # its image is shown again when it is added again
        for key in [k for k in self._layers if k[0] == volume_id]:
            layer = self._disown(key)
            if layer is not None and hide:
                layer.visible = False

    def remove_volume(self, volume_id: str) -> None:
        """Remove all layers of a volume, its image's too: their memory is freed."""
        with self.batch():
            self._remove_images(volume_id)
            self.drop_volume(volume_id)

    def _remove_images(self, volume_id: str) -> None:
        for key in [key for key in self._layers if key[0] == volume_id]:
            if key[1].startswith("image"):
                self.drop(*key)

    def drop_work(self, *volume_ids: str) -> None:
        """Remove volumes' ink and proposal layers, all at once."""
        for volume_id in volume_ids:
            self._lately.forget(volume_id)
        self._drop_kinds(volume_ids, (*_OVERLAYS, *_PROPOSED, "ink"))

    def drop_proposals(self, *volume_ids: str) -> None:
        """Remove the layers of volumes' proposals, all at once."""
        self._drop_kinds(volume_ids, ("difference", *_PROPOSED))

    # -- volumes that are not shown --------------------------------------------

    def rests(self, volume_id: str) -> bool:
        """Whether a volume's layers to paint in are made when it is shown."""
        return volume_id not in self._lately

    @contextmanager
    def making_room(self, volume_id: str) -> Iterator[None]:
        """Show a volume, and take away the layers of those not shown for a while.

        Images of volumes that are not of a cohort stay: *New* leaves them to be added.
        """
        self._lately.note(volume_id)
        past = [name for name in self._lately.past if self._may_rest(name)]
        with self.batch() if past else nullcontext():
            for name in past:
                self._take_away(name, images=name in self.session.case_ids)
            yield

    def _may_rest(self, volume_id: str) -> bool:
        """Whether all of a volume's layers are made again when it is shown."""
        kinds = {kind for name, kind in self._layers if name == volume_id}
        return volume_id not in self._moved and kinds.isdisjoint(_ASKED_FOR)

    def _take_away(self, volume_id: str, *, images: bool) -> None:
        mine = {key: one for key, one in self._layers.items() if key[0] == volume_id}
        for key, layer in mine.items():
            if images or not key[1].startswith("image"):
                self._looks.keep(key, layer)
        self.drop_work(volume_id)
        if images:
            self._remove_images(volume_id)

    def _drop_kinds(
        self, volume_ids: Sequence[str], kinds: Sequence[LayerKind]
    ) -> None:
        keys = [(name, kind) for name in volume_ids for kind in kinds]
        there = [key for key in keys if key in self._layers]
        if there:
            with self.batch():
                for key in there:
                    self.drop(*key)

    def drop(self, volume_id: str, kind: LayerKind) -> None:
        """Remove a layer that we made, if it is there."""
        layer = self._disown((volume_id, kind))
        if layer is not None and layer in self.viewer.layers:
            self._removing = True
            self.viewer.layers.remove(layer)
            self._removing = False

    def _on_paint(self, event: Any) -> None:
        self.painted.emit(event)

    def _on_visible(self, event: Any) -> None:
        key = self.owner(event.source)
        if key is not None and key[1] in SHOWN:
            self._veil(key[0])
            self.proposals_hidden.emit()

    def _on_removed(self, event: Any) -> None:
        key = self.owner(event.value)
        if key is None or self._removing:
            return
        self._disown(key)
        if key[1] == "ink":
            self.ink_closed.emit(key[0])

    def _on_image_moved(self, event: Any) -> None:
        """Let a volume's other layers follow an image that was moved."""
        key = self.owner(event.source)
        if key is None or self._moving:
            return
        self._moving = True
        try:
            about = placement(event.source)
            for (name, _), layer in self._layers.items():
                if name == key[0] and layer is not event.source:
                    for what, value in about.items():
                        setattr(layer, what, value)
        finally:
            self._moving = False
        if key[0] not in self._moved:
            self._moved.add(key[0])
            notify_info(
                f"{key[0]}: its labels move along with the image. Exported masks keep "
                "the place that it had when it was added."
            )

    def _on_image_replaced(self, event: Any) -> None:
        """Go on with the image that was added, if its layer shows another one now."""
        key = self.owner(event.source)
        if key is None:
            return
        for other in [k for k in self._layers if k[0] == key[0] and "image" in k[1]]:
            self._disown(other)
        record = self.session.records.get(key[0])
        if record is not None:
            self._add_images(record)
            ink = self._layers.get((key[0], "ink"))
            if ink is not None:
                layers = self.viewer.layers
                layers.move(layers.index(ink), len(layers))
        notify_error(
            f"{event.source.name}: shows another image now; the session goes on with "
            "the one that was added. Add the new one as a volume of its own."
        )

    def _on_labels_replaced(self, event: Any) -> None:
        """Put the session's array back into a layer of ours."""
        layer, key = event.source, self.owner(event.source)
        record = self.session.records.get(key[0]) if key is not None else None
        if key is None or record is None:
            return
        mine = self.shown(key[0], record.array(key[1]))
        if layer.data is mine or np.shares_memory(np.asarray(layer.data), mine):
            return
        layer.data = mine
        forget_strokes(layer)
        notify_error(
            f"{layer.name}: its labels belong to the session and stay. To use other "
            "labels, open them as a layer and take them as a mask in step Data."
        )
