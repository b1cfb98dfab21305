"""Keep a class's largest connected piece, or remove its small pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from napari_contrastseg.session.classes import NOTHING
from napari_contrastseg.session.connected import Connected
from napari_contrastseg.session.editing.plane import TOGETHER
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.session.editing.plane import Plane
    from napari_contrastseg.session.volume_record import VolumeRecord

    #: From the voxels of each piece, 0 for what is none, to which of them go.
    Choice = Callable[[NDArray[np.int64]], NDArray[np.bool_]]


def all_but_largest(sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Let all pieces go but the largest; of several as large the first stays."""
    goes = np.ones(len(sizes), np.bool_)
    goes[0] = goes[int(sizes.argmax())] = False
    return goes


def smaller_than(size: int) -> Choice:
    """Let pieces of fewer voxels go."""

    def goes(sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((sizes > 0) & (sizes < size))

    return goes


def without_pieces(plane: Plane, class_id: int, goes: Choice) -> NDArray[np.uint8]:
    """Erase pieces of a class in a slice.

    Returns
    -------
    (rows, columns) uint8
        The slice's ink afterwards.
    """
    changed = plane.ink.copy()
    pieces, count = scipy.ndimage.label(plane.ink == class_id, TOGETHER)
    if count:
        sizes = np.bincount(pieces.reshape(-1), minlength=count + 1)
        sizes[0] = 0
        changed[goes(sizes)[pieces]] = NOTHING
    return changed


def pieces_through(
    record: VolumeRecord, class_id: int, goes: Choice
) -> Iterator[NDArray[np.int64]]:
    """Flat indices, block by block, of pieces of a class through all slices.

    Slices of which nothing says whether the class is there are passed over: outlines
    on the labelled slices on both sides of them are neighbours.
    """
    axis, ink = record.axis, record.ink
    slices = _speaking(record, class_id)
    if not len(slices):
        return
    shape = list(ink.shape)
    shape[axis] = len(slices)

    def of_volume(key: tuple[slice, ...]) -> tuple[Any, ...]:
        return (*key[:axis], slices[key[axis]], *key[axis + 1 :])

    pieces = Connected(lambda key: ink[of_volume(key)] == class_id, shape)
    sizes = np.zeros(pieces.count + 1, np.int64)
    for _, numbers in pieces:
        sizes += np.bincount(numbers.reshape(-1), minlength=len(sizes))
    sizes[0] = 0
    gone = goes(sizes)
    for key, numbers in pieces:
        places = [
            at + part.start
            for at, part in zip(np.nonzero(gone[numbers]), key, strict=True)
        ]
        places[axis] = slices[places[axis]]
        yield np.ravel_multi_index(tuple(places), ink.shape).astype(np.int64)


def _speaking(record: VolumeRecord, class_id: int) -> NDArray[np.int64]:
    """Slices that are done, or on which something is painted as the class."""
    known = record.status == Status.DONE
    for index in np.flatnonzero(record.status == Status.SPARSE):
        known[index] = (record.ink[record.window(int(index))] == class_id).any()
    return np.flatnonzero(known)
