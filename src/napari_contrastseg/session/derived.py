"""Show proposals derived from labels, slice by slice, and say where they come from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.derived_proposal import DerivedProposal, DerivedSlices
from napari_contrastseg.session.sources import NETWORK, SPOKEN
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord


def round_proposal(session: Session, volume_id: str) -> Proposal | None:
    """Give what the current round proposes for a volume, if anything."""
    current = session.rounds.current
    if current is None or volume_id not in current.proposals:
        return None
    found = current.proposals[volume_id]
    fits = found.prediction.shape == session.records[volume_id].volume.shape
    return found if fits else None


def take_slices(
    session: Session, volume_id: str, ground: DerivedProposal, found: DerivedSlices
) -> None:
    """Show some slices of a source's answer in place of what was proposed there.

    Parameters
    ----------
    ground : DerivedProposal
        What they are written into where the volume's proposal is none of this kind yet.
    """
    record = session.records[volume_id]
    slices = found.slices.tolist()
    fresh = record.proposal is None
    if fresh:
        record.propose(ground)
        slices += np.flatnonzero(record.status != Status.UNTOUCHED).tolist()
    elif not isinstance(record.proposal, DerivedProposal):
        record.proposal = ground
    assert isinstance(record.proposal, DerivedProposal)
    record.proposal.write(found)
    _forget_specks(record, slices)
    record.refresh(session.all_thresholds(), slices)
    session.derived_changed.emit(volume_id, None if fresh else slices)


def settle_derived(session: Session) -> None:
    """Let thresholds begin where something is sure, once all slices have come."""
    before = dict(session.all_thresholds())
    session.find_first_thresholds()
    if before != session.all_thresholds():
        for volume_id in session.records:
            session.touch(volume_id)


def _forget_specks(record: VolumeRecord, slices: Sequence[int]) -> None:
    """Forget which voxels of some slices were specks: other ones are proposed now."""

    def rest(flat: NDArray[np.int64]) -> NDArray[np.int64]:
        places = record.along_axis(flat)
        return flat[~np.isin(places, slices)]

    if any(len(pieces.specks) for pieces in record.pieces.values()):
        record.specks = rest(record.specks)
        record.pieces = {
            class_id: replace(pieces, specks=rest(pieces.specks))
            for class_id, pieces in record.pieces.items()
        }


def drop_derived(session: Session, volume_id: str) -> None:
    """Show the round's own proposal again, or none: there are no labels to go by."""
    record = session.records[volume_id]
    if not isinstance(record.proposal, DerivedProposal):
        return
    before = round_proposal(session, volume_id)
    if before is None:
        record.propose(None)
        session.derived_changed.emit(volume_id, None)
        return
    record.proposal = before
    every = list(range(len(record.status)))
    _forget_specks(record, every)
    record.refresh(session.all_thresholds())
    session.derived_changed.emit(volume_id, every)


def where_from(record: VolumeRecord, index: int) -> str:
    """Say where a slice's answer comes from: "interpolated between slices 2 and 9"."""
    if record.status[index] == Status.DONE:
        return "done, as you labelled it"
    if record.proposal is None:
        return "nothing proposed yet"
    return record.proposal.source_at(index).words


def counts_of_sources(record: VolumeRecord) -> dict[str, int]:
    """How many slices that are not done each source answers, by its name."""
    proposal = record.proposal
    rest = np.flatnonzero(record.status != Status.DONE).tolist()
    if proposal is None or not rest:
        return {}
    if not isinstance(proposal, DerivedProposal):
        return {proposal.source: len(rest)}
    names = (proposal.sources[i].name for i in rest)
    return dict(Counter(name for name in names if name))


def words_of_sources(session: Session) -> str:
    """Say where unlabelled slices come from, if not from a round's network alone."""
    total: Counter[str] = Counter()
    for record in session.records.values():
        total.update(counts_of_sources(record))
    if not set(total) - {NETWORK}:
        return ""
    parts = (
        f"{plural(n, 'slice')} from {SPOKEN.get(name, name)}"
        for name, n in total.items()
    )
    return f"The rest is predicted: {', '.join(parts)}."
