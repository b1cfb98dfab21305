"""Live proposals: a stroke is answered on the shown slice first, then on all."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.derived import where_from
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks import live_answers
from napari_contrastseg.tasks.derive import one_slice
from napari_contrastseg.tasks.live_answers import (
    answer_live,
    begin_live,
    is_live,
    live_request,
)
from napari_contrastseg.ui.live import controller
from napari_contrastseg.ui.live.controller import LiveController
from napari_contrastseg.ui.review.sources_controller import SourcesController
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"


@pytest.fixture
def live(workspace: Workspace, add: Add, sample: Sample) -> Iterator[LiveController]:
    """A controller, a volume and two classes."""
    made = LiveController(workspace)
    assert add(sample) == NAME
    workspace.session.add_class()
    workspace.go_to(7)
    yield made
    made.close()


@pytest.fixture
def record(workspace: Workspace, live: LiveController) -> VolumeRecord:
    """The volume."""
    del live
    return workspace.session.records[NAME]


def stroke(
    workspace: Workspace,
    sample: Sample,
    index: int,
    class_id: int,
    name: str = NAME,
) -> None:
    """Paint every third row of where a class is, the background's far from it."""
    where = np.zeros(sample.truth.shape, bool)
    if class_id == BACKGROUND:
        where[index, ::7] = sample.truth[index, ::7] == 0
    else:
        where[index, ::3] = sample.truth[index, ::3] == class_id
    values = np.full(where.sum(), class_id, np.uint8)
    painting.paint(workspace.session, name, where, values)


def rests(qtbot: QtBot, live: LiveController) -> None:
    qtbot.waitUntil(lambda: live.resting, timeout=60_000)


def dice(found: Any, truth: Any, class_id: int) -> float:
    mine, theirs = found == class_id, truth == class_id
    return float(2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()))


