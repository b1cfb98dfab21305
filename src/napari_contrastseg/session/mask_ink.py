"""Take an existing mask as ink of a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_contrastseg.io.blocks import blocks, flat_places
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.learning.data.targets import UNKNOWN, values_in
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.ink_edits import (
    add_edit,
    all_unlocked,
    paintable,
    set_ink,
)
from napari_contrastseg.session.targets import Origin, Status, along

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from napari_contrastseg.io.blocks import Key
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.undo import Edit
    from napari_contrastseg.session.volume_record import VolumeRecord


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
    strange = values_in(labels) - paintable(session) - {UNKNOWN, *coming}
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
        for number, (flat, new) in enumerate(all_unlocked(session, record, parts)):
            went_on(number / len(keys))
            set_ink(edits, record, flat, new, Origin.PAINTED)
        add_edit(edits, record, "status", finished, Status.DONE)
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


def _settled(
    record: VolumeRecord, labels: NDArray[Any], done: Literal["all", "labelled"]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the slices that a mask settles, and of all whether it knows every voxel."""
    count = len(record.status)
    unknown, any_known, labelled = (np.zeros(count, np.bool_) for _ in range(3))
    for index in range(count):
        for key in record.blocks([index]):
            here = labels[key]
            not_known = here == UNKNOWN
            unknown[index] |= not_known.any()
            any_known[index] |= not not_known.all()
            labelled[index] |= ((here != NOTHING) & ~not_known).any()
    whole = ~unknown
    return np.flatnonzero(any_known if done == "all" else labelled), whole
