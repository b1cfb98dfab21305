"""Copy the labels of the slice before, or after, into a slice that has none there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord

#: Pixels that are looked at together.
_AT_ONCE: Final = 2**16


def labelled_neighbour(record: VolumeRecord, index: int) -> int | None:
    """Find the slice whose labels are copied: the one before, else the one after."""
    for other in (index - 1, index + 1):
        if 0 <= other < len(record.status) and _has_classes(record, other):
            return other
    return None


def _has_classes(record: VolumeRecord, index: int) -> bool:
    """Whether something is painted as a class; reads no further than to the first."""
    if record.status[index] == Status.UNTOUCHED:
        return False
    ink = record.ink[record.window(index)]
    few = max(1, _AT_ONCE // ink.shape[1])
    parts = (ink[start : start + few] for start in range(0, len(ink), few))
    return any(bool(((p != NOTHING) & (p != BACKGROUND)).any()) for p in parts)


def copied_from_neighbour(record: VolumeRecord, index: int) -> NDArray[np.uint8]:
    """Add the classes of the neighbouring labelled slice where nothing is painted.

    Returns
    -------
    (rows, columns) uint8
        The slice's ink afterwards.

    Raises
    ------
    InputError
        Neither neighbour is labelled, the slice is done, or the volume is a stack of
        pictures that have nothing to do with each other.
    """
    if record.volume.kind == "stack":
        raise InputError(
            f"{record.volume.id}: its pictures are unrelated, so that there is no "
            "neighbouring slice to copy from."
        )
    if record.status[index] == Status.DONE:
        raise InputError(f"Slice {index} is done already; its labels stay as they are.")
    other = labelled_neighbour(record, index)
    if other is None:
        raise InputError(
            f"Neither the slice before slice {index} nor the one after it is "
            "labelled; label one of them first."
        )
    ink = record.ink[record.window(index)]
    return np.where(ink == NOTHING, _classes_on(record, other), ink)


def _classes_on(record: VolumeRecord, index: int) -> NDArray[np.uint8]:
    """Give what is painted as a class on a slice, 0 elsewhere."""
    ink = record.ink[record.window(index)]
    return np.where(ink == BACKGROUND, np.uint8(NOTHING), ink)
