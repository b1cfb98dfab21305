"""Accept or reject proposals by slice, connected component or class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from skimage.segmentation import flood

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.painting import accept, reject
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord

Layer = Literal["prediction", "pseudo"]
#: Voxels around the cursor in which a region is looked for first.
FIRST_REACH: Final = 32


def accept_slice(session: Session, volume_id: str, index: int) -> int:
    """Make a slice's whole prediction ink and the slice done.

    Human ink stays as it is; voxels rejected in this round count as background.

    Returns
    -------
    int
        Voxels that became ink.
    """
    record, proposal = _open(session, volume_id)
    if record.status[index] == Status.DONE:
        raise InputError(f"Slice {index} is done already; its ink is kept as it is.")
    flat = record.flat_slice(index)
    wanted = proposal.prediction.reshape(-1)[flat] != NOTHING
    wanted &= record.rejected.reshape(-1)[flat] != proposal.round
    return accept(session, volume_id, flat[wanted], done=index, label="accept slice")


def accept_component(
    session: Session, volume_id: str, seed: tuple[int, ...], layer: Layer
) -> int:
    """Make the connected component under `seed` ink, across slices."""
    flat = component(session, volume_id, seed, layer)
    return accept(session, volume_id, flat, layer=layer, label="accept component")


def accept_class(session: Session, volume_id: str, class_id: int, layer: Layer) -> int:
    """Make all proposed voxels of a class ink."""
    record, _ = _open(session, volume_id)
    flat = np.flatnonzero(record.array(layer) == class_id)
    if not len(flat):
        raise InputError(
            f"Nothing is proposed as {session.class_name(class_id)!r} in {volume_id}."
        )
    return accept(session, volume_id, flat, layer=layer, label="accept class")


def reject_slice(session: Session, volume_id: str, index: int) -> int:
    """Reject all that is proposed on a slice, background too."""
    record, _ = _open(session, volume_id)
    flat = record.flat_slice(index)
    return reject(session, volume_id, flat, label="reject slice")


def reject_component(
    session: Session, volume_id: str, seed: tuple[int, ...], layer: Layer
) -> int:
    """Reject the connected component under `seed`."""
    flat = component(session, volume_id, seed, layer)
    return reject(session, volume_id, flat, label="reject component")


def reject_class(session: Session, volume_id: str, class_id: int) -> int:
    """Reject all voxels predicted as a class."""
    _, proposal = _open(session, volume_id)
    flat = np.flatnonzero(proposal.prediction == class_id)
    return reject(session, volume_id, flat, label="reject class")


def component(
    session: Session, volume_id: str, seed: tuple[int, ...], layer: Layer
) -> NDArray[np.int64]:
    """Flat indices of the connected region of one class around a voxel.

    Raises
    ------
    InputError
        Nothing is proposed at that voxel.
    """
    record, _ = _open(session, volume_id)
    shown = record.array(layer)
    there = all(0 <= i < n for i, n in zip(seed, shown.shape, strict=True))
    if not there or shown[seed] in (NOTHING, BACKGROUND):
        raise InputError(
            "Nothing is proposed under the cursor; point at a coloured one."
        )
    reach = FIRST_REACH
    while True:  # in a box that grows until the region ends inside
        low = [max(0, i - reach) for i in seed]
        high = [min(n, i + reach + 1) for i, n in zip(seed, shown.shape, strict=True)]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        inside = tuple(i - a for i, a in zip(seed, low, strict=True))
        region = flood(shown[box], inside, connectivity=1)
        if not _cut_off(region, low, high, shown.shape):
            break
        reach *= 2
    whole = np.zeros(shown.shape, bool)
    whole[box] = region
    return np.flatnonzero(whole)


def _cut_off(
    region: NDArray[np.bool_],
    low: Sequence[int],
    high: Sequence[int],
    shape: Sequence[int],
) -> bool:
    """Whether a region touches a face of its box that lies within the volume."""
    return any(
        (low[axis] > 0 and bool(region.take(0, axis).any()))
        or (high[axis] < shape[axis] and bool(region.take(-1, axis).any()))
        for axis in range(region.ndim)
    )


def _open(session: Session, volume_id: str) -> tuple[VolumeRecord, Proposal]:
    record = session.records[volume_id]
    if record.proposal is None:
        raise InputError("There is no proposal yet; run a round in step Learn first.")
    return record, record.proposal


def slices_to_review(record: VolumeRecord) -> NDArray[np.int64]:
    """Slices that are not done."""
    return np.flatnonzero(record.status != Status.DONE)
