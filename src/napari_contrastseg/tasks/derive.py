"""Proposals derived from labels: interpolation, and its fusion with a round's answer.

Nothing of it is saved: it is made again when labels change, and when a session opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.intensities import levelled
from napari_contrastseg.proposers import catalogue, guided
from napari_contrastseg.proposers.fusion import Fused, HeldOut, Weights, earned
from napari_contrastseg.proposers.interpolation_weight import (
    LEAST_WEIGHT,
    interpolation_weight,
    networks_part,
)
from napari_contrastseg.proposers.known import without
from napari_contrastseg.proposers.motion import flows_of
from napari_contrastseg.proposers.proposer import LabelledVolume
from napari_contrastseg.proposers.stored_answer import StoredAnswer
from napari_contrastseg.proposers.truth_by_slice import TruthBySlice
from napari_contrastseg.session.derived import (
    round_proposal,
    settle_derived,
    take_slices,
)
from napari_contrastseg.session.derived_proposal import DerivedProposal, DerivedSlices
from napari_contrastseg.session.sources import FUSED, INTERPOLATION, NETWORK, Source
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.known_planes import KnownPlanes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.proposers.proposer import Answer
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import Proposal

#: Labelled slices of a class from which something lies between.
FEWEST: Final = 2
#: Interpolation that looks at the image, too: better, and slower.
GUIDED: Final = "guided"
#: Slices settled since a round on which it and the interpolation are weighed.
MOST_HELD_OUT: Final = 4


@dataclass(frozen=True, eq=False)
class DeriveRequest:
    """What is known of one volume: copies, so that annotating goes on meanwhile.

    Attributes
    ----------
    volume : Volume
    axis : int
        Slice axis.
    known : mapping of slice number to (rows, columns) int16
        Truth of the slices that have any: -1 unknown, 0 background, else a class id.
    done : tuple of int
        Those that are known in full, rising.
    classes : tuple of int
        Ids, rising.
    base : Proposal or None
        What the current round proposed.
    settled : frozenset of int
        Slices that were done when the round was frozen.
    """

    volume: Volume
    axis: int
    known: Mapping[int, NDArray[np.int16]]
    done: tuple[int, ...]
    classes: tuple[int, ...]
    base: Proposal | None
    settled: frozenset[int]

    @property
    def pixels(self) -> int:
        """Pixels of a slice, counted for background and for each class."""
        area = self.volume.shape[0] * self.volume.shape[1] * self.volume.shape[2]
        return area // self.volume.shape[self.axis] * (1 + len(self.classes))

    @property
    def labelled_pixels(self) -> int:
        """Labelled pixels that an answer looks at, for background and each class."""
        times = 1 if self.base is None else 1 + len(self.settled_since())
        return self.pixels * len(self.done) * times

    def ground(self) -> DerivedProposal:
        """Make what the answers are written into."""
        return DerivedProposal.on(self.base, self.volume.shape, self.axis)

    def settled_since(self) -> list[int]:
        """List some slices that were not done yet for the current round."""
        since = [index for index in self.done if index not in self.settled]
        picks = np.linspace(0, len(since) - 1, min(len(since), MOST_HELD_OUT))
        return [since[round(pick)] for pick in picks.tolist()]

    def open_slices(self, shown: int) -> list[int]:
        """Slices that are not done, from the shown one outward."""
        rest = set(range(self.volume.shape[self.axis])) - set(self.done)
        return sorted(rest, key=lambda index: (abs(index - shown), index))


@dataclass(frozen=True, eq=False)
class Derived:
    """Some slices of a volume's proposal, derived from its labels.

    Attributes
    ----------
    volume_id : str
    ground : DerivedProposal
        What to write them into, if the volume has no proposal of this kind yet.
    found : DerivedSlices
    """

    volume_id: str
    ground: DerivedProposal
    found: DerivedSlices


def derive_request(session: Session, volume_id: str) -> DeriveRequest | None:
    """Copy what a proposal is derived from; None where there is nothing to derive.

    That is so while less than two slices are done or none of them has a class, where no
    slice was settled since the current round: it knows all that is known, and in a
    stack of pictures, whose neighbours are not alike.
    """
    record = session.records[volume_id]
    if record.volume.kind == "stack":
        return None
    done = np.flatnonzero(record.status == Status.DONE).tolist()
    if len(done) < FEWEST or len(done) == len(record.status):
        return None
    classes = tuple(sorted(c.id for c in session.classes))
    known = KnownPlanes(record).planes()
    if not any(np.isin(known[i], classes).any() for i in done):
        return None
    base, settled = round_proposal(session, volume_id), frozenset[int]()
    if base is not None and not base.prediction.any():
        base = None  # a round that says nothing replaces nothing
    if base is not None and session.rounds.current is not None:
        settled = frozenset(session.rounds.current.info.settled.get(volume_id, ()))
        if settled.issuperset(done):
            return None
    about = (record.volume, record.axis)
    return DeriveRequest(*about, known, tuple(done), classes, base, settled)


def labelled_volume(request: DeriveRequest) -> LabelledVolume:
    """Give what a source of proposals is to see."""
    volume, axis = request.volume, request.axis
    sides = np.delete(volume.shape, axis)
    truth: Any = TruthBySlice((volume.shape[axis], *sides), request.known)
    spacing = volume.spacing
    rows, columns = np.delete(spacing, axis).tolist()
    steps = (float(spacing[axis]), rows, columns)
    return LabelledVolume(
        truth,
        request.classes,
        levelled(volume, axis),
        steps,
        volume.kind == "volume",
        flows_of(volume, axis),
    )


def answer_to(request: DeriveRequest, source: str = INTERPOLATION) -> Answer | None:
    """Interpolate; after a round join it with what the round said.

    `source` may be `GUIDED`, too, which looks at the image and takes longer.

    Each weighs by what it says of the slices that were settled since the round, which
    neither knows then. None where there is nothing to say: interpolation has nothing
    beside a round where slices have nothing in common.
    """
    volume = labelled_volume(request)
    interpolate = catalogue()[source].propose
    interpolated = interpolate(volume)
    if interpolated is None or request.base is None:
        return interpolated
    if interpolation_weight(volume) < LEAST_WEIGHT:
        return None
    stored = StoredAnswer(
        np.moveaxis(request.base.prediction, request.axis, 0),
        np.moveaxis(request.base.confidence, request.axis, 0),
        request.classes,
    )
    held_out = []
    for index in request.settled_since():
        guess = interpolate(without(volume, index))
        if guess is not None:
            both = {
                INTERPOLATION: guess.probabilities(index),
                NETWORK: stored.probabilities(index),
            }
            held_out.append(HeldOut(volume.truth[index], both))
    fitted = earned(held_out, request.classes, (INTERPOLATION, NETWORK))
    answers = {INTERPOLATION: interpolated, NETWORK: stored}
    return Fused(volume, answers, _weights(request, fitted))


def _weights(request: DeriveRequest, fitted: Weights) -> Weights:
    """Weigh a round beside interpolation that knows the slices settled since.

    Half of what was found on left-out slices counts: without its labels such a slice
    lies in a gap twice as wide as those that are asked about, so interpolation does
    worse there than it will; the round does not. And the more slices with structures
    there are, the less a network weighs, so far as interpolation proves as good.
    """
    shown = {
        i for i in request.done if np.isin(request.known[i], request.classes).any()
    }
    before = max(len(shown & request.settled), 1)
    right = min(fitted.of[INTERPOLATION] / max(fitted.of[NETWORK], 1e-6), 1.0)
    part = (1 - right * (1 - networks_part(before, len(shown)))) / 2
    of = {
        INTERPOLATION: (1 + fitted.of[INTERPOLATION]) / 2,
        NETWORK: part * fitted.of[NETWORK],
    }
    return Weights(of, part * fitted.structure)


def look_ahead(request: DeriveRequest) -> Iterator[None]:
    """Do what takes longest in `best_answer_to` step by step: it can be stopped."""
    return guided.look_ahead(labelled_volume(request))


def best_answer_to(request: DeriveRequest) -> Answer | None:
    """Answer as well as can be, where nobody waits for it; None as `answer_to`."""
    return answer_to(request, GUIDED)


def one_slice(request: DeriveRequest, answer: Answer, index: int) -> DerivedSlices:
    """Work one slice out."""
    found = answer.probabilities(index)
    ids = np.array([0, *request.classes], np.uint8)
    return DerivedSlices(
        np.array([index]),
        ids[found.argmax(axis=0)][None],
        np.minimum(found.max(axis=0), 1).astype(np.float16)[None],
        _source(request, index),
    )


def _source(request: DeriveRequest, index: int) -> Source:
    """Say what an open slice comes from."""
    before = max((i for i in request.done if i < index), default=None)
    after = min((i for i in request.done if i > index), default=None)
    if before is not None and after is not None:
        words = f"interpolated between slices {before} and {after}"
    else:
        nearest = before if before is not None else after
        words = f"continued beyond slice {nearest}, the last one labelled"
    if request.base is not None:
        return Source(FUSED, f"round {request.base.round} and, joined with it, {words}")
    return Source(INTERPOLATION, words)


def derive(
    request: DeriveRequest, shown: int, answer: Answer | None = None
) -> Generator[Derived, None, None]:
    """Derive a volume's open slices, from the shown one outward.

    Parameters
    ----------
    answer : Answer, optional
        What was asked for already; `best_answer_to` by default.
    """
    answer = answer or best_answer_to(request)
    if answer is None:
        return
    ground = request.ground()
    for index in request.open_slices(shown):
        yield Derived(request.volume.id, ground, one_slice(request, answer, index))


def derive_missing(session: Session) -> None:
    """Derive at once what no thread has derived: on the command line, for an export."""
    for volume_id, record in session.records.items():
        request = derive_request(session, volume_id)
        if request is None or isinstance(record.proposal, DerivedProposal):
            continue
        for part in derive(request, 0):
            take_slices(session, volume_id, part.ground, part.found)
    settle_derived(session)
