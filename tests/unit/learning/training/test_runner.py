"""Stages run: losses are reported, or end the run."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.cohort import Cohort
from napari_contrastseg.learning.data.view import View
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Budget, Optimiser, StageLength
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.runtime.threads import measured_threads
from napari_contrastseg.learning.terms.step_loss import StepLoss
from napari_contrastseg.learning.terms.supervised import Supervised
from napari_contrastseg.learning.terms.term import Term
from napari_contrastseg.learning.training import runner
from napari_contrastseg.learning.training.events import StageFinished, StepDone
from tests.kit.cohorts import a_cohort, noise_cohort
from tests.kit.stages import a_stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_contrastseg.learning.terms.step import Step

STEPS = 5
FIXED = Budget(steps=STEPS)
SMALL = NetworkSpec(widths=(4, 8))
CPU = torch.device("cpu")


def trained(term: Term, budget: Budget = FIXED) -> tuple[list[Any], dict[str, Tensor]]:
    """Run two stages; the events and the weights."""
    randomness = Randomness(0)
    with randomness.scope():
        network = UNet(1, 3, SMALL)
    cohort = a_cohort(neighbours=0)
    stages = (a_stage("a", term, ema=0.9), a_stage("b", term))
    events = list(runner.run_stages(stages, network, cohort, budget, randomness, CPU))
    return events, network.state_dict()


def steps_told(events: Sequence[Any]) -> list[tuple[str, int]]:
    return [(e.stage, e.step) for e in events if isinstance(e, StepDone)]


def losses_of(events: Sequence[Any]) -> list[tuple[float, ...]]:
    return [e.loss for e in events if isinstance(e, StageFinished)]


def test_a_run_that_does_not_wait_learns_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = [(stage, step) for stage in "ab" for step in range(1, STEPS + 1)]
    events, weights = trained(Term("dice", Supervised))
    assert steps_told(events) == every
    told = [e.loss for e in events if isinstance(e, StepDone)]
    assert told == [loss for losses in losses_of(events) for loss in losses]

    monkeypatch.setattr(runner, "is_asynchronous", lambda _: True)
    for seconds, wanted in ((1e9, [("a", STEPS), ("b", STEPS)]), (0.0, every)):
        monkeypatch.setattr(runner, "REPORT_SECONDS", seconds)
        found, others = trained(Term("dice", Supervised))
        assert steps_told(found) == wanted
        assert losses_of(found) == losses_of(events)
        assert [len(losses) for losses in losses_of(found)] == [STEPS, STEPS]
        assert all(torch.equal(weights[k], others[k]) for k in weights)


@pytest.mark.parametrize("waits", [False, True])
def test_losses_that_are_no_numbers_end_a_run(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "is_asynchronous", lambda _: waits)
    monkeypatch.setattr(runner, "REPORT_SECONDS", 1e9)
    calls = iter([1, 1, math.nan, 1, 1])

    class Diverges(StepLoss):
        def forward(self, step: Step) -> Tensor:
            return step.logits.mean() * next(calls)

    with pytest.raises(InputError, match="loss = nan in stage 'a', step 3"):
        trained(Term("diverges", Diverges))


class Threads:
    """Notes how long it is told that steps took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def after(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_threads_are_measured_in_stages_of_minutes_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a run of steps could not be repeated bit for bit."""
    asked: list[tuple[bool, Threads]] = []

    @contextmanager
    def measured(_: object, *, wanted: bool, shared: bool) -> Iterator[Threads | None]:
        asked.append((wanted, Threads()))
        yield asked[-1][1] if wanted else None

    monkeypatch.setattr(runner, "measured_threads", measured)
    budget = Budget(steps=STEPS, stages=(StageLength("b", minutes=1e-4),))
    events, _ = trained(Term("dice", Supervised), budget)
    assert [wanted for wanted, _ in asked] == [False, True]
    done = [e for e in events if isinstance(e, StageFinished)][-1]
    seconds = asked[1][1].seconds
    assert len(seconds) == done.steps > 0
    assert sum(seconds) <= done.seconds


def test_the_number_of_threads_before_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    with measured_threads(CPU, wanted=True) as threads:
        assert threads is not None
        assert threads.best == 3
    assert used == [3]
    with measured_threads(CPU, wanted=False) as threads:
        assert threads is None
    with measured_threads(torch.device("cuda"), wanted=True) as threads:
        assert threads is None
    assert used == [3], "a GPU's steps do not depend on them"


def test_pretraining_has_a_cohort_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three labelled slices to pretrain with, two to fine-tune."""
    with Randomness(0).scope():
        network = UNet(1, 2, SMALL)
    term, view = Term("dice", Supervised), View("labelled", 1)
    stages = (
        replace(a_stage("a", term, view=view), purpose="pretrain"),
        a_stage("b", term, view=view),
    )
    drawn: dict[int, set[int]] = {2: set(), 3: set()}
    read = Cohort.batch

    def spy(cohort: Cohort, places: Sequence[tuple[int, int]], rng: Any) -> Any:
        drawn[len(cohort.labelled)] |= {index for _, index in places}
        return read(cohort, places, rng)

    monkeypatch.setattr(Cohort, "batch", spy)
    own, other = noise_cohort(2), noise_cohort(3)
    for event in runner.run_stages(
        stages, network, own, FIXED, Randomness(0), CPU, pretraining=other
    ):
        if isinstance(event, StageFinished) and event.stage == "a":
            assert drawn == {2: set(), 3: {0, 1, 2}}
    assert drawn == {2: {0, 1}, 3: {0, 1, 2}}


@pytest.mark.parametrize("pretrained", [False, True])
def test_what_begins_anew_begins_from_the_pretraining(*, pretrained: bool) -> None:
    """Chaitanya et al. 2020, "Proposed init. + Self-train"."""
    term, still = Term("supervised", Supervised), Optimiser(0.0)
    stages = [
        replace(a_stage("before", term), purpose="pretrain"),
        a_stage("first", term),
        replace(
            a_stage("again", term, reinitialise=True, teacher="snapshot"),
            optimiser=still,
        ),
    ]
    stages = stages[1:] if pretrained else stages
    randomness = Randomness(0)
    with randomness.scope():
        network = UNet(1, 3, SMALL)
    before = {k: v.clone() for k, v in network.named_parameters()}
    events = runner.run_stages(
        stages,
        network,
        a_cohort(neighbours=0),
        FIXED,
        randomness,
        CPU,
        pretrained=pretrained,
    )
    for event in events:
        if isinstance(event, StageFinished) and event.stage == "before":
            before = {k: v.clone() for k, v in network.named_parameters()}
    for key, value in network.named_parameters():
        assert torch.equal(value, before[key]), key
