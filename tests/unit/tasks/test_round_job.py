"""Rounds as jobs: the same wherever they run, and when their process is killed."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from napari_contrastseg.io.read_again import read_when_asked
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.freeze import FrozenVolumes
from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.drive import Failed, Finished
from napari_contrastseg.tasks.events import Note, StageReport
from napari_contrastseg.tasks.executors import sharing
from napari_contrastseg.tasks.executors.choice import PROCESS, executor_named
from napari_contrastseg.tasks.executors.executor import Job
from napari_contrastseg.tasks.executors.process import ProcessExecutor
from napari_contrastseg.tasks.executors.thread import ThreadExecutor
from napari_contrastseg.tasks.feature_probe import FeatureProbe
from napari_contrastseg.tasks.predict import Predicted, PredictedSlices, ShownSlice
from napari_contrastseg.tasks.resumable import write_run
from napari_contrastseg.tasks.round import Embedded, Trained
from napari_contrastseg.tasks.round_job import (
    ProposalRequest,
    RoundNow,
    RoundRequest,
    beginning,
    proposing,
)
from tests.kit.jobs import Asked
from tests.kit.training import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.executors.executor import Executor
    from napari_contrastseg.tasks.requests import TrainRequest

SHAPE = (8, 48, 48)
INFO = RoundInfo(1, "hu2021", 1, 0.0)
NOW = RoundNow(ShownSlice("phantom_001", 0, 5))
kills = pytest.mark.skipif(sys.platform == "win32", reason="kills with signals")


@pytest.fixture(scope="module")
def process(light_children: None) -> Iterator[ProcessExecutor]:
    made = ProcessExecutor()
    made.start_ahead()
    yield made
    made.close()


def training(session: Session | None = None) -> TrainRequest:
    """Ask for three steps of each stage; of a session with one labelled slice."""
    asked = request("hu2021")
    if session is None:
        return asked
    return replace(asked, volumes=FrozenVolumes(session))


def labelled_session() -> Session:
    session = Session()
    for sample in (phantom(0, SHAPE), phantom(1, SHAPE)):
        session.add_volume(sample.volume)
    session.add_class()
    session.add_class()
    sample = phantom(0, SHAPE)
    here = np.zeros(SHAPE, bool)
    here[4] = sample.truth[4] > 0
    painting.paint(session, sample.volume.id, here, sample.truth[here])
    painting.mark(session, sample.volume.id, 4, Status.DONE)
    return session


@dataclass
class Played:
    """What a job has reported."""

    outcome: Outcome
    events: list[Any] = field(default_factory=list)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def model(self) -> Model:
        (event,) = self.of(Trained)
        model: Model = event.model
        return model

    def assert_equals(self, other: Played) -> None:
        """Compare all that a round keeps, bit for bit."""
        assert self.outcome == other.outcome == Finished()
        mine, its = (
            p.model.network.state_dict() if p.of(Trained) else {} for p in (self, other)
        )
        assert mine.keys() == its.keys()
        assert all(torch.equal(mine[name], its[name]) for name in mine)
        pairs = zip(self.of(Predicted), other.of(Predicted), strict=True)
        for one, two in pairs:
            assert one.volume_id == two.volume_id
            assert np.array_equal(one.prediction.labels, two.prediction.labels)
            assert np.array_equal(one.prediction.confidence, two.prediction.confidence)
        (one,), (two,) = self.of(Embedded), other.of(Embedded)
        assert np.array_equal(one.table.features, two.table.features)
        assert one.silhouettes.classes == two.silhouettes.classes


def play(
    executor: Executor,
    job: Job,
    report: Callable[[Any], None] = lambda _: None,
    now: RoundNow = NOW,
) -> Played:
    events: list[Any] = []

    def take(event: Any) -> None:
        events.append(event)
        report(event)

    outcome = executor.run(job, take, lambda: False, lambda: now)
    return Played(outcome, events)


def test_a_round_in_a_process_equals_one_in_a_thread(
    process: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With labels in nameless files, and as the start of the next round."""
    monkeypatch.setenv(MEMORY_VARIABLE, "64 KB")
    monkeypatch.setattr(sharing, "LARGE", 2**14)
    session, probe = labelled_session(), FeatureProbe(count=60)
    asked = [
        RoundRequest(training(session), INFO, None, proposes=True, probe=probe)
        for _ in range(2)
    ]
    here = play(ThreadExecutor(), beginning(asked[0]))
    there = play(process, beginning(asked[1]))
    there.assert_equals(here)
    (reports, its) = (p.of(StageReport) for p in (here, there))
    assert [(r.name, r.steps, r.loss) for r in reports] == [
        (r.name, r.steps, r.loss) for r in its
    ]
    for played in (here, there):
        first = played.of(PredictedSlices)[0]
        assert (first.volume_id, first.slices[0]) == ("phantom_001", 5)
    guess = [
        proposing(ProposalRequest(p.model, a.training, probe))
        for p, a in zip((here, there), asked, strict=True)
    ]
    again = play(process, guess[1])
    again.assert_equals(play(ThreadExecutor(), guess[0]))
    next_round = [
        beginning(
            RoundRequest(replace(a.training, start=there.model), INFO, probe=probe)
        )
        for a in asked
    ]
    play(process, next_round[1]).assert_equals(play(ThreadExecutor(), next_round[0]))
    compiled = play(process, Job("tests.kit.jobs:compiler", Asked()))
    assert compiled.events == [False], "a round waits for torch's compiler to be loaded"


