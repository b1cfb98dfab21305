"""Edits of ink: within locks and known classes, with origin and slice status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.session.undo import Edit, array_edit
from napari_contrastseg.session.volume_record import PER_SLICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord


@dataclass(frozen=True)
class Changed:
    """How much an action changed: voxels, and the slices that they lie on."""

    voxels: int
    slices: int

    @property
    def words(self) -> str:
        """For people: "1234 voxels on 2 slices"."""
        return f"{plural(self.voxels, 'voxel')} on {plural(self.slices, 'slice')}"


def set_ink(
    edits: list[Edit],
    record: VolumeRecord,
    flat: NDArray[np.int64],
    values: NDArray[np.uint8],
    origin: Origin | NDArray[np.uint8],
) -> None:
    """Set ink, where it came from, and the status of the slices touched."""
    add_edit(edits, record, "ink", flat, values)
    origins = np.where(values == NOTHING, Origin.UNTOUCHED, origin)
    add_edit(edits, record, "origin", flat, origins)
    if np.all(np.less(origin, Origin.ACCEPTED)):
        add_edit(edits, record, "rejected", flat, 0)
    inked = set(record.slices_of(flat[values != NOTHING]).tolist())
    for index in record.slices_of(flat).tolist():
        if record.status[index] == Status.DONE:
            continue
        painted = index in inked or record.ink[record.window(index)].any()
        status = Status.SPARSE if painted else Status.UNTOUCHED
        where = np.array([index])
        add_edit(edits, record, "status", where, status)


def add_edit(
    edits: list[Edit],
    record: VolumeRecord,
    name: str,
    where: NDArray[np.int64],
    value: NDArray[Any] | int,
) -> None:
    """Set values of a volume's array, and keep the edit unless nothing changes."""
    edit = array_edit(record.volume.id, name, record.array(name), where, value)
    if edit is None:
        return
    if name not in PER_SLICE:
        record.worked.note(where)
    edits.append(edit)


def unlocked(
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


def all_unlocked(
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
            free = unlocked(session, record, flat, values)
        except InputError as error:
            refused = refused or error
        else:
            any_free = any_free or len(free[0]) > 0
            yield free
    if refused is not None and not any_free:
        raise refused


def paintable(session: Session) -> set[int]:
    """Values that may be painted: erased, background and every class."""
    return {NOTHING, BACKGROUND, *(c.id for c in session.classes)}


def check_known(session: Session, values: NDArray[Any]) -> None:
    """Refuse values that may not be painted.

    Raises
    ------
    InputError
    """
    strange = set(np.unique(values).tolist()) - paintable(session)
    if strange:
        raise InputError(
            f"Label {min(strange)} is not a class yet; add it in step Data, or choose "
            "one of the classes there. The stroke was taken back."
        )
