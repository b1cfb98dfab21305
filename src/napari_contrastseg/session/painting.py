"""Paint, erase, accept and reject voxels: undoable changes of ink and slice status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_contrastseg.io.blocks import blocks, flat_places
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.io.plural import plural
from napari_contrastseg.learning.data.targets import UNKNOWN, values_in
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.targets import Origin, Status, along
from napari_contrastseg.session.undo import Edit, array_edit
from napari_contrastseg.session.volume_record import PER_SLICE

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Collection,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from numpy.typing import NDArray

    from napari_contrastseg.io.blocks import Key
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

    #: One atom of a brush stroke in napari's form: indices, old values, new value.
    Stroke = tuple[tuple[NDArray[Any], ...], NDArray[Any], Any]
    #: From a volume, the places that were painted and their values, to what is meant.
    Refine = Callable[
        [VolumeRecord, NDArray[np.int64], NDArray[np.uint8]],
        tuple[NDArray[np.int64], NDArray[np.uint8]],
    ]


@dataclass(frozen=True)
class Changed:
    """How much an action changed: voxels, and the slices that they lie on."""

    voxels: int
    slices: int

    @property
    def words(self) -> str:
        """For people: "1234 voxels on 2 slices"."""
        return f"{plural(self.voxels, 'voxel')} on {plural(self.slices, 'slice')}"


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
    _check_known(session, after)
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
        flat, values = _unlocked(session, record, flat, values)
        with session.action(label) as edits:
            _write_ink(edits, record, flat, values, origin)
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
            _check_known(session, values)
            flat, values = _unlocked(session, record, every, values)
            _write_ink(edits, record, flat, values, Origin.PAINTED)
            touched.append((name, record.slices_of(flat).tolist()))
    for name, slices in touched:
        session.touch(name, slices)


def take_ink(
    session: Session,
    volume_id: str,
    labels: NDArray[Any],
    *,
    done: Literal["all", "labelled"],
) -> None:
    """Take an existing mask as ink; slices become done, all or those with labels.

    Parameters
    ----------
    session, volume_id
    labels : (s0, s1, s2) int
        Class ids, 0 background, -1 unknown.
    done : {"all", "labelled"}
        Which slices the mask settles. A slice of which it does not know every voxel is
        sparse afterwards, and what is background in the mask is painted so.

    Raises
    ------
    InputError
        The shape differs, or the mask holds values that are not classes.
    """
    with session.action("take mask") as edits:
        edits.extend(write_ink(session, volume_id, labels, done=done))
    session.touch(volume_id)


def write_ink(
    session: Session,
    volume_id: str,
    labels: NDArray[Any],
    *,
    done: Literal["all", "labelled"],
    coming: Collection[int] = (),
) -> list[Edit]:
    """Write a mask into a volume's ink and give the edits; nobody hears of it.

    So a thread may do it, while the session is held.

    Parameters
    ----------
    session, volume_id, labels, done
        As of `take_ink`.
    coming : collection of int
        Ids of classes that the session has once the edits are an action of it.

    Raises
    ------
    InputError
        As `take_ink`; nothing has changed.
    """
    record = session.records[volume_id]
    if tuple(labels.shape) != record.volume.shape:
        raise InputError(
            f"The mask has shape {tuple(labels.shape)}, the image {volume_id} has "
            f"{record.volume.shape}; it must be drawn on the image's grid."
        )
    strange = values_in(labels) - _paintable(session) - {UNKNOWN, *coming}
    if strange:
        raise InputError(
            f"The mask holds the label values {sorted(strange)}, which are no "
            "class of this session; add those classes first."
        )
    settled, whole = _settled(record, labels, done)
    sparse = np.zeros(len(record.status), np.bool_)
    sparse[settled[~whole[settled]]] = True
    keys = list(blocks(labels.shape))
    parts = (_to_take(record, labels, key, sparse) for key in keys)
    finished = settled[whole[settled] & (record.locked[settled] == 0)]
    edits: list[Edit] = []
    try:
        for number, (flat, new) in enumerate(_all_unlocked(session, record, parts)):
            went_on(number / len(keys))
            _write_ink(edits, record, flat, new, Origin.PAINTED)
        _add(edits, record, "status", finished, Status.DONE)
    except BaseException:
        session.take_back(edits)
        raise
    return edits


def _to_take(
    record: VolumeRecord, labels: NDArray[Any], key: Key, sparse: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Give what becomes ink of a block of a mask: places, and what is painted there.

    On `sparse` slices background is painted, too.
    """
    here = labels[key]
    painted = here.astype(np.uint8)
    painted[here == UNKNOWN] = NOTHING
    bare = (here == NOTHING) & (record.ink[key] == NOTHING)
    painted[bare & along(sparse[key[record.axis]], record.axis)] = BACKGROUND
    flat = flat_places(painted, key, labels.shape)
    return flat, painted[painted != NOTHING]


