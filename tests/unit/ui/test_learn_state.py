"""What step Learn shows, as a table: no Qt, no session."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished
from napari_contrastseg.tasks.events import Progress, TrainingBegan, preparing
from napari_contrastseg.tasks.round_result import RoundResult
from napari_contrastseg.ui.learn.panel_state import (
    LastRun,
    LearnState,
    SessionFacts,
    learn_state,
)
from napari_contrastseg.ui.learn.run_state import RunInProgress

if TYPE_CHECKING:
    from collections.abc import Callable

NO_VOLUME = "Add a volume in step Data first"
READY = SessionFacts(volumes=True, classes=True, labels=True)
IDLE = LearnState(why_not=None, why_no_model=None)
RUNNING = replace(IDLE, running=True, stage="fine-tune", fraction=0.3, eta=60.0)


def a_run(*steps: Callable[[RunInProgress], object]) -> RunInProgress:
    """Make a run in which some has been learned, and do something with it."""
    result = RoundResult(RoundInfo(1, "supervised", 3, 0.0))
    run = RunInProgress(cast("Any", None), result)
    run.apply(Progress("fine-tune", 0.3, 60.0, 0.9, 0.5))
    for step in steps:
        step(run)
    return run


@pytest.mark.parametrize(
    ("facts", "why_not", "why_no_model"),
    [
        (SessionFacts(), NO_VOLUME, NO_VOLUME),
        (SessionFacts(classes=True), NO_VOLUME, NO_VOLUME),
        (SessionFacts(volumes=True), "Add a class in step Data first", None),
        (
            SessionFacts(volumes=True, classes=True),
            "Paint on a slice first, or mark one done",
            None,
        ),
        (READY, None, None),
    ],
)
@pytest.mark.parametrize("run", [None, a_run()])
def test_the_first_step_that_is_missing_is_named(
    run: RunInProgress | None,
    facts: SessionFacts,
    why_not: str | None,
    why_no_model: str | None,
) -> None:
    state = learn_state(run, facts)
    assert (state.why_not, state.why_no_model) == (why_not, why_no_model)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (READY, IDLE),
        (
            replace(READY, last=LastRun("Round 1 is ready.", 1.0)),
            replace(IDLE, message="Round 1 is ready.", fraction=1.0),
        ),
        (
            replace(READY, last=LastRun("Cancelled."), unfinished="stopped"),
            replace(IDLE, message="Cancelled.", unfinished="stopped"),
        ),
        (
            replace(READY, last=LastRun("Cancelled."), forecast="1 network."),
            replace(IDLE, message="Cancelled.", forecast="1 network."),
        ),
        (
            replace(READY, last=LastRun("Too little."), forecast="Too little."),
            replace(IDLE, message="Too little."),
        ),
        (
            replace(READY, labels=False, forecast="1 network."),
            replace(IDLE, why_not="Paint on a slice first, or mark one done"),
        ),
    ],
)
def test_between_runs_it_shows_how_the_last_one_ended_and_what_the_next_will_do(
    facts: SessionFacts, state: LearnState
) -> None:
    assert learn_state(None, facts) == state


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (a_run(), RUNNING),
        (
            a_run(
                lambda run: run.apply(TrainingBegan(cast("Any", None), "cpu", "CPU"))
            ),
            replace(RUNNING, device="CPU"),
        ),
        (a_run(lambda run: run.pause(True)), replace(RUNNING, paused=True)),
        (
            a_run(lambda run: run.pause(True), lambda run: run.pause(False)),
            RUNNING,
        ),
        (a_run(lambda run: run.cancel()), replace(RUNNING, message="stopping ...")),
        (
            a_run(
                lambda run: run.cancel(),
                lambda run: run.apply(Progress("fine-tune", 0.4, 50.0)),
            ),
            replace(RUNNING, message="stopping ...", fraction=0.4, eta=50.0),
        ),
        (
            a_run(lambda run: run.pause(True), lambda run: run.cancel()),
            replace(RUNNING, message="stopping ..."),
        ),
        (
            a_run(lambda run: run.cancel(), lambda run: run.end(Cancelled())),
            replace(RUNNING, message="stopping ..."),
        ),
        (a_run(lambda run: run.end(Finished())), RUNNING),
        (a_run(lambda run: run.end(Failed("Full.", OSError()))), RUNNING),
        (
            a_run(lambda run: run.end(Cancelled()), lambda run: run.predict_now()),
            replace(RUNNING, stage="predict", fraction=0.9, eta=None),
        ),
    ],
)
def test_while_a_run_is_in_progress_it_shows_the_run(
    run: RunInProgress, state: LearnState
) -> None:
    last = LastRun("Round 1 is ready.", 1.0)
    facts = replace(
        READY, unfinished="stopped after 9 steps", last=last, forecast="1 network."
    )
    assert learn_state(run, facts) == state


def test_a_run_shows_that_it_prepares_before_anything_is_reported() -> None:
    result = RoundResult(RoundInfo(1, "supervised", 3, 0.0))
    state = learn_state(RunInProgress(cast("Any", None), result), READY)
    assert state == LearnState(
        None, None, running=True, stage=preparing("loading PyTorch and images").stage
    )


def test_a_panel_begins_with_what_an_empty_session_shows() -> None:
    assert learn_state(None, SessionFacts()) == LearnState()
