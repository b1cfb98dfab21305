"""The review queue: a query strategy applied to a session's open slices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from napari_contrastseg.insight.slice_features import slice_features
from napari_contrastseg.insight.slice_scores import (
    ENOUGH,
    Reliability,
    SliceScores,
    reliability,
    score_slices,
)
from napari_contrastseg.query import DEFAULT, strategy_named
from napari_contrastseg.query.strategy import MOST, Pool, PoolVolume, Suggestion
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.derived_proposal import DerivedProposal
from napari_contrastseg.session.review import slices_to_review
from napari_contrastseg.session.round_list import AT_HAND
from napari_contrastseg.session.sources import NETWORK
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.insight.slice_scores import Checked
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.query.strategy import Strategy
    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.sources import Source
    from napari_contrastseg.session.volume_record import VolumeRecord

#: Slices that are looked at for evidence, evenly chosen; and pixels of all of them, so
#: that the window need not wait.
MOST_CHECKED, PIXELS = 24, 2**18
#: Pixels of slices whose answer changed that are judged at once, for the same reason;
#: the rest is judged the next time.
JUDGED_PIXELS = 2**23


@dataclass(frozen=True, eq=False)
class QueueRequest:
    """A strategy, and what it chooses from: a thread may rank without the session."""

    strategy: Strategy
    pool: Pool
    trust: Reliability


@dataclass(frozen=True)
class FeaturesRead:
    """The features of a volume's slices are known."""

    volume_id: str


@dataclass(frozen=True, eq=False)
class Queue:
    """Slices worth a look, the best first, and how far to trust the estimates."""

    suggestions: list[Suggestion]
    trust: Reliability


#: Features of slices by volume and slice axis, worked out once.
_FEATURES: WeakKeyDictionary[Volume, dict[int, NDArray[np.float64]]] = (
    WeakKeyDictionary()
)
#: How slices of a proposal were judged, each with the answer that this is of.
_JUDGED: WeakKeyDictionary[DerivedProposal, dict[int, tuple[Source, SliceScores]]] = (
    WeakKeyDictionary()
)


def queue_request(
    session: Session,
    scores: Mapping[str, SliceScores],
    strategy: str = DEFAULT,
    seed: tuple[int, ...] = (0,),
    most: int = MOST,
) -> QueueRequest:
    """Collect the slices that are not done, and what is known of them.

    Parameters
    ----------
    session : Session
    scores : mapping of volume id to SliceScores
        Of the current round.
    strategy : str
        Name of a query strategy.
    seed : tuple of int
        For strategies that draw.
    most : int
        How many slices to suggest at most.

    Raises
    ------
    InputError
        There is no such strategy.
    """
    trust = trust_of(session)
    volumes = {
        name: PoolVolume(
            len(record.status),
            slices_to_review(record),
            _of_what_is_shown(record, scores.get(name)),
            record.volume.kind == "volume",
            partial(_features, record.volume, record.axis),
        )
        for name, record in session.records.items()
    }
    return QueueRequest(
        strategy_named(strategy), Pool(volumes, trust.right, seed, most), trust
    )


def _of_what_is_shown(
    record: VolumeRecord, scores: SliceScores | None
) -> SliceScores | None:
    """Judge slices whose answer is another than the round's by what is shown now."""
    proposal = record.proposal
    if scores is None or not isinstance(proposal, DerivedProposal):
        return scores
    known = _JUDGED.setdefault(proposal, {})
    ids = scores.doubt.shape[1]
    labels, sure = (
        np.moveaxis(a, record.axis, 0)
        for a in (proposal.prediction, proposal.confidence)
    )
    left, parts = JUDGED_PIXELS, {}
    for index, source in enumerate(proposal.sources):
        if source.name == NETWORK:
            continue
        here, found = slice(index, index + 1), known.get(index)
        if found is None or found[0] is not source:
            left -= labels[index].size
            if left < 0:
                continue
            known[index] = source, score_slices(labels[here], sure[here], 0)
        parts[index] = known[index][1].with_ids(ids)
    return scores.replaced(parts)


def trust_of(session: Session) -> Reliability:
    """Learn from slices that were settled how far confidence can be trusted."""
    return reliability(_checked(session))


def rank(request: QueueRequest) -> Queue:
    """Rank the slices by the strategy."""
    return Queue(request.strategy.query(request.pool), request.trust)


def rank_by_volume(
    request: QueueRequest,
) -> Generator[FeaturesRead | Queue, None, None]:
    """Rank as a task: it reads volume after volume, and may be cancelled between."""
    for name, volume in request.pool.volumes.items():
        if volume.features is not None:
            volume.features()
        yield FeaturesRead(name)
    yield rank(request)


def review_order(
    session: Session,
    scores: Mapping[str, SliceScores],
    strategy: str = DEFAULT,
    seed: tuple[int, ...] = (0,),
    most: int = MOST,
) -> Queue:
    """Rank the slices that are not done at once; parameters as in `queue_request`."""
    return rank(queue_request(session, scores, strategy, seed, most))


def _features(volume: Volume, axis: int) -> NDArray[np.float64]:
    known = _FEATURES.setdefault(volume, {})
    if axis not in known:
        known[axis] = slice_features(volume, axis)
    return known[axis]


def _checked(session: Session) -> list[Checked]:
    """Find slices that were settled after one of the last rounds predicted them."""
    for entry in reversed(session.rounds[-AT_HAND:]):
        places = _settled_since(session, entry)
        if len(places) >= ENOUGH:
            break
    else:
        return []
    count = min(len(places), MOST_CHECKED)
    picks = np.linspace(0, len(places) - 1, count).round().astype(int)
    found: list[Checked] = []
    proposals = {name: entry.proposals[name] for name in dict(places)}
    for name, index in (places[i] for i in picks):
        record, proposal = session.records[name], proposals[name]
        key = _thinned(record, index)
        truth = np.where(record.ink[key] == BACKGROUND, 0, record.ink[key])
        found.append((proposal.prediction[key], proposal.confidence[key], truth))
    return found


def _settled_since(session: Session, entry: Round) -> list[tuple[str, int]]:
    """Volume and slice of what was not done when a round was trained, and is now."""
    found = []
    for name in entry.proposals:
        record = session.records.get(name)
        if record is not None:
            before = entry.info.settled.get(name, ())
            done = np.flatnonzero(record.status == Status.DONE)
            found += [(name, i) for i in np.setdiff1d(done, before).tolist()]
    return found


def _thinned(record: VolumeRecord, index: int) -> tuple[Any, ...]:
    """Key of a slice, or of every second or third row and column of a large one."""
    area = record.ink.size // len(record.status)
    every = max(1, round(math.sqrt(area * MOST_CHECKED / PIXELS)))
    key = [slice(None, None, every)] * 3
    return (*key[: record.axis], index, *key[record.axis + 1 :])
