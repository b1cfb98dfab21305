"""Step Review: which slice comes next, by which strategy, and why."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.insight.slice_features import slice_features
from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.query import catalogue
from napari_contrastseg.query.strategy import Suggestion
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.derived import take_slices
from napari_contrastseg.session.derived_proposal import DerivedProposal, DerivedSlices
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.sources import INTERPOLATION, Source
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks import review_queue
from napari_contrastseg.ui.review.queue_controller import QueueController
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.query.strategy import Strategy
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"
LONG = 60_000
each = pytest.mark.parametrize("strategy", catalogue().values(), ids=lambda s: s.name)


@pytest.fixture
def queue(workspace: Workspace, add: Add, sample: Sample) -> Iterator[QueueController]:
    """The queue of a volume that nothing was labelled of."""
    made = QueueController(workspace)
    assert add(sample) == NAME
    workspace.session.add_class()
    yield made
    made.close()


@pytest.fixture
def record(workspace: Workspace, queue: QueueController) -> VolumeRecord:
    """The volume whose slices come."""
    del queue
    return workspace.session.records[NAME]


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def predict(workspace: Workspace, truth: NDArray[np.uint8]) -> None:
    """Add a round that is sure of the truth, and the scores of its slices."""
    add_round(workspace.session, truth, 0.7)
    current = workspace.session.rounds.current
    assert current is not None
    shown = current.proposals[NAME]
    current.slices[NAME] = score_slices(shown.prediction, shown.confidence, 0)


def order(queue: QueueController) -> list[int]:
    """Return the numbers of the slices, the first to come first."""
    return [s.index for s in queue.suggestions]


def test_chosen_slices_come_first_and_done_ones_do_not(
    workspace: Workspace, queue: QueueController, record: VolumeRecord, sample: Sample
) -> None:
    add_round(workspace.session, sample.truth)
    workspace.go_to(2)
    queue.go_to_next()
    assert "no suggestion" in said()
    record.status[5] = Status.DONE
    queue.put_first([(NAME, 5), (NAME, 9), (NAME, 11)])
    assert "2 slices come first" in said()
    assert queue.state().next_words == "slice 9: chosen on the map"
    queue.go_to_next()
    assert workspace.current_slice == 9
    shown: list[str] = []
    workspace.changed.connect(lambda: shown.append(queue.state().next_words))
    queue.go_to_next()
    assert workspace.current_slice == 11
    assert shown[-1] == "slice 11: chosen on the map"
    queue.go_back()
    queue.go_back()
    assert workspace.current_slice == 2
    queue.go_back()
    assert "no slice to go back to" in said()
    queue.put_first([(NAME, 5)])
    assert "are done already" in said()


def test_nothing_of_the_last_session_is_suggested(
    workspace: Workspace, queue: QueueController, sample: Sample
) -> None:
    queue.put_first([(NAME, 15)])
    other = Session()
    other.add_volume(sample.volume)
    workspace.replace(other)
    assert queue.state().next_words == ""
    assert not queue.suggestions


@each
def test_before_a_round_a_strategy_ranks_or_says_that_a_round_comes_first(
    strategy: Strategy, queue: QueueController, record: VolumeRecord, qtbot: QtBot
) -> None:
    queue.choose_strategy(strategy.name)
    assert queue.state().strategy == strategy.name
    if strategy.needs_scores:
        assert queue.state().next_words == ""
        assert "Run a round first" in queue.state().no_next
        queue.go_to_next()
        assert strategy.title in said()
        return
    qtbot.waitUntil(lambda: bool(queue.suggestions), timeout=LONG)
    assert sorted(order(queue)) == list(range(len(record.status)))
    state = queue.state()
    assert state.next_words.startswith(f"slice {order(queue)[0]}: ")
    assert state.no_next == ""
    if strategy.name != "random":
        assert "no slice is done yet" in state.next_words


@each
def test_after_a_round_every_strategy_ranks_what_is_open_behind_what_was_chosen(
    strategy: Strategy,
    workspace: Workspace,
    queue: QueueController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    predict(workspace, sample.truth)
    record.status[[0, 6]] = Status.DONE
    queue.put_first([(NAME, 3)])
    queue.choose_strategy(strategy.name)
    rest = set(range(len(record.status))) - {0, 6}
    qtbot.waitUntil(lambda: set(order(queue)) == rest, timeout=LONG)
    assert len(order(queue)) == len(rest)
    assert [s.reason == "chosen" for s in queue.suggestions] == [
        True,
        *[False] * (len(rest) - 1),
    ]
    assert order(queue)[0] == 3
    wanted = [i for i in order(queue) if i != 3]
    found = review_queue.review_order(
        workspace.session, workspace.session.rounds[-1].slices, strategy.name
    )
    assert wanted == [s.index for s in found.suggestions if s.index != 3]


def test_the_gap_closes_before_the_first_round_too(
    workspace: Workspace, queue: QueueController, record: VolumeRecord, qtbot: QtBot
) -> None:
    queue.choose_strategy("even")
    assert order(queue)[0] in (7, 8), "the middle of 16 slices"
    for index in (0, 15, 4):
        painting.mark(workspace.session, NAME, index, Status.DONE)
    qtbot.waitUntil(lambda: order(queue)[0] in (9, 10), timeout=LONG)
    assert queue.state().next_words.endswith(": far from labelled slices")
    for index in range(16):
        painting.mark(workspace.session, NAME, index, Status.DONE)
    assert (record.status == Status.DONE).all()
    assert queue.state().no_next == "All slices are done"


def test_a_volume_that_is_added_or_taken_away_is_ranked(
    workspace: Workspace, queue: QueueController, add: Add, qtbot: QtBot
) -> None:
    queue.choose_strategy("even")
    other = add(phantom(1))
    qtbot.waitUntil(
        lambda: {s.volume_id for s in queue.suggestions} == {NAME, other}, timeout=LONG
    )
    assert f"of {queue.suggestions[0].volume_id}: " in queue.state().next_words
    workspace.session.remove_volume(NAME)
    assert f"of {NAME}" not in queue.state().next_words
    qtbot.waitUntil(
        lambda: {s.volume_id for s in queue.suggestions} == {other}, timeout=LONG
    )


def test_slices_that_get_other_answers_are_ranked_by_these(
    workspace: Workspace, queue: QueueController, sample: Sample
) -> None:
    predict(workspace, sample.truth)
    queue.rank_now()
    before = {s.index: s.dice for s in queue.suggestions}
    session = workspace.session
    ground = DerivedProposal.on(session.records[NAME].proposal, sample.truth.shape, 0)
    sure = np.ones((1, *sample.truth.shape[1:]), np.float16)
    source = Source(INTERPOLATION, "between slices 3 and 6")
    found = DerivedSlices(np.array([8]), sample.truth[8:9], sure, source)
    take_slices(session, NAME, ground, found)
    assert queue._later.isActive()
    queue._later.timeout.emit()
    after = {s.index: s.dice for s in queue.suggestions}
    assert after[8] == pytest.approx(1)
    assert before[8] < after[8]
    assert after[7] == before[7]


@pytest.mark.parametrize(
    ("suggestion", "words"),
    [
        (
            Suggestion(NAME, 4, 1.0, 1, "unsure", 0.84),
            "edge of {} unsure; Dice about 0.84",
        ),
        (
            Suggestion(NAME, 4, 1.0, 0, "unsure", 0.84),
            "prediction unsure; Dice about 0.84",
        ),
        (Suggestion(NAME, 4, 1.0, 1, "unsure"), "edge of {} unsure"),
        (Suggestion(NAME, 4, 1.0, 1, "sure", 0.99), "nothing in doubt"),
        (Suggestion(NAME, 4, 1.0, reason="gap"), "far from labelled slices"),
        (Suggestion(NAME, 4, 1.0, reason="unlike"), "unlike labelled slices"),
        (Suggestion(NAME, 4, 1.0, reason="random"), "drawn at random"),
        (Suggestion(NAME, 4, 1.0, reason="chosen"), "chosen on the map"),
    ],
)
def test_the_words_say_why(
    workspace: Workspace,
    queue: QueueController,
    record: VolumeRecord,
    suggestion: Suggestion,
    words: str,
) -> None:
    record.status[0] = Status.DONE
    queue.suggestions = [suggestion]
    name = workspace.session.class_name(1)
    assert queue.state().next_words == "slice 4: " + words.format(name)


def test_images_are_read_on_a_thread(
    queue: QueueController,
    record: VolumeRecord,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del record
    readers: list[threading.Thread] = []

    def read(volume: Volume, axis: int) -> NDArray[np.float64]:
        readers.append(threading.current_thread())
        return slice_features(volume, axis)

    monkeypatch.setattr(review_queue, "slice_features", read)
    queue.choose_strategy("k_center")
    assert queue.state().no_next == "The slices are being compared"
    qtbot.waitUntil(lambda: bool(queue.suggestions), timeout=LONG)
    assert readers
    assert threading.main_thread() not in readers


def test_a_strategy_that_was_left_is_not_heard_any_more(
    queue: QueueController,
    record: VolumeRecord,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del record
    go = threading.Event()

    def read(volume: Volume, axis: int) -> NDArray[np.float64]:
        go.wait(60)
        return slice_features(volume, axis)

    monkeypatch.setattr(review_queue, "slice_features", read)
    queue.choose_strategy("k_center")
    queue.choose_strategy("even")
    with qtbot.waitSignal(queue._runner.ended, timeout=LONG):
        go.set()
    assert {s.reason for s in queue.suggestions} == {"gap"}


def test_images_that_cannot_be_read_are_no_end(
    queue: QueueController,
    record: VolumeRecord,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del record

    def read(_volume: Volume, _axis: int) -> NDArray[np.float64]:
        raise OSError("the disk is gone")

    monkeypatch.setattr(review_queue, "slice_features", read)
    with qtbot.waitSignal(queue._runner.ended, timeout=LONG):
        queue.choose_strategy("k_center")
    assert "the disk is gone" in said()
    # the volume that was added may have them compared once more
    said_so = "There is no suggestion yet"
    qtbot.waitUntil(lambda: queue.state().no_next == said_so, timeout=LONG)
    queue.choose_strategy("even")
    assert queue.state().no_next == ""


def test_the_choice_stays_for_another_session(
    workspace: Workspace, queue: QueueController, sample: Sample
) -> None:
    queue.choose_strategy("even")
    other = Session()
    other.add_volume(sample.volume)
    workspace.replace(other)
    assert queue.state().strategy == "even"
    assert queue.suggestions[0].reason == "gap"