def test_a_closed_case_takes_part_in_a_round_in_a_process(
    process: ProcessExecutor,
) -> None:
    """Its image is read when the job is handed over."""
    session, name = labelled_session(), phantom(0, SHAPE).volume.id
    image = np.asarray(session.records[name].volume.data[0])
    later = read_when_asked(lambda: [image], SHAPE, [image.dtype])
    session.close_volume(name, later)
    asked = RoundRequest(training(session), INFO, probe=FeatureProbe(count=60))
    there = play(process, beginning(asked))
    there.assert_equals(play(ThreadExecutor(), beginning(asked)))


def test_a_round_fails_where_the_image_of_a_closed_case_is_gone() -> None:
    """It would fail in the window's own process, too: nothing says that it runs."""

    def gone() -> list[Any]:
        raise InputError("case.nii: there is no such file.")

    session, name = labelled_session(), phantom(0, SHAPE).volume.id
    session.close_volume(name, read_when_asked(gone, SHAPE, [np.dtype(np.uint8)]))
    asked = RoundRequest(training(session), INFO)
    executor = executor_named(PROCESS)
    found = play(executor, beginning(asked))
    executor.close()
    assert isinstance(found.outcome, Failed)
    assert found.outcome.message == "case.nii: there is no such file."
    assert not found.events


@kills
@pytest.mark.slow
@pytest.mark.parametrize("when", ["before its first checkpoint", "in its second stage"])
def test_a_killed_round_ends_as_it_would_have(
    process: ProcessExecutor, tmp_path: Path, when: str
) -> None:
    folder, early = tmp_path / "run", when.startswith("before")
    if early:  # of a round that was cut off
        write_run(folder, replace(training(), seed=7), INFO, propose=False)
    asked = RoundRequest(training(), INFO, folder)
    killed: list[int] = []

    def kill(event: Any) -> None:
        if not killed and (early or isinstance(event, StageReport)):
            assert process.pid is not None
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    found = play(process, beginning(asked), kill)
    (note,) = found.of(Note)
    assert "goes on from its last checkpoint, if there is one" in note.text
    assert process.pid not in killed
    assert read_json(folder / "run.json")["seed"] == 0
    found.assert_equals(play(ThreadExecutor(), beginning(replace(asked, folder=None))))


def test_a_folder_that_another_window_has_taken_is_left_alone(
    process: ProcessExecutor, tmp_path: Path
) -> None:
    asked = RoundRequest(training(), INFO, tmp_path / "run", proposes=False)
    found = play(process, beginning(asked), now=RoundNow(ours=False))
    assert found.outcome == Finished()
    assert not list(tmp_path.rglob("checkpoint.json"))
