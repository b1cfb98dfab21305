"""Which napari layer shows what of the session: by identity, never by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.painting import merge_strokes, record_stroke
from napari_contrastseg.ui.image_layers import VOLUME_KEY, layer_for, placement
from napari_contrastseg.ui.notify import complain

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_contrastseg.session.classes import Classes
    from napari_contrastseg.session.painting import Stroke
    from napari_contrastseg.session.record import VolumeRecord
    from napari_contrastseg.session.session import Session

#: Volume id, array, flat indices, values the session wants there.
_Wanted = tuple[str, "NDArray[Any]", "NDArray[np.int64]", "NDArray[np.uint8]"]
Kind = Literal["image", "ink", "pseudo", "prediction", "confidence"]
_TITLES: dict[Kind, str] = {
    "ink": "ink",
    "pseudo": "pseudo-labels",
    "prediction": "prediction",
    "confidence": "confidence",
}
_PLANE = 2


class LayerBook:
    """Creates the session's layers, hears their strokes, and keeps them in step.

    Signals
    -------
    layer_made : the layer, for key bindings
    ink_closed : volume id
        The person removed an ink layer; the ink itself is safe in the session.
    """

    layer_made = Signal(object)
    ink_closed = Signal(str)

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        self.viewer = viewer
        self.session = session
        self._layers: dict[tuple[str, Kind], Layer] = {}
        self._removing = False
        self._shown_last = ""
        self._wanted: list[_Wanted] = []
        self._soon = QTimer()
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._settle)
        viewer.layers.events.removed.connect(self._on_removed)

    # -- look-ups --------------------------------------------------------------

    def layer(self, volume_id: str, kind: Kind) -> Layer | None:
        """Find a layer; None once the person has deleted it."""
        return self._layers.get((volume_id, kind))

    def owner(self, layer: Layer | None) -> tuple[str, Kind] | None:
        """Tell which volume a layer belongs to and what it shows of it."""
        for key, known in self._layers.items():
            if known is layer:
                return key
        return None

    def voxel(self, volume_id: str, world: Any) -> tuple[int, ...]:
        """Voxel of a volume at a place in napari's world."""
        layer = self._reference(volume_id)
        place = np.asarray(layer.world_to_data(world))[-layer.ndim :]
        index = [round(float(x)) for x in place]
        return tuple(([0] * (3 - len(index))) + index)

    def world(self, volume_id: str, voxel: tuple[int, ...]) -> NDArray[np.float64]:
        """Place in napari's world of a voxel of a volume."""
        layer = self._reference(volume_id)
        place = np.asarray(layer.data_to_world(voxel[-layer.ndim :]))
        return place[-layer.ndim :].astype(np.float64)

    def _reference(self, volume_id: str) -> Layer:
        kinds: tuple[Kind, ...] = ("ink", "image", "prediction")
        for kind in kinds:
            layer = self._layers.get((volume_id, kind))
            if layer is not None:
                return layer
        raise InputError(f"{volume_id}: none of its layers is open; choose it in Data.")

    # -- making layers ---------------------------------------------------------

    def show_volume(self, record: VolumeRecord, image: Layer | None = None) -> None:
        """Make sure that a volume has its image and ink layers."""
        name = record.volume.id
        if image is not None:
            self._layers[name, "image"] = image
        elif (name, "image") not in self._layers:
            self._layers[name, "image"] = self._add_image(record)
        if (name, "ink") not in self._layers:
            self._add_labels(record, "ink", record.ink, opacity=0.6)

    def _add_image(self, record: VolumeRecord) -> Layer:
        data, about, _ = layer_for(record.volume)
        layer = Image(data, **about)
        self.viewer.add_layer(layer)
        return layer

    def show_proposals(self, record: VolumeRecord) -> None:
        """Put the current round's proposals into fresh layers, under the ink.

        napari selects every layer that is added: the caller selects the right one.

        Fresh, because assigning `Labels.data` would keep the old undo history.
        """
        name = record.volume.id
        kinds: tuple[Kind, ...] = ("confidence", "prediction", "pseudo")
        for kind in kinds:
            self._drop(name, kind)
        proposal = record.proposal
        opened = {(name, "image"), (name, "ink")} & set(self._layers)
        if proposal is None or not opened:
            return  # a volume that is chosen in Data again gets all its layers
        confidence = self._add_confidence(record, proposal.confidence)
        confidence.visible = False
        prediction = self._add_labels(
            record, "prediction", record.prediction, opacity=0.4
        )
        prediction.visible = False
        self._add_labels(record, "pseudo", record.pseudo, opacity=0.4)
        ink = self._layers.get((name, "ink"))
        if ink is not None:
            layers = self.viewer.layers
            layers.move(layers.index(ink), len(layers))

    def show_only(self, volume_id: str) -> None:
        """Hide the other volumes' layers, which lie in the same place.

        Which of its own layers are shown is left to the person, once they were.
        """
        for (name, kind), layer in self._layers.items():
            if name != volume_id:
                layer.visible = False
            elif kind in ("image", "ink", "pseudo") and self._shown_last != volume_id:
                layer.visible = True
        self._shown_last = volume_id

    def _add_confidence(
        self, record: VolumeRecord, confidence: NDArray[np.float16]
    ) -> Layer:
        name = record.volume.id
        layer = Image(
            self._shown(name, confidence).astype(np.float32),
            name=f"{name} {_TITLES['confidence']}",
            colormap="magma",
            contrast_limits=(0.3, 1.0),
            blending="additive",
            opacity=0.5,
            **placement(self._reference(name)),
        )
        self._layers[name, "confidence"] = layer
        self.viewer.add_layer(layer)
        return layer

    def _add_labels(
        self, record: VolumeRecord, kind: Kind, array: NDArray[np.uint8], opacity: float
    ) -> Labels:
        name = record.volume.id
        layer = Labels(
            self._shown(name, array),
            name=f"{name} {_TITLES[kind]}",
            opacity=opacity,
            colormap=colormap(self.session.classes),
            metadata={VOLUME_KEY: record.volume},
            **placement(self._reference(name)),
        )
        layer.brush_size = 8
        layer.events.paint.connect(self._on_paint)
        self._layers[name, kind] = layer
        self.viewer.add_layer(layer)
        self.layer_made.emit(layer)
        return layer

    def _shown(self, volume_id: str, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array as its layer shows it: a plane for 2-D layers; no copy."""
        flat = self._reference(volume_id).ndim == _PLANE
        return array[0] if flat else array

    # -- keeping in step -------------------------------------------------------

    def face_axis(self) -> None:
        """Let napari's slider run along the slice axis."""
        axis, ndim = self.session.axis, self.viewer.dims.ndim
        if axis is None or ndim < 3:  # noqa: PLR2004  pictures have no slider
            return
        along = ndim - 3 + axis
        rest = [a for a in range(ndim) if a != along]
        self.viewer.dims.order = (*rest[:-2], along, *rest[-2:])
        self.viewer.reset_view()

    def recolour(self) -> None:
        """Show the classes' colours."""
        for layer in self._layers.values():
            if isinstance(layer, Labels):
                layer.colormap = colormap(self.session.classes)

    def refresh(self, volume_id: str) -> None:
        """Show what has changed in the session's arrays."""
        kinds: tuple[Kind, ...] = ("ink", "pseudo", "prediction")
        for kind in kinds:
            layer = self._layers.get((volume_id, kind))
            if layer is not None:
                layer.refresh()

    def choose_class(self, class_id: int) -> None:
        """Paint with a class in all of our layers."""
        for layer in self._layers.values():
            if isinstance(layer, Labels):
                layer.selected_label = class_id

    def close(self) -> None:
        """Let go of everything; the layers stay."""
        self._soon.stop()
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        for layer in self._layers.values():
            if isinstance(layer, Labels):
                layer.events.paint.disconnect(self._on_paint)
        self._layers.clear()

    def drop_volume(self, volume_id: str) -> None:
        """Remove the layers that we made for a volume; its image stays, a stranger."""
        self.drop_work(volume_id)
        self._layers.pop((volume_id, "image"), None)

    def drop_work(self, volume_id: str) -> None:
        """Remove a volume's ink and proposal layers."""
        kinds: tuple[Kind, ...] = ("confidence", "prediction", "pseudo", "ink")
        for kind in kinds:
            self._drop(volume_id, kind)

    def _drop(self, volume_id: str, kind: Kind) -> None:
        layer = self._layers.pop((volume_id, kind), None)
        if layer is None:
            return
        if isinstance(layer, Labels):
            layer.events.paint.disconnect(self._on_paint)
        if layer in self.viewer.layers:
            self._removing = True
            self.viewer.layers.remove(layer)
            self._removing = False

    def _on_removed(self, event: Any) -> None:
        key = self.owner(event.value)
        if key is None or self._removing:
            return
        del self._layers[key]
        if key[1] == "ink":
            self.ink_closed.emit(key[0])

    def _on_paint(self, event: Any) -> None:
        layer = event.source
        key = self.owner(layer)
        if key is None:
            return
        volume_id, kind = key
        strokes = [_stroke(atom, layer.ndim) for atom in event.value]
        # the session's history is the only one: napari's own would write old pixels
        layer._undo_history.clear()  # noqa: SLF001  no public way to empty it
        layer._redo_history.clear()  # noqa: SLF001
        array = cast("Literal['ink', 'prediction', 'pseudo']", kind)
        try:
            record_stroke(self.session, volume_id, strokes, array)
        except InputError as error:
            complain(str(error))
        self._remember(self.session.records[volume_id], array, strokes)

    def _remember(
        self, record: VolumeRecord, array: str, strokes: list[Stroke]
    ) -> None:
        """Note what napari may overwrite: it tells of some edits before it makes them.

        A fill, a polygon and `data_setitem` emit ``paint`` and then write the painted
        value, also where the session wants another one.
        """
        flat, _, raw = merge_strokes(strokes, record.volume.shape)
        wanted = record.array(array).reshape(-1)[flat].copy()
        differs = wanted != raw
        if differs.any():
            found = record.array(array)
            self._wanted.append(
                (record.volume.id, found, flat[differs], wanted[differs])
            )
            self._soon.start()

    def _settle(self) -> None:
        """Put back what napari wrote after it had told of the edit."""
        pending, self._wanted = self._wanted, []
        for volume_id, found, flat, wanted in pending:
            found.reshape(-1)[flat] = wanted
            self.refresh(volume_id)


def colormap(classes: Classes) -> DirectLabelColormap:
    """Colours of ink and proposals; background painted on purpose is a grey veil."""
    colours: dict[int | None, Any] = {None: (0.9, 0.1, 0.9, 1.0), 0: (0, 0, 0, 0)}
    colours[BACKGROUND] = (0.6, 0.6, 0.6, 0.35)
    colours |= {c.id: c.colour for c in classes}
    return DirectLabelColormap(color_dict=colours)


def _stroke(atom: Any, ndim: int) -> Stroke:
    """Turn napari's history atom into indices, old values, new value.

    napari 0.9 paints in bounding boxes with a mask; `data_setitem`, and napari before
    0.9, in index tuples.
    """
    if hasattr(atom, "slice_key"):
        starts = [s.start or 0 for s in atom.slice_key]
        if atom.mask is None:
            old = np.asarray(atom.old_values)
            where = np.indices(old.shape).reshape(old.ndim, -1)
        else:
            where = np.stack(np.nonzero(atom.mask))
            old = np.asarray(atom.old_values)
        indices = tuple(w + s for w, s in zip(where, starts, strict=True))
        old = old.reshape(-1)
        new = atom.new_value
    else:
        indices, old, new = atom
        indices = tuple(np.asarray(i).reshape(-1) for i in indices)
        old = np.asarray(old).reshape(-1)
    if ndim == _PLANE:
        indices = (np.zeros_like(indices[0]), *indices)
    return indices, old, new