def test_strokes_are_answered_without_a_round(
    workspace: Workspace,
    live: LiveController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    ids = [c.id for c in workspace.session.classes]
    for class_id in ids:
        stroke(workspace, sample, 7, class_id)
        rests(qtbot, live)
        assert record.proposal is None  # nothing is known of the background
    stroke(workspace, sample, 7, BACKGROUND)
    rests(qtbot, live)
    for class_id in ids:
        assert dice(record.prediction[7], sample.truth[7], class_id) > 0.8
        assert dice(record.prediction[8], sample.truth[8], class_id) > 0.6
    assert where_from(record, 7) == "live, from your strokes"
    assert "slice 7" in where_from(record, 3)
    ink = record.ink[7] > 0
    shown = np.where(record.ink[7] == BACKGROUND, 0, record.ink[7])
    assert np.array_equal(record.prediction[7][ink], shown[ink])


@pytest.mark.parametrize("strokes", [True, False], ids=["strokes", "no strokes"])
def test_a_volume_is_answered_whole_though_another_was_looked_at_meanwhile(
    workspace: Workspace,
    live: LiveController,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    strokes: bool,
) -> None:
    left = threading.Event()

    def until_left(*about: Any) -> Any:
        for number, part in enumerate(answer_live(*about)):
            if number and about[1].volume.id == NAME:
                left.wait(60)
            yield part

    monkeypatch.setattr(controller, "answer_live", until_left)
    other = phantom(1)
    names = NAME, add(other)
    records = [workspace.session.records[name] for name in names]
    if strokes:
        stroke(workspace, other, 6, 1, names[1])
        stroke(workspace, other, 6, BACKGROUND, names[1])
        rests(qtbot, live)
    workspace.choose_volume(NAME)
    answers: list[str] = []
    workspace.session.derived_changed.connect(lambda name, _: answers.append(name))
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    qtbot.waitUntil(lambda: bool(answers), timeout=60_000)  # not yet on all slices
    workspace.choose_volume(names[1])
    qtbot.wait(50)
    left.set()
    rests(qtbot, live)
    workspace.choose_volume(NAME)
    rests(qtbot, live)
    for record in records[: 1 + strokes]:
        assert record.proposal is not None
        assert record.proposal.confidence.any(axis=(1, 2)).all(), "every slice"
    assert (records[1].proposal is not None) == strokes
    assert dice(records[0].prediction[8], sample.truth[8], 1) > 0.6


def test_the_next_stroke_changes_the_answer_and_undo_takes_it_back(
    workspace: Workspace,
    live: LiveController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    rests(qtbot, live)
    assert not (record.prediction == 2).any()
    stroke(workspace, sample, 7, 2)
    rests(qtbot, live)
    assert (record.prediction == 2).any()
    for _ in range(3):
        workspace.undo()
        rests(qtbot, live)
    assert record.proposal is None


def test_strokes_during_an_answer_are_answered_at_last(
    workspace: Workspace,
    live: LiveController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    qtbot.wait(30)  # the thread is at work
    stroke(workspace, sample, 9, 2)
    stroke(workspace, sample, 9, BACKGROUND)
    rests(qtbot, live)
    request = live_request(workspace.session, NAME)
    assert request is not None
    wanted = np.zeros_like(record.prediction)
    for part in answer_live(begin_live(record), request, lambda: 7):
        if part is not None:
            wanted[part.found.slices] = part.found.labels
    unpainted = record.ink == 0
    differs = wanted[unpainted] != record.prediction[unpainted]
    assert differs.mean() < 0.01  # the head begins from another one


def test_newer_ink_ends_the_work_on_older_ink(
    workspace: Workspace,
    live: LiveController,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []  # the request of each slice that is worked out
    gate = threading.Semaphore(0)

    def slowly(request: Any, answer: Any, index: int) -> Any:
        asked.append(request)
        gate.acquire()
        return one_slice(request, answer, index)

    monkeypatch.setattr(live_answers, "one_slice", slowly)
    monkeypatch.setattr(controller, "answer_quickly", lambda *_: (_ for _ in ()))
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=60_000)
    stroke(workspace, sample, 7, 2)
    qtbot.waitUntil(lambda: live._runner.replaced, timeout=60_000)
    gate.release()  # the slice under way is finished, and is the last of its request
    qtbot.waitUntil(lambda: len(asked) == 2, timeout=60_000)
    assert asked[1] is not asked[0]
    for _ in range(100):
        gate.release()
    rests(qtbot, live)
    assert asked.count(asked[0]) == 1


def test_the_shown_slice_comes_first(
    workspace: Workspace, record: VolumeRecord, sample: Sample
) -> None:
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    request = live_request(workspace.session, NAME)
    assert request is not None
    times = iter(range(1000))
    parts = [
        part.found.slices.tolist()
        for part in answer_live(
            begin_live(record), request, lambda: 4, lambda: next(times)
        )
        if part is not None
    ]
    assert parts[0] == [4]
    assert sorted(np.concatenate(parts)) == list(range(len(record.status)))


def test_once_there_is_a_round_it_speaks(
    workspace: Workspace,
    live: LiveController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    rests(qtbot, live)
    assert where_from(record, 7) == "live, from your strokes"
    add_round(workspace.session, sample.truth)
    stroke(workspace, sample, 9, 2)
    rests(qtbot, live)
    assert where_from(record, 7) == "round 1"
    assert where_from(record, 9) == "round 1"


def test_whole_slices_are_left_to_interpolation(
    workspace: Workspace,
    live: LiveController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    sources = SourcesController(workspace, is_live)
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    rests(qtbot, live)
    for index in (5, 7, 9):
        where = np.zeros(sample.truth.shape, bool)
        where[index] = sample.truth[index] > 0
        painting.paint(workspace.session, NAME, where, sample.truth[where])
        painting.mark(workspace.session, NAME, index, Status.DONE)
        rests(qtbot, live)
        qtbot.waitUntil(lambda: sources.resting, timeout=60_000)
        assert record.proposal is not None  # it never gets emptier
    assert where_from(record, 6) == "interpolated between slices 5 and 7"
    sources.close()


def test_another_session_gets_nothing_of_the_one_before(
    workspace: Workspace, live: LiveController, add: Add, sample: Sample, qtbot: QtBot
) -> None:
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    qtbot.wait(20)  # the thread is at work
    workspace.replace(Session())
    add(sample)
    rests(qtbot, live)
    (record,) = workspace.session.records.values()
    assert record.proposal is None


def test_strokes_in_another_volume_are_answered_when_it_is_chosen(
    workspace: Workspace, live: LiveController, add: Add, qtbot: QtBot
) -> None:
    other = phantom(1)
    add(other)
    workspace.choose_volume(NAME)
    session = workspace.session
    for value, where in ((1, other.truth == 1), (BACKGROUND, other.truth == 0)):
        where[np.arange(len(where)) != 7] = False
        painting.paint(session, other.volume.id, where, value)
    qtbot.waitUntil(lambda: live.resting, timeout=60_000)
    assert session.records[other.volume.id].proposal is None
    workspace.choose_volume(other.volume.id)
    record = session.records[other.volume.id]
    qtbot.waitUntil(lambda: record.proposal is not None, timeout=60_000)


def test_a_closed_controller_answers_no_more(
    workspace: Workspace, live: LiveController, sample: Sample, qtbot: QtBot
) -> None:
    live.close()
    stroke(workspace, sample, 7, 1)
    stroke(workspace, sample, 7, BACKGROUND)
    qtbot.wait(50)
    assert live._under_way is None
    assert not live._quick.running


def test_strokes_in_too_large_slices_are_said_once_to_have_no_answer(
    workspace: Workspace,
    live: LiveController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(live_answers, "MOST_PIXELS", 100)
    monkeypatch.setattr(controller, "notify_info", said.append)
    rests(qtbot, live)
    assert not said, "nothing is painted"
    for class_id in (1, BACKGROUND):
        stroke(workspace, sample, 7, class_id)
        rests(qtbot, live)
    assert record.proposal is None
    assert len(said) == 1
    assert said[0].startswith(f"{NAME}: its slices have more than")
