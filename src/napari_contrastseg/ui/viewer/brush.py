"""Brush strokes: from napari's paint events to the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.painting import commit_stroke, merge_strokes
from napari_contrastseg.ui.notify import notify_error
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.viewer.label_layers import forget_strokes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_contrastseg.session.painting import Refine, Stroke
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.viewer.layer_registry import LayerRegistry

#: Volume id, array, flat indices, values the session wants there.
_Wanted = tuple[str, "NDArray[Any]", "NDArray[np.int64]", "NDArray[np.uint8]"]
_PLANE = 2


class StrokeListener:
    """Hears the strokes in the session's layers and hands them to the session.

    Attributes
    ----------
    refine : callable, optional
        Gives, for the layer that is painted on, what is to become of a stroke in it;
        None: it stays as it was painted.
    held : callable, optional
        What of a stroke counts, once it has become what it shall; all where there is
        none.
    """

    def __init__(self, registry: LayerRegistry) -> None:
        self.refine: Callable[[Labels], Refine | None] | None = None
        self.held: Refine | None = None
        self._registry = registry
        self._wanted: list[_Wanted] = []
        self._soon = single_shot(self._settle)
        registry.painted.connect(self._on_paint)

    def close(self) -> None:
        """Hear no more, and wait for nothing any more."""
        self._soon.stop()
        self._registry.painted.disconnect(self._on_paint)

    def _on_paint(self, event: Any) -> None:
        """Hand a stroke of napari's to the session."""
        layer = event.source
        key = self._registry.owner(layer)
        if key is None:
            return
        volume_id, kind = key
        strokes = [stroke_of(atom, layer.ndim) for atom in event.value]
        forget_strokes(layer)
        array = cast("Literal['ink', 'prediction', 'pseudo']", kind)
        try:
            refine = self.refine(layer) if self.refine is not None else None
            refine = one_after_the_other(refine, self.held)
            commit_stroke(self._registry.session, volume_id, strokes, array, refine)
        except InputError as error:
            notify_error(str(error))
        self._remember(self._registry.session.records[volume_id], array, strokes)

    def _remember(
        self, record: VolumeRecord, array: str, strokes: list[Stroke]
    ) -> None:
        """Note what napari may overwrite: it reports some edits before it makes them.

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
        """Put back what napari wrote after it announced the edit."""
        pending, self._wanted = self._wanted, []
        for volume_id, found, flat, wanted in pending:
            found.reshape(-1)[flat] = wanted
            self._registry.refresh(volume_id)


def one_after_the_other(first: Refine | None, then: Refine | None) -> Refine | None:
    """Join two steps that a stroke goes through; either may be missing."""
    if first is None or then is None:
        return first or then

    def both(
        record: VolumeRecord, flat: NDArray[np.int64], values: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        return then(record, *first(record, flat, values))

    return both


def stroke_of(atom: Any, ndim: int) -> Stroke:
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
