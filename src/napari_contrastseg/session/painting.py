"""Paint, erase, mark and lock: undoable changes of ink and slice status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.ink_edits import (
    Changed,
    add_edit,
    all_unlocked,
    check_known,
    set_ink,
    unlocked,
)
from napari_contrastseg.session.targets import Origin, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

    #: One atom of a brush stroke in napari's form: indices, old values, new value.
    Stroke = tuple[tuple[NDArray[Any], ...], NDArray[Any], Any]
    #: From a volume, the places that were painted and their values, to what is meant.
    Refine = Callable[
        [VolumeRecord, NDArray[np.int64], NDArray[np.uint8]],
        tuple[NDArray[np.int64], NDArray[np.uint8]],
    ]


def commit_stroke(
    session: Session,
    volume_id: str,
    strokes: Sequence[Stroke],
    array: Literal["ink", "prediction", "pseudo"] = "ink",
    refine: Refine | None = None,
) -> None:
    """Make an undoable action of a brush edit that has changed an array already.

    An edit to a proposal is a correction: it becomes ink, and erasing there
    means background. `refine` says what of a stroke, and beside it, is painted.

    Raises
    ------
    InputError
        The painted label is not a class, or all of it is locked; the array is put back
        as it was.
    """
    record = session.records[volume_id]
    if not strokes:
        return
    flat, before, after = merge_strokes(strokes, record.volume.shape)
    record.array(array).reshape(-1)[flat] = before
    check_known(session, after)
    values, slices = after.astype(np.uint8), set(record.slices_of(flat).tolist())
    label, origin = "stroke", Origin.PAINTED
    if array != "ink":
        label, origin = "correction", Origin.CORRECTED
    try:
        if refine is not None:
            flat, values = refine(record, flat, values)
            slices.update(record.slices_of(flat).tolist())
        if array != "ink":
            values[values == NOTHING] = BACKGROUND
        flat, values = unlocked(session, record, flat, values)
        with session.action(label) as edits:
            set_ink(edits, record, flat, values, origin)
    finally:
        session.touch(volume_id, sorted(slices))


def merge_strokes(
    strokes: Sequence[Stroke], shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """Merge the atoms of one stroke, which may go over a voxel several times.

    Returns
    -------
    flat, before, after : (n,)
        Flat indices, each once; values before the first and after the last atom.
    """
    flats, olds, news = [], [], []
    for indices, old, new in strokes:
        flats.append(np.ravel_multi_index(tuple(indices), shape).astype(np.int64))
        olds.append(np.broadcast_to(np.asarray(old), flats[-1].shape))
        news.append(np.broadcast_to(np.asarray(new), flats[-1].shape))
    every, old, new = (np.concatenate(parts) for parts in (flats, olds, news))
    flat, first = np.unique(every, return_index=True)
    _, last = np.unique(every[::-1], return_index=True)
    return flat, old[first].astype(np.uint8), new[::-1][last].astype(np.int64)


def paint(
    session: Session,
    volume_id: str,
    where: NDArray[np.bool_],
    value: int | NDArray[Any],
) -> None:
    """Paint voxels with a class id, 255 for background or 0 to erase.

    Raises
    ------
    InputError
        The value is not a class, or all of it is locked.
    """
    _paint(session, {volume_id: np.flatnonzero(where)}, value, "stroke")


def paint_voxels(
    session: Session, places: Mapping[str, NDArray[np.int64]], value: int, label: str
) -> None:
    """Paint voxels of several volumes as one action: volume id to (n, 3) indices.

    Raises
    ------
    InputError
        The value is not a class, or all of it is locked.
    """
    flat = {
        name: np.sort(
            np.ravel_multi_index(tuple(p.T), session.records[name].volume.shape)
        )
        for name, p in places.items()
    }
    _paint(session, flat, value, label)


def _paint(
    session: Session,
    places: Mapping[str, NDArray[np.int64]],
    value: int | NDArray[Any],
    label: str,
) -> None:
    touched = []
    with session.action(label) as edits:
        for name, every in places.items():
            record = session.records[name]
            values = np.broadcast_to(np.asarray(value, np.uint8), every.shape)
            check_known(session, values)
            flat, values = unlocked(session, record, every, values)
            set_ink(edits, record, flat, values, Origin.PAINTED)
            touched.append((name, record.slices_of(flat).tolist()))
    for name, slices in touched:
        session.touch(name, slices)


def change_ink(
    session: Session,
    volume_id: str,
    parts: Iterable[tuple[NDArray[np.int64], NDArray[np.uint8]]],
    label: str,
) -> Changed:
    """Paint and erase many voxels as one action, part by part.

    Parameters
    ----------
    parts : iterable of (n,) int64, (n,) uint8
        Flat indices, ascending, and class ids, 255 for background or 0 to erase.
    label : str
        Name of the action for undo.

    Returns
    -------
    Changed
        What locked slices and classes did not forbid.

    Raises
    ------
    InputError
        A value is not a class, or all of it is locked.
    """
    record = session.records[volume_id]
    voxels, slices = 0, set[int]()
    with session.action(label) as edits:
        for flat, values in all_unlocked(session, record, parts):
            check_known(session, values)
            set_ink(edits, record, flat, values, Origin.PAINTED)
            voxels += len(flat)
            slices.update(record.slices_of(flat).tolist())
    if voxels:
        session.touch(volume_id, sorted(slices))
    return Changed(voxels, len(slices))


def mark(session: Session, volume_id: str, index: int, status: Status) -> None:
    """Set a slice's status; `SPARSE` without ink becomes `UNTOUCHED`.

    Raises
    ------
    InputError
        The slice is locked.
    """
    record = session.records[volume_id]
    if record.locked[index]:
        raise InputError(f"Slice {index} is locked; unlock it first.")
    if status != Status.DONE:
        painted = record.ink[record.window(index)].any()
        status = Status.SPARSE if painted else Status.UNTOUCHED
    with session.action("mark slice") as edits:
        add_edit(edits, record, "status", np.array([index]), status)
    session.touch(volume_id, [index])


def lock_slice(session: Session, volume_id: str, index: int, *, locked: bool) -> None:
    """Lock a slice, so that nothing changes its ink or status, or unlock it."""
    record = session.records[volume_id]
    with session.action("lock slice" if locked else "unlock slice") as edits:
        add_edit(edits, record, "locked", np.array([index]), int(locked))
    session.touch(volume_id, [index])
