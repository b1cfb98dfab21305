"""Simulated annotator of one volume: accepts, corrects, paints in the queue's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from napari_contrastseg.bench.simulate.annotator import Annotator
from napari_contrastseg.bench.within.one_volume import run_a_round
from napari_contrastseg.bench.within.plain import PlainInterpolation
from napari_contrastseg.bench.within.protocol import dice_of_open
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal, mask_of
from napari_contrastseg.tasks.review_queue import review_order

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.bench.simulate.annotator import TimeModel
    from napari_contrastseg.bench.within.one_volume import OneVolume
    from napari_contrastseg.learning.plan.stage import Budget
    from napari_contrastseg.proposers.signed_distance import Kind
    from napari_contrastseg.tasks.events import Progress


#: Query strategy where no confidence is there to go by.
EVEN: Final = "even"
#: Slices that are painted before anything is proposed, beside the empty ends.
PAINTED: Final = 1


class Proposes(Protocol):
    """What proposes to the annotator: the session's record holds its answer."""

    def follow(self) -> None:
        """Bring the proposal up to date, after slices were settled."""

    def round(self) -> Generator[Progress, None, dict[str, Any] | None]:
        """Learn from all that is labelled; what is reported of it, None if nothing."""


@dataclass(frozen=True, eq=False)
class PlainProposals:
    """The rival: plain interpolation between the settled slices, and no rounds."""

    one: OneVolume
    kind: Kind

    def follow(self) -> None:
        """Interpolate again."""
        one, record = self.one, self.one.record
        between = PlainInterpolation(
            one.planes(record.truth), sorted(one.classes), self.kind
        )
        labels = np.zeros(record.volume.shape, np.uint8)
        for index in np.flatnonzero(record.status != Status.DONE):
            one.planes(labels)[index] = between.labels(int(index))
        sure = np.ones(record.volume.shape, np.float16)
        record.propose(Proposal(1, labels, sure))
        record.refresh(one.session.all_thresholds())

    def round(self) -> Generator[Progress, None, dict[str, Any] | None]:
        """Learn nothing."""
        yield from ()
        return None


@dataclass(frozen=True, eq=False)
class WindowProposals:
    """What the window shows: rounds, and between them what follows from the labels."""

    one: OneVolume
    recipe: str
    preset: str
    budget: Budget
    seed: int
    device: str

    def follow(self) -> None:
        """Derive the open slices again, as the window does."""
        self.one.follow()

    def round(self) -> Generator[Progress, None, dict[str, Any] | None]:
        """Do a round."""
        report = yield from run_a_round(
            self.one,
            self.recipe,
            self.preset,
            self.budget,
            self.seed + len(self.one.session.rounds),
            self.device,
        )
        return {"final_s": round(report.final_s, 2), "steps": report.steps}


@dataclass(frozen=True)
class WayOfWorking:
    """How the annotator works.

    Attributes
    ----------
    slices : tuple of int
        Settled slices, beside the empty ones at the ends, at which a round is run.
    suggest : str
        Query strategy of the review queue.
    accept_from : float
        Dice from which a proposed slice is accepted as it is.
    until : float
        Dice of the whole volume at which the work ends, once all rounds were run.
    """

    slices: tuple[int, ...]
    suggest: str
    accept_from: float
    until: float
    time: TimeModel
    seed: int = 0


@dataclass
class Course:
    """What came of it.

    Attributes
    ----------
    points : list of dict
        ``settled``, ``annotator_seconds`` and ``dice`` of the whole volume, after each
        slice and each round.
    rounds : list of dict
        ``dice_before`` and ``dice`` of the whole volume; ``open_before`` and
        ``open_dice`` on the slices open then, by the round before and by this one.
    done : dict
        How many slices were accepted, corrected, labelled.
    """

    points: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)


def go_on(
    one: OneVolume, proposes: Proposes, way: WayOfWorking
) -> Generator[Progress, None, Course]:
    """Work on a volume until it is good enough, or all of it is settled."""
    annotator = Annotator(one.session, {one.id: one.truth}, way.time)
    course, settled = Course(), PAINTED
    annotator.label(one.id, (*one.extent.ends, *one.extent.even(settled)))
    proposes.follow()
    _note(course, one, annotator, settled)
    left = list(way.slices)
    while True:
        if left and settled >= left[0]:
            left.pop(0)
            yield from _round(course, one, proposes, annotator, settled)
        good = course.points[-1]["dice"] >= way.until
        index = None if good and not left else _next(one, way, settled)
        if index is None:
            return course
        what = annotator.settle(one.id, index, way.accept_from)
        course.done[what] = course.done.get(what, 0) + 1
        settled += 1
        proposes.follow()
        _note(course, one, annotator, settled)


def _round(
    course: Course,
    one: OneVolume,
    proposes: Proposes,
    annotator: Annotator,
    settled: int,
) -> Generator[Progress, None, None]:
    """Run a round, and hold it against the one before."""
    before, earlier = course.points[-1]["dice"], one.session.rounds.current
    report = yield from proposes.round()
    if report is None:
        return
    _note(course, one, annotator, settled)
    known = np.flatnonzero(one.record.status != Status.UNTOUCHED).tolist()
    last = None
    if earlier is not None:
        last = _mean(one, earlier.proposals[one.id].prediction, known)
    course.rounds.append(
        {
            "settled": settled,
            "annotator_seconds": round(annotator.seconds, 1),
            "dice_before": before,
            "dice": course.points[-1]["dice"],
            "open_before": last,
            "open_dice": _mean(one, one.record.prediction, known),
            **report,
        }
    )


def _note(course: Course, one: OneVolume, annotator: Annotator, settled: int) -> None:
    """Note how good the whole volume is now, settled slices as they were settled."""
    course.points.append(
        {
            "settled": settled,
            "annotator_seconds": round(annotator.seconds, 1),
            "dice": _mean(one, mask_of(one.record, complete=True), ()) or 0.0,
        }
    )


def _mean(
    one: OneVolume, labels: NDArray[np.uint8], without: Sequence[int]
) -> float | None:
    """Mean Dice of the classes on all slices but some."""
    truth = one.planes(one.truth)
    found = dice_of_open(one.planes(labels), truth, without, one.classes)
    return round(float(np.mean(list(found.values()))), 5) if found else None


def _next(one: OneVolume, way: WayOfWorking, settled: int) -> int | None:
    """Find the slice that the queue offers next; a slice is worked on only once.

    Slices beyond the empty ends are passed over while nothing is proposed there.
    """
    session, record = one.session, one.record
    current = session.rounds.current
    scores = current.slices if current is not None else {}
    strategy = way.suggest if scores else EVEN
    every = len(record.status)
    offered = review_order(session, scores, strategy, (way.seed, settled), every)
    shown = one.planes(mask_of(record, complete=True))
    there = np.array([plane.any() for plane in shown])
    there[one.extent.first : one.extent.last + 1] = True
    for index in (suggestion.index for suggestion in offered.suggestions):
        if record.status[index] == Status.UNTOUCHED and there[index]:
            return int(index)
    return None