def _all_unlocked(
    session: Session,
    record: VolumeRecord,
    parts: Iterable[tuple[NDArray[np.int64], NDArray[np.uint8]]],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Leave out of each part what a locked slice or class forbids to change.

    Raises
    ------
    InputError
        That is all of every part.
    """
    refused, any_free = None, False
    for flat, values in parts:
        try:
            free = _unlocked(session, record, flat, values)
        except InputError as error:
            refused = refused or error
        else:
            any_free = any_free or len(free[0]) > 0
            yield free
    if refused is not None and not any_free:
        raise refused


def _settled(
    record: VolumeRecord, labels: NDArray[Any], done: Literal["all", "labelled"]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the slices that a mask settles, and of all whether it knows every voxel."""
    count = len(record.status)
    whole, any_known, labelled = (np.zeros(count, np.bool_) for _ in range(3))
    for index in range(count):
        plane = labels[record.window(index)]
        unknown = plane == UNKNOWN
        whole[index], any_known[index] = not unknown.any(), not unknown.all()
        labelled[index] = ((plane != NOTHING) & ~unknown).any()
    return np.flatnonzero(any_known if done == "all" else labelled), whole


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
        for flat, values in _all_unlocked(session, record, parts):
            _check_known(session, values)
            _write_ink(edits, record, flat, values, Origin.PAINTED)
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
        _add(edits, record, "status", np.array([index]), status)
    session.touch(volume_id, [index])


def lock_slice(session: Session, volume_id: str, index: int, *, locked: bool) -> None:
    """Lock a slice, so that nothing changes its ink or status, or unlock it."""
    record = session.records[volume_id]
    with session.action("lock slice" if locked else "unlock slice") as edits:
        _add(edits, record, "locked", np.array([index]), int(locked))
    session.touch(volume_id, [index])


def _unlocked(
    session: Session,
    record: VolumeRecord,
    flat: NDArray[np.int64],
    values: NDArray[np.uint8],
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Leave out what a locked slice or class forbids to change.

    Raises
    ------
    InputError
        That is all of it.
    """
    places = record.along_axis(flat)
    closed = {c.id: c.name for c in session.classes if c.locked}
    ids = list(closed)
    here = record.ink.reshape(-1)[flat]
    in_slice = record.locked[places] > 0
    of_class = (np.isin(here, ids) | np.isin(values, ids)) & (here != values)
    free = ~(in_slice | of_class)
    if len(flat) and not free.any():
        if in_slice.any():
            what = f"Slice {places[in_slice][0]}"
        else:
            first = here if np.isin(here[of_class], ids).any() else values
            what = f"Class {closed[int(first[np.isin(first, ids)][0])]!r}"
        raise InputError(f"{what} is locked; unlock it in step Data to change it.")
    return flat[free], values[free]


def _write_ink(
    edits: list[Edit],
    record: VolumeRecord,
    flat: NDArray[np.int64],
    values: NDArray[np.uint8],
    origin: Origin | NDArray[np.uint8],
) -> None:
    """Set ink, where it came from, and the status of the slices touched."""
    _add(edits, record, "ink", flat, values)
    origins = np.where(values == NOTHING, Origin.UNTOUCHED, origin)
    _add(edits, record, "origin", flat, origins)
    if np.all(np.less(origin, Origin.ACCEPTED)):
        _add(edits, record, "rejected", flat, 0)
    inked = set(record.slices_of(flat[values != NOTHING]).tolist())
    for index in record.slices_of(flat).tolist():
        if record.status[index] == Status.DONE:
            continue
        painted = index in inked or record.ink[record.window(index)].any()
        status = Status.SPARSE if painted else Status.UNTOUCHED
        where = np.array([index])
        _add(edits, record, "status", where, status)


def _paintable(session: Session) -> set[int]:
    return {NOTHING, BACKGROUND, *(c.id for c in session.classes)}


def _check_known(session: Session, values: NDArray[Any]) -> None:
    strange = set(np.unique(values).tolist()) - _paintable(session)
    if strange:
        raise InputError(
            f"Label {min(strange)} is not a class yet; add it in step Data, or choose "
            "one of the classes there. The stroke was taken back."
        )


def accept(
    session: Session,
    volume_id: str,
    flat: NDArray[np.int64] | Iterable[NDArray[np.int64]],
    *,
    label: str,
    layer: Literal["prediction", "pseudo"] = "prediction",
    done: int | None = None,
) -> Changed:
    """Make shown voxels of a proposal ink where there is none; slices done stay.

    Parameters
    ----------
    flat : (n,) int64, or several of these
        Parts that are worked out one after the other where there are many voxels.
    label : str
        Name of the action for undo.
    done : int, optional
        Slice that becomes done with it. What was rejected in this round stays so.

    Returns
    -------
    Changed
        What became ink.
    """
    record = session.records[volume_id]
    if done is not None and record.locked[done]:
        raise InputError(f"Slice {done} is locked; unlock it in step Data first.")
    settled = (record.status == Status.DONE) | (record.locked > 0)
    voxels, slices = 0, set[int]()
    with session.action(label) as edits:
        for part in _parts(flat):
            free = record.ink.reshape(-1)[part] == NOTHING
            mine = part[free & ~settled[record.along_axis(part)]]
            values = record.array(layer).reshape(-1)[mine]
            known = np.isin(values, sorted(_paintable(session)))
            mine, values = mine[known], values[known]
            _write_ink(edits, record, mine, values, _accepted(record, mine))
            if done is None:
                _add(edits, record, "rejected", mine, 0)
            voxels += len(mine)
            slices.update(record.slices_of(mine).tolist())
        if done is not None:
            flat_done = record.flat_slice(done)
            flat_done = flat_done[_rejected_before(record, flat_done)]
            _add(edits, record, "rejected", flat_done, 0)
            where = np.array([done])
            _add(edits, record, "status", where, Status.DONE)
    changed = {done} if done is not None else set()
    session.touch(volume_id, sorted(changed | slices))
    return Changed(voxels, len(slices))


def _parts(
    flat: NDArray[np.int64] | Iterable[NDArray[np.int64]],
) -> Iterable[NDArray[np.int64]]:
    return [flat] if isinstance(flat, np.ndarray) else flat


def _rejected_before(
    record: VolumeRecord, flat: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether voxels were rejected in another round than the one that is shown."""
    when = record.rejected.reshape(-1)[flat]
    shown = record.proposal.round if record.proposal is not None else 0
    return np.asarray((when != 0) & (when != shown))


def _accepted(record: VolumeRecord, flat: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Origin of voxels that are accepted: it names the source of their slice."""
    assert record.proposal is not None
    count = len(record.status)
    of_slices = [record.proposal.source_at(i).origin for i in range(count)]
    places = record.along_axis(flat)
    return np.array(of_slices, np.uint8)[places]


def reject(
    session: Session,
    volume_id: str,
    flat: NDArray[np.int64] | Iterable[NDArray[np.int64]],
    *,
    label: str,
) -> Changed:
    """Keep proposed voxels out of the pseudo-labels; ink stays as it is.

    Returns
    -------
    Changed
        What was proposed until now: nothing is on a slice that is done.
    """
    record = session.records[volume_id]
    proposal = record.proposal
    if proposal is None:
        raise InputError("There is no proposal to reject; run a round first.")
    settled = (record.status == Status.DONE) | (record.locked > 0)
    voxels, slices, seen = 0, set[int](), set[int]()
    with session.action(label) as edits:
        for part in _parts(flat):
            places = record.along_axis(part)
            proposed = (record.ink.reshape(-1)[part] == NOTHING) & ~settled[places]
            proposed &= record.rejected.reshape(-1)[part] != proposal.round
            mine = part[proposed]
            _add(edits, record, "rejected", mine, proposal.round)
            voxels += len(mine)
            slices.update(record.slices_of(mine).tolist())
            seen.update(record.slices_of(part).tolist())
        if seen and all(record.locked[index] for index in seen):
            raise InputError(
                f"Slice {min(seen)} is locked; unlock it in step Data first."
            )
    session.touch(volume_id, sorted(slices))
    return Changed(voxels, len(slices))


def _add(
    edits: list[Edit],
    record: VolumeRecord,
    name: str,
    where: NDArray[np.int64],
    value: NDArray[Any] | int,
) -> None:
    edit = array_edit(record.volume.id, name, record.array(name), where, value)
    if edit is None:
        return
    if name not in PER_SLICE:
        record.worked.note(where)
    edits.append(edit)
