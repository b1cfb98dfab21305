"""The state machine of a run: every move, what it collects, what becomes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.feature_probe import Probed
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.round import Embedded, SlicesScored, Trained
from napari_contrastseg.tasks.round_result import RoundResult
from napari_contrastseg.ui.learn.run_state import (
    Conclusion,
    FinishReason,
    Learned,
    RunInProgress,
    RunState,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.round import RoundEvent

MODEL = cast("Model", SimpleNamespace())
BEGAN = TrainingBegan(MODEL, "cpu", "CPU, 8 GB free")
TRAINED = Trained(MODEL)
STEP = Progress("fine-tune", 0.3, 60.0, 0.9, 0.5)
PRETRAINING_STEP = Progress("pretrain", 0.1, 90.0, 0.9)
FAILED = Failed("The disk is full.", OSError())
NOTHING_MOVES: tuple[RoundEvent, ...] = (
    Progress("fine-tune", 0.3),
    StageReport("fine-tune", 9, 1.0, (0.5,), purpose="fine-tune"),
    Note("something to know"),
    Predicted("a", cast("Any", None)),
    SlicesScored("a", cast("Any", None)),
    Embedded(cast("Any", None), cast("Any", None)),
    Probed(cast("Any", None), 1, "fine-tune"),
)


def a_run(
    *ids: str, proposes: bool = True, model: Model | None = None
) -> RunInProgress:
    """Make a run on volumes of which nothing but the name is asked."""
    volumes = [SimpleNamespace(volume=SimpleNamespace(id=name)) for name in ids]
    request = cast("TrainRequest", SimpleNamespace(volumes=volumes))
    result = RoundResult(RoundInfo(1, "supervised", 3, 0.0), model)
    return RunInProgress(request, result, proposes)


def in_state(state: RunState) -> RunInProgress:
    """Bring a run to a state; where it is paused, stops or has ended: from training."""
    run = a_run("a")
    if state is not RunState.PREPARING:
        run.apply(BEGAN)
    if state is RunState.PREDICTING:
        run.apply(TRAINED)
    elif state is RunState.PAUSED:
        run.pause(True)
    elif state is RunState.STOPPING:
        run.cancel()
    elif state is RunState.ENDED:
        run.end(Finished())
    assert run.state is state
    return run


def do(run: RunInProgress, action: str) -> None:
    """Do what a row of the table names."""
    match action:
        case "training begins":
            run.apply(BEGAN)
        case "training is over":
            run.apply(TRAINED)
        case "pause":
            run.pause(True)
        case "go on":
            run.pause(False)
        case "cancel":
            run.cancel()
        case "the task ends":
            run.end(Cancelled())
        case "predict now":
            run.predict_now()


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        (RunState.PREPARING, "training begins", RunState.TRAINING),
        (RunState.PREPARING, "pause", RunState.PAUSED),
        (RunState.PREPARING, "go on", RunState.PREPARING),
        (RunState.PREPARING, "cancel", RunState.STOPPING),
        (RunState.PREPARING, "the task ends", RunState.ENDED),
        (RunState.TRAINING, "training is over", RunState.PREDICTING),
        (RunState.TRAINING, "pause", RunState.PAUSED),
        (RunState.TRAINING, "go on", RunState.TRAINING),
        (RunState.TRAINING, "cancel", RunState.STOPPING),
        (RunState.TRAINING, "the task ends", RunState.ENDED),
        (RunState.PREDICTING, "pause", RunState.PAUSED),
        (RunState.PREDICTING, "go on", RunState.PREDICTING),
        (RunState.PREDICTING, "cancel", RunState.STOPPING),
        (RunState.PREDICTING, "the task ends", RunState.ENDED),
        (RunState.PAUSED, "training is over", RunState.PAUSED),
        (RunState.PAUSED, "pause", RunState.PAUSED),
        (RunState.PAUSED, "go on", RunState.TRAINING),
        (RunState.PAUSED, "cancel", RunState.STOPPING),
        (RunState.PAUSED, "the task ends", RunState.ENDED),
        (RunState.STOPPING, "training is over", RunState.STOPPING),
        (RunState.STOPPING, "pause", RunState.STOPPING),
        (RunState.STOPPING, "go on", RunState.STOPPING),
        (RunState.STOPPING, "cancel", RunState.STOPPING),
        (RunState.STOPPING, "the task ends", RunState.ENDED),
        (RunState.ENDED, "pause", RunState.ENDED),
        (RunState.ENDED, "go on", RunState.ENDED),
        (RunState.ENDED, "cancel", RunState.ENDED),
        (RunState.ENDED, "predict now", RunState.PREDICTING),
    ],
)
def test_a_run_moves_from_state_to_state(
    before: RunState, action: str, after: RunState
) -> None:
    run = in_state(before)
    do(run, action)
    assert run.state is after


@pytest.mark.parametrize("state", list(RunState))
@pytest.mark.parametrize("event", NOTHING_MOVES, ids=lambda e: type(e).__name__)
def test_other_events_leave_the_state_as_it_is(
    state: RunState, event: RoundEvent
) -> None:
    run = in_state(state)
    run.apply(event)
    assert run.state is state


def test_what_comes_after_a_pause_decides_where_it_goes_on() -> None:
    run = a_run("a")
    run.pause(True)
    run.apply(BEGAN)  # a task pauses after its next event
    states = [run.state]
    run.pause(False)
    assert [*states, run.state] == [RunState.PAUSED, RunState.TRAINING]


def test_pretraining_alone_predicts_nothing() -> None:
    run = a_run("a", proposes=False)
    run.apply(BEGAN)
    run.apply(TRAINED)
    assert run.state is RunState.TRAINING


@pytest.mark.parametrize(
    ("outcome", "finish"),
    [
        (Finished(), FinishReason.COMPLETED),
        (Cancelled(), FinishReason.CANCELLED),
        (FAILED, FinishReason.FAILED),
    ],
)
def test_a_run_knows_why_it_ended(outcome: Outcome, finish: FinishReason) -> None:
    assert in_state(RunState.TRAINING).finish is None
    run = in_state(RunState.TRAINING)
    run.end(outcome)
    assert run.finish is finish
    assert run.failure is (FAILED if finish is FinishReason.FAILED else None)
    assert run.is_complete(["a"]) is (finish is FinishReason.COMPLETED)


def test_a_run_collects_what_comes() -> None:
    run = a_run("a", "b")
    for event in (BEGAN, STEP, TRAINED, *NOTHING_MOVES[3:6]):
        run.apply(event)
    collected = run.collected
    assert collected.model is MODEL
    assert list(collected.predictions) == list(collected.slices) == ["a"]
    assert collected.embedding is NOTHING_MOVES[5]
    assert run.progress is STEP
    assert run.device == "CPU, 8 GB free"


@pytest.mark.parametrize(
    ("events", "learned"),
    [
        ([], Learned.NOTHING),
        ([BEGAN, Progress("preparing", 0.0)], Learned.NOTHING),
        ([BEGAN, PRETRAINING_STEP], Learned.SOMETHING),
        ([BEGAN, STEP], Learned.FROM_LABELS),
        ([BEGAN, STEP, PRETRAINING_STEP], Learned.FROM_LABELS),
        ([StageReport("p", 9, 1.0, (), purpose="pretrain")], Learned.SOMETHING),
        ([StageReport("f", 9, 1.0, (), purpose="fine-tune")], Learned.FROM_LABELS),
        ([StageReport("f", 0, 1.0, (), purpose="fine-tune")], Learned.NOTHING),
        ([BEGAN, STEP, TRAINED], Learned.ALL),
        ([BEGAN, STEP, TRAINED, Progress("predict", 0.9)], Learned.ALL),
    ],
)
def test_how_much_was_learned(events: Sequence[RoundEvent], learned: Learned) -> None:
    run = a_run("a")
    for event in events:
        run.apply(event)
    assert run.learned is learned


@pytest.mark.parametrize(
    ("outcome", "events", "conclusion"),
    [
        (Finished(), [BEGAN, STEP, TRAINED, "a", "b"], Conclusion.ROUND),
        (Finished(), [BEGAN, STEP, TRAINED], Conclusion.NOTHING),
        (Cancelled(), [], Conclusion.NOTHING_LEARNED),
        (Cancelled(), [BEGAN], Conclusion.NOTHING_LEARNED),
        (Cancelled(), [BEGAN, PRETRAINING_STEP], Conclusion.WEIGHTS),
        (Cancelled(), [BEGAN, STEP], Conclusion.PREDICTION),
        (Cancelled(), [BEGAN, STEP, TRAINED], Conclusion.WEIGHTS),
        (Cancelled(), [BEGAN, STEP, TRAINED, "a"], Conclusion.WEIGHTS),
        (Cancelled(), [BEGAN, STEP, TRAINED, "a", "b"], Conclusion.ROUND),
        (FAILED, [], Conclusion.NOTHING),
        (FAILED, [BEGAN, STEP], Conclusion.NOTHING),
        (FAILED, [BEGAN, STEP, TRAINED, "b"], Conclusion.NOTHING),
        (FAILED, [BEGAN, STEP, TRAINED, "a", "b"], Conclusion.ROUND),
    ],
)
def test_what_becomes_of_a_run(
    outcome: Outcome, events: Sequence[Any], conclusion: Conclusion
) -> None:
    """A string stands for the prediction of that volume."""
    run = a_run("a", "b")
    for event in events:
        named = isinstance(event, str)
        run.apply(Predicted(event, cast("Any", None)) if named else event)
    run.end(outcome)
    assert run.conclusion(["a", "b", "new"]) is conclusion


def test_a_volume_that_is_gone_need_not_be_predicted() -> None:
    run = a_run("a", "b")
    run.apply(Predicted("a", cast("Any", None)))
    run.end(FAILED)
    assert run.conclusion(["a", "b"]) is Conclusion.NOTHING
    assert run.conclusion(["a"]) is Conclusion.ROUND


def test_pretraining_alone_ends_with_weights() -> None:
    run = a_run("a", proposes=False)
    for event in (BEGAN, PRETRAINING_STEP, TRAINED):
        run.apply(event)
    run.end(Finished())
    assert run.conclusion(["a"]) is Conclusion.PRETRAINED


def test_a_model_in_use_that_is_cancelled_leaves_nothing() -> None:
    run = a_run("a", model=MODEL)
    run.apply(Progress("predict", 0.9))
    run.end(Cancelled())
    assert run.conclusion(["a"]) is Conclusion.NOTHING_LEARNED


@pytest.mark.parametrize(
    ("outcome", "predicted", "conclusion"),
    [
        (Finished(), ["a"], Conclusion.ROUND),
        (Cancelled(), [], Conclusion.WEIGHTS),
        (FAILED, [], Conclusion.NOTHING),
        (FAILED, ["a"], Conclusion.ROUND),
    ],
)
def test_a_run_that_was_cut_short_is_never_complete(
    outcome: Outcome, predicted: list[str], conclusion: Conclusion
) -> None:
    run = a_run("a")
    run.apply(BEGAN)
    run.apply(STEP)
    run.end(Cancelled())
    run.predict_now()
    assert run.finish is None
    assert run.progress == Progress("predict", 0.9)
    for name in predicted:
        run.apply(Predicted(name, cast("Any", None)))
    run.end(outcome)
    assert run.conclusion(["a"]) is conclusion
    assert not run.is_complete(["a"])
