"""Accept or reject what is shown of proposals: a slice, a connected piece, a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import skimage

from napari_contrastseg.io.blocks import VOXELS, flat_places
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.acceptance import accept, reject
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.ink_edits import Changed
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord

#: What is on the screen: all that is proposed, sure or not, or only what is sure.
Layer = Literal["prediction", "pseudo"]
#: Voxels around the cursor in which a region is looked for first.
FIRST_REACH: Final = 32


def accept_slice(
    session: Session, volume_id: str, index: int, layer: Layer = "prediction"
) -> Changed:
    """Make what is shown of a slice ink.

    With all of the proposal shown the slice becomes done, so that the rest of it is
    background. With only what is sure shown just that becomes ink, sure background
    too, and the slice goes on. Human ink stays as it is, and what was rejected in this
    round stays rejected.

    Returns
    -------
    Changed
        What became ink.

    Raises
    ------
    InputError
        The slice is done or locked, or nothing is proposed there.
    """
    record = _proposed_on(session, volume_id, index)
    flat = record.array(layer).reshape(-1)
    shown = (part[flat[part] != NOTHING] for part in record.flat_parts(index))
    if layer == "prediction":
        label = "accept slice"
        return accept(session, volume_id, shown, done=index, label=label)
    if not record.array(layer)[record.window(index)].any():
        raise InputError(
            f"Nothing on slice {index} is sure enough; lower 'confidence over' or show "
            "the unsure voxels too."
        )
    label = "accept what is sure"
    return accept(session, volume_id, shown, layer=layer, label=label)


def accept_component(
    session: Session,
    volume_id: str,
    seed: tuple[int, ...],
    layer: Layer,
    *,
    through: bool = False,
) -> Changed:
    """Make the connected piece under `seed` ink: on its slice, or `through` all."""
    flat = component(session, volume_id, seed, layer, through=through)
    return accept(session, volume_id, flat, layer=layer, label="accept component")


def accept_class(
    session: Session,
    volume_id: str,
    class_id: int,
    layer: Layer,
    index: int | None = None,
) -> Changed:
    """Make all shown voxels of a class ink: on one slice, or on all."""
    parts = _of_class(session, volume_id, class_id, layer, index)
    return accept(session, volume_id, parts, layer=layer, label="accept class")


def reject_slice(session: Session, volume_id: str, index: int) -> Changed:
    """Reject all that is proposed on a slice, background too.

    Raises
    ------
    InputError
        The slice is done or locked, or nothing is proposed there.
    """
    record = _proposed_on(session, volume_id, index)
    flat = record.flat_parts(index)
    return reject(session, volume_id, flat, label="reject slice")


def reject_component(
    session: Session,
    volume_id: str,
    seed: tuple[int, ...],
    layer: Layer,
    *,
    through: bool = False,
) -> Changed:
    """Reject the connected piece under `seed`: on its slice, or `through` all.

    Its unsure rim goes with it where only sure voxels are shown, so that a ring of it
    is not accepted later on.
    """
    flat = component(session, volume_id, seed, layer, through=through)
    if layer == "pseudo":
        whole = component(session, volume_id, seed, "prediction", through=through)
        flat = _with_rim(session.records[volume_id], seed, flat, whole)
    return reject(session, volume_id, flat, label="reject component")


def reject_class(
    session: Session, volume_id: str, class_id: int, index: int | None = None
) -> Changed:
    """Reject all voxels that are proposed as a class: on one slice, or on all."""
    parts = _of_class(session, volume_id, class_id, "prediction", index)
    return reject(session, volume_id, parts, label="reject class")


def _of_class(
    session: Session, volume_id: str, class_id: int, layer: Layer, index: int | None
) -> Iterator[NDArray[np.int64]]:
    """Flat indices, block by block, of what is shown of a class and is not labelled.

    Raises
    ------
    InputError
        At the end, where there was nothing.
    """
    record, _ = _open(session, volume_id)
    shown, found = record.array(layer), False
    for key in record.blocks(None if index is None else [index], VOXELS):
        here = (shown[key] == class_id) & (record.ink[key] == NOTHING)
        flat = flat_places(here, key, shown.shape)
        found = found or len(flat) > 0
        yield flat
    if not found:
        where = f"in {volume_id}" if index is None else f"on slice {index}"
        name = session.class_name(class_id)
        raise InputError(f"Nothing is proposed as {name!r} {where}.")


def component(
    session: Session,
    volume_id: str,
    seed: tuple[int, ...],
    layer: Layer,
    *,
    through: bool = True,
) -> NDArray[np.int64]:
    """Flat indices of the connected region of one class around a voxel.

    Parameters
    ----------
    through : bool
        Through all slices; else on the voxel's slice alone.

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
        if not through:
            low[record.axis], high[record.axis] = (
                seed[record.axis],
                seed[record.axis] + 1,
            )
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        inside = tuple(i - a for i, a in zip(seed, low, strict=True))
        region = skimage.segmentation.flood(shown[box], inside, connectivity=1)
        along = [a for a in range(region.ndim) if through or a != record.axis]
        if not _cut_off(region, low, high, shown.shape, along):
            break
        reach *= 2
    places = [at + a for at, a in zip(np.nonzero(region), low, strict=True)]
    return np.ravel_multi_index(tuple(places), shown.shape).astype(np.int64)


def _cut_off(
    region: NDArray[np.bool_],
    low: Sequence[int],
    high: Sequence[int],
    shape: Sequence[int],
    along: Sequence[int],
) -> bool:
    """Whether a region touches a face of its box that lies within the volume."""
    return any(
        (low[axis] > 0 and bool(region.take(0, axis).any()))
        or (high[axis] < shape[axis] and bool(region.take(-1, axis).any()))
        for axis in along
    )


def _with_rim(
    record: VolumeRecord,
    seed: tuple[int, ...],
    sure: NDArray[np.int64],
    whole: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Add to a sure piece what grows from it within the whole piece.

    Other sure pieces in the whole piece stay, and what grows from them.
    """
    places = np.unravel_index(whole, record.volume.shape)
    low = [int(p.min()) for p in places]
    inside = tuple(p - a for p, a in zip(places, low, strict=True))
    seeds = np.zeros([int(p.max()) + 1 for p in inside], np.uint8)
    inner = np.zeros(seeds.shape, bool)
    inner[inside] = True
    same = record.pseudo.reshape(-1)[whole] == record.pseudo[seed]
    seeds[inside] = np.where(np.isin(whole, sure, assume_unique=True), 1, 2 * same)
    grown = skimage.segmentation.watershed(
        np.zeros(seeds.shape, np.uint8), seeds, mask=inner
    )
    return np.asarray(whole[grown[inside] == 1])


def _open(session: Session, volume_id: str) -> tuple[VolumeRecord, Proposal]:
    record = session.records[volume_id]
    if record.proposal is None:
        raise InputError("There is no proposal yet; run a round first.")
    return record, record.proposal


def _proposed_on(session: Session, volume_id: str, index: int) -> VolumeRecord:
    """Give the record of a volume where something is proposed on a slice."""
    record, proposal = _open(session, volume_id)
    if record.status[index] == Status.DONE:
        raise InputError(f"Slice {index} is done already; its ink is kept as it is.")
    if not proposal.confidence[record.window(index)].any():
        raise InputError(f"Nothing is proposed on slice {index} yet; label it instead.")
    return record


def slices_to_review(record: VolumeRecord) -> NDArray[np.int64]:
    """Slices that are not done."""
    return np.flatnonzero(record.status != Status.DONE)
