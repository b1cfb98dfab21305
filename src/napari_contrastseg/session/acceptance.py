"""Accept and reject voxels of a proposal: undoable steps of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import NOTHING
from napari_contrastseg.session.ink_edits import Changed, add_edit, paintable, set_ink
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord


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
            known = np.isin(values, sorted(paintable(session)))
            mine, values = mine[known], values[known]
            set_ink(edits, record, mine, values, _accepted(record, mine))
            if done is None:
                add_edit(edits, record, "rejected", mine, 0)
            voxels += len(mine)
            slices.update(record.slices_of(mine).tolist())
        if done is not None:
            for part in record.flat_parts(done):
                before = part[_rejected_before(record, part)]
                add_edit(edits, record, "rejected", before, 0)
            where = np.array([done])
            add_edit(edits, record, "status", where, Status.DONE)
    changed = {done} if done is not None else set()
    session.touch(volume_id, sorted(changed | slices))
    return Changed(voxels, len(slices))


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
            add_edit(edits, record, "rejected", mine, proposal.round)
            voxels += len(mine)
            slices.update(record.slices_of(mine).tolist())
            seen.update(record.slices_of(part).tolist())
        if seen and all(record.locked[index] for index in seen):
            raise InputError(
                f"Slice {min(seen)} is locked; unlock it in step Data first."
            )
    session.touch(volume_id, sorted(slices))
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
