"""Existing masks in napari's layers, taken as ink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.painting import take_ink

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_contrastseg.session.session import Session

#: More label values than this are instances, not classes.
MOST_CLASSES = 20
_PLANE = 2


def may_be_mask(layer: Layer) -> bool:
    """Whether a layer is a Labels layer, or an image of whole numbers."""
    return (
        isinstance(layer, Labels | Image)
        and not getattr(layer, "rgb", False)
        and np.issubdtype(layer.dtype, np.integer)
    )


def take_mask(
    session: Session, volume_id: str, layer: Layer, *, all_done: bool
) -> None:
    """Take a mask layer as a volume's ink; its values become classes.

    Raises
    ------
    InputError
        It lies on another grid, or holds instances or the value 255.
    """
    labels = np.asarray(layer.data)
    if (labels == BACKGROUND).any():
        raise InputError(
            f"{layer.name}: holds the value 255, which means background "
            "painted on purpose here; renumber that class to 1 ... 254 first."
        )
    labels = labels[None] if labels.ndim == _PLANE else labels
    known = {c.id for c in session.classes}
    new = sorted(set(np.unique(labels).tolist()) - known - {0})
    if len(new) > MOST_CLASSES:
        raise InputError(
            f"{layer.name}: holds {len(new)} label values; a mask of classes "
            "is needed, not of instances."
        )
    if labels.shape == session.records[volume_id].volume.shape:
        for class_id in new:
            session.add_class_with_id(int(class_id))
    take_ink(session, volume_id, labels, done="all" if all_done else "labelled")
