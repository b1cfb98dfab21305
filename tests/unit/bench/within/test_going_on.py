"""An annotator who goes on in one volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.bench.simulate.annotator import TimeModel
from napari_contrastseg.bench.within.going_on import (
    Course,
    PlainProposals,
    WayOfWorking,
    go_on,
)
from napari_contrastseg.bench.within.one_volume import read_one
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_contrastseg.bench.within.going_on import Proposes
    from napari_contrastseg.bench.within.one_volume import OneVolume


def a_way(**changes: Any) -> WayOfWorking:
    usual: dict[str, Any] = {
        "slices": (3,),
        "suggest": "even",
        "accept_from": 0.95,
        "until": 1.0,
        "time": TimeModel(),
    }
    return WayOfWorking(**usual | changes)


def course_of(one: OneVolume, proposes: Proposes, way: WayOfWorking) -> Course:
    events = go_on(one, proposes, way)
    while True:
        try:
            next(events)
        except StopIteration as end:
            found: Course = end.value
            return found


@dataclass
class Knows:
    """Proposes the truth, but for the first rows of each slice."""

    one: OneVolume
    missing: int = 0
    asked: int = 0

    def follow(self) -> None:
        record = self.one.record
        labels = np.maximum(self.one.truth, 0).astype(np.uint8)
        planes = self.one.planes(labels)
        planes[:, : self.missing] = 0
        sure = np.ones(labels.shape, np.float16)
        record.propose(Proposal(1, labels, sure))
        record.refresh(self.one.session.all_thresholds())

    def round(self) -> Generator[Progress, None, dict[str, Any] | None]:
        self.asked += 1
        yield Progress("round", 1.0)
        return None


@pytest.fixture
def one(dataset: Path) -> OneVolume:
    """A phantom with nothing labelled."""
    return read_one(read_dataset(dataset), "phantom_000", 2)


def test_what_is_right_is_accepted_slice_by_slice(one: OneVolume) -> None:
    course = course_of(one, Knows(one), a_way(until=2.0))
    ends, inside = len(one.extent.ends), one.extent.length
    assert course.done == {"accepted": inside - 1}
    first, last = course.points[0], course.points[-1]
    assert first["dice"] == last["dice"] == 1
    assert last["annotator_seconds"] == pytest.approx(
        first["annotator_seconds"] + 3 * (inside - 1), abs=0.11
    )
    assert first["annotator_seconds"] > 10 * (1 + ends)
    beyond = np.flatnonzero(one.record.status == Status.UNTOUCHED)
    assert len(beyond) == len(one.record.status) - ends - inside, (
        "empty slices beyond are passed over"
    )


def test_work_ends_when_the_volume_is_good_enough(one: OneVolume) -> None:
    way = a_way(slices=(1,), until=0.9)
    assert course_of(one, Knows(one), way).done == {}


def test_what_is_wrong_is_corrected_and_the_volume_becomes_right(
    one: OneVolume,
) -> None:
    rival = PlainProposals(one, "linear")
    course = course_of(one, rival, a_way(accept_from=1.0))
    assert course.points[-1]["dice"] == 1
    assert course.points[0]["dice"] < 0.95
    seconds = [point["annotator_seconds"] for point in course.points]
    assert seconds == sorted(seconds)
    assert course.rounds == []
    assert np.array_equal(np.maximum(one.record.truth, 0), one.truth)


def test_an_accepted_slice_stays_as_it_was_proposed(one: OneVolume) -> None:
    course = course_of(one, PlainProposals(one, "cubic"), a_way(accept_from=0.0))
    assert set(course.done) == {"accepted"}
    assert 0.2 < course.points[-1]["dice"] < 1


def test_nothing_is_accepted_that_is_wrong(one: OneVolume) -> None:
    course = course_of(one, Knows(one, missing=24), a_way(until=2.0))
    assert set(course.done) <= {"labelled", "corrected"}
    assert course.points[-1]["dice"] == 1


def test_rounds_come_at_the_stated_numbers_of_slices(one: OneVolume) -> None:
    knows = Knows(one)
    course = course_of(one, knows, a_way(slices=(3, 5), until=0.5))
    assert knows.asked == 2
    assert course.points[-1]["settled"] == 5
