"""Existing masks in napari's layers, taken as ink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_contrastseg.io.array_order import in_order_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import SAME_PLACE
from napari_contrastseg.learning.data.targets import values_in
from napari_contrastseg.session.classes import BACKGROUND, MAX_CLASS
from napari_contrastseg.session.painting import take_ink
from napari_contrastseg.ui.viewer.image_layers import (
    labels_of,
    mask_distance,
    says_no_place,
)
from napari_contrastseg.ui.viewer.layer_files import (
    refuse_part_of_file,
    volume_of_files,
)

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.session.session import Session

#: More label values than this are instances, not classes.
MOST_CLASSES = 20


def may_be_mask(layer: Layer) -> bool:
    """Whether a layer is a Labels layer, or an image of whole numbers or bools."""
    return (
        isinstance(layer, Labels | Image)
        and not getattr(layer, "rgb", False)
        and (np.issubdtype(layer.dtype, np.integer) or layer.dtype == np.bool_)
    )


def take_mask(
    session: Session,
    volume_id: str,
    layer: Layer,
    *,
    all_done: bool,
    reference: Layer | None = None,
) -> str:
    """Take a mask layer as a volume's ink; its values become classes.

    Returns
    -------
    str
        What was assumed of its place, a sentence; empty where its place is known.

    Raises
    ------
    InputError
        It lies elsewhere than the volume, which `reference` shows, holds instances or
        values that no class can have, or is a part of its file; nothing has changed
        then.
    """
    refuse_part_of_file(layer)
    volume, assumed = session.records[volume_id].volume, ""
    mask = _of_file(layer, volume)
    if mask is not None:
        labels = np.asarray(mask.data[0])
        _refuse_elsewhere(layer, volume, volume.distance(mask))
    else:
        labels = labels_of(layer, volume)
        assumed = _check_place(layer, labels, volume, reference)
    if (labels == BACKGROUND).any():
        raise InputError(
            f"{layer.name}: holds the value 255, which means background "
            "painted on purpose here; renumber that class to 1 ... 254 first."
        )
    known = {c.id for c in session.classes}
    new = sorted(values_in(labels) - known - {0})
    if len(new) > MOST_CLASSES:
        raise InputError(
            f"{layer.name}: holds {len(new)} label values; a mask of classes "
            "is needed, not of instances."
        )
    strange = [value for value in new if not 0 < value <= MAX_CLASS]
    if strange:
        raise InputError(
            f"{layer.name}: holds the value {strange[0]}; classes have the numbers 1 "
            f"to {MAX_CLASS}, so renumber it first."
        )
    if session.records[volume_id].locked.all():
        raise InputError(f"{volume_id}: all its slices are locked; unlock some first.")
    with session.action("take mask"):
        if labels.shape == session.records[volume_id].volume.shape:
            for class_id in new:
                session.add_class_with_id(int(class_id))
        take_ink(session, volume_id, labels, done="all" if all_done else "labelled")
    return assumed


def _check_place(
    layer: Layer, labels: NDArray[Any], volume: Volume, image: Layer | None
) -> str:
    """Refuse a mask that lies elsewhere; say what is assumed of one without a place."""
    if labels.shape != volume.shape:
        return ""  # refused with both shapes
    distance = mask_distance(layer, volume, image)
    if says_no_place(layer):
        if distance <= SAME_PLACE and volume.source.orientation is None:
            return ""
        return (
            f"{layer.name} does not say where it lies, so it was taken voxel by voxel "
            f"in the order in which {volume.id} is shown; if it looks turned or "
            "mirrored now, undo this and open the mask's own file."
        )
    _refuse_elsewhere(layer, volume, distance)
    return ""


def _of_file(layer: Layer, volume: Volume) -> Volume | None:
    """Read the mask that another reader opened, where both files know their place."""
    found = volume_of_files([layer])
    if found is None or not (found.anatomical and volume.anatomical):
        return None
    found = in_order_of(found, volume)
    return found if found.shape == volume.shape and len(found.data) == 1 else None


def _refuse_elsewhere(layer: Layer, volume: Volume, distance: float) -> None:
    if distance > SAME_PLACE:
        raise InputError(
            f"{layer.name}: lies elsewhere than {volume.id} (a corner is "
            f"{distance:.3g} voxels off by position, direction or voxel size), so its "
            "labels would come to lie on other voxels; resample it to the image's "
            "grid first."
        )
