"""Stages run: losses are reported, or end the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.step_loss import StepLoss
from napari_contrastseg.learning.terms.supervised import Supervised
from napari_contrastseg.learning.terms.term import Term
from napari_contrastseg.learning.training import runner
from napari_contrastseg.learning.training.events import StageFinished, StepDone
from tests.kit.cohorts import a_cohort
from tests.kit.stages import a_stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_contrastseg.learning.terms.step import Step

STEPS = 5
SMALL = NetworkSpec(widths=(4, 8))
CPU = torch.device("cpu")


def trained(term: Term) -> tuple[list[Any], dict[str, Tensor]]:
    """Run two stages; the events and the weights."""
    randomness = Randomness(0)
    with randomness.scope():
        network = UNet(1, 3, SMALL)
    cohort = a_cohort(neighbours=0)
    stages = (a_stage("a", term, ema=0.9), a_stage("b", term))
    budget = Budget(steps=STEPS)
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
