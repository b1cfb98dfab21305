"""Speed: lengths and estimates, steps that wait for nothing, the benches."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from napari_contrastseg import cli
from napari_contrastseg.bench.measure import (
    contrast,
    embedding,
    throughput,
    throughput_case,
)
from napari_contrastseg.bench.measure.subprocess_runner import in_a_fresh_process
from napari_contrastseg.bench.measure.throughput_case import ThroughputCase
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.view import STRONG, View
from napari_contrastseg.learning.losses.segmentation import hard_dice
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Budget, Optimiser, Stage, StageLength
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import local_contrast
from napari_contrastseg.learning.terms.global_contrast import GlobalContrast
from napari_contrastseg.learning.terms.step import Step
from napari_contrastseg.learning.terms.step_loss import StepLoss
from napari_contrastseg.learning.terms.supervised import Supervised
from napari_contrastseg.learning.terms.term import Term
from napari_contrastseg.learning.training import runner
from napari_contrastseg.learning.training.events import StageFinished, StepDone
from napari_contrastseg.tasks.estimate import Estimate
from tests.unit.cli.test_commands import (  # noqa: F401  fixtures
    Refused,  # noqa: TC001
    contrastseg,
    dataset,
    refused,
)
from tests.unit.learning.training.test_step_parts import CPU, SMALL, a_cohort, seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEPS = 5


# -- lengths, estimates --------------------------------------------------------


def a_stage(name: str = "one", *term: Term, **changes: Any) -> Stage:
    view = changes.pop("view", View("labelled", 2, augmentation=STRONG))
    return Stage(
        name, "fine-tune", view, term, Optimiser(1e-2), **({"steps": 10} | changes)
    )


def test_stages_have_lengths_of_their_own() -> None:
    stages = (a_stage("a", share=1.0), a_stage("b", share=3.0), a_stage("c", steps=7))
    own = (StageLength("b", 5),)
    assert Budget(stages=own).lengths(stages) == (
        StageLength("a", 10),
        StageLength("b", 5),
        StageLength("c", 7),
    )
    assert Budget(steps=2, stages=own).lengths(stages)[2] == StageLength("c", 2)
    timed = Budget(minutes=4.0, stages=(StageLength("a", minutes=0.5),))
    minutes = [length.minutes for length in timed.lengths(stages)]
    assert minutes == [0.5, 3.0, 1.0]
    every = tuple(StageLength(stage.name, 1) for stage in stages)
    assert Budget(minutes=4.0, stages=every).lengths(stages) == every
    with pytest.raises(InputError, match=r"no stage 'd' here; there are: a, b, c\."):
        Budget(stages=(StageLength("d", 1),)).check(stages)


def test_the_seconds_left_follow_the_pace() -> None:
    first = a_stage("a", view=View("all", 4, copies=2))
    second = a_stage("b", view=View("labelled", 6), steps=20)
    estimate = Estimate((first, second), Budget())
    slices, now, seconds_per_slice = (80, 120), 100.0, 0.05
    fractions = []
    for number, (stage, total) in enumerate(zip((first, second), slices, strict=True)):
        for step in range(1, stage.steps + 1):
            now += seconds_per_slice * total / stage.steps
            fraction, left = estimate.after(step / stage.steps, now)
            fractions.append(fraction)
            done = sum(slices[:number]) + total * step / stage.steps
            assert fraction == pytest.approx(done / 200)
            if step > 1:
                assert left == pytest.approx(seconds_per_slice * (200 - done))
        estimate.next_stage()
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)


def test_the_seconds_left_of_minutes_are_known() -> None:
    stages = (a_stage("a", share=1.0), a_stage("b", share=3.0))
    estimate = Estimate(stages, Budget(minutes=4.0))
    assert estimate.after(0.25, 7.0) == pytest.approx((0.0625, 225.0))
    assert estimate.after(1.0, 70.0) == pytest.approx((0.25, 180.0))
    estimate.next_stage()
    assert estimate.after(0.5, 71.0) == pytest.approx((0.625, 90.0))


def test_a_stages_length_is_checked(
    dataset: Path,  # noqa: F811
    tmp_path: Path,
    refused: Refused,  # noqa: F811
) -> None:
    start = ("train", dataset, "--recipe", "hu2021", "--out", tmp_path / "m")
    for words in ("nonsense", "fine-tune=0", "=3", "fine-tune=nanmin", "fine-tune=-1"):
        assert "write a stage's name" in refused(*start, "--stage", words)
    said = refused(*start, "--stage", "tuning=3")
    assert "no stage 'tuning' here; there are: global contrast" in said
    assert not (tmp_path / "m").exists()


def test_one_stage_is_given_its_length(
    dataset: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["train", str(dataset), "--recipe", "hu2021", "--slices", "3", "--steps"]
    words += ["1", "--stage", "fine-tune=2", "--out", str(tmp_path / "m")]
    words += ["--device", "cpu", "--json", "-"]
    monkeypatch.setattr(sys, "argv", ["contrastseg", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    report = json.loads(capsys.readouterr().out)
    steps = {stage["name"]: stage["steps"] for stage in report["stages"]}
    assert steps == {"global contrast": 1, "local contrast": 1, "fine-tune": 2}


# -- runs that do not wait -----------------------------------------------------


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


# -- steps that ask the device for nothing -------------------------------------

#: Operators whose result, or its size, the host must wait for.
WAITING = {
    "_local_scalar_dense",
    "bincount",
    "equal",
    "is_nonzero",
    "item",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "_unique",
    "_unique2",
    "unique_dim",
}
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_"}


class WaitsError(Exception):
    """The host would wait for the device here."""


class NoWaiting(TorchDispatchMode):
    """Raises where the host would wait; inside one operator all is allowed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()
        self.inside = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__
        self.seen.add(name)
        masks = args[1] if name in INDEXED else ()
        by_mask = any(
            i is not None and i.dtype in (torch.bool, torch.uint8) for i in masks
        )
        sized = name == "repeat_interleave" and "output_size" in (kwargs or {})
        if by_mask or (name in WAITING and not sized):
            raise WaitsError(name)
        self.inside = True
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.inside = False

    def guarding(self, method: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        """Guard a method that is no operator."""

        def guarded(tensor: Tensor) -> Any:
            if not self.inside:
                raise WaitsError(method.__name__)
            return method(tensor)

        return guarded


@pytest.mark.parametrize(
    "asks",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.masked_fill_(x > 0, 1)[torch.arange(2)].nonzero(),
        lambda x: x.unique(),
        lambda x: x.index_put_((x > 0,), torch.tensor(1.0)),
        lambda x: x.masked_select(x > 0),
    ],
)
def test_waiting_is_noticed(asks: Callable[[Tensor], Any]) -> None:
    with NoWaiting():
        torch.arange(4.0)[torch.arange(2)].cumsum(0).where(torch.ones(2) > 0, 0.0)
        with pytest.raises(WaitsError):
            asks(torch.arange(4.0))


def one_hot(target: Tensor, classes: int) -> Tensor:
    """As torch's, which looks at the values on a CPU and there alone."""
    return (target.unsqueeze(-1) == torch.arange(classes)).long()


BY_LABEL = partial(
    local_contrast.LocalContrast, balanced=True, negatives_per_anchor=1.0
)
LOCAL: dict[str, Any] = {
    "exact": partial(BY_LABEL, sampling="exact"),
    "block": partial(BY_LABEL, sampling="block", block=8),
    "stride": partial(BY_LABEL, sampling="stride", stride=2),
    "place": partial(local_contrast.PlaceContrast, stride=2),
}


@pytest.mark.parametrize("limit", [0, 50])
@pytest.mark.parametrize("kind", LOCAL)
def test_a_step_never_waits_for_the_device(
    kind: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_contrast, "is_asynchronous", lambda _: True)
    monkeypatch.setattr(functional, "one_hot", one_hot)
    network = UNet(1, 3, SMALL)
    every: list[StepLoss] = [
        Supervised(network),
        LOCAL[kind](network, tap="dec1", temperature=0.1, foreground_limit=limit),
        GlobalContrast(network, temperature=0.1),
    ]
    modules = nn.ModuleList([network, *every])
    views = [
        Batch(
            torch.rand(3, 1, 16, 24, generator=seeded(seed)),
            torch.randint(-1, 3, (3, 16, 24), generator=seeded(2)),
            torch.rand(3, 16, 24, generator=seeded(3)).round(),
        )
        for seed in range(2)
    ]
    optimiser = torch.optim.AdamW(modules.parameters(), fused=True)
    rng = np.random.default_rng(0)
    mode = NoWaiting()
    monkeypatch.setattr(torch.Tensor, "tolist", mode.guarding(torch.Tensor.tolist))
    with Randomness(0).scope(), mode:
        step = Step(network, views, rng)
        loss = torch.stack([term(step) for term in every]).sum()
        step.backward(loss)
        dice = hard_dice(step.logits.detach(), step.target, step.weight)
        nn.utils.clip_grad_norm_(modules.parameters(), 5.0)
        optimiser.step()
    monkeypatch.undo()
    assert {"contrast", "contrast_gradient", "convolution_backward"} <= mode.seen
    assert math.isfinite(loss.item())
    assert 0 <= dice.item() <= 1


# -- benches -------------------------------------------------------------------

needs_peer = pytest.mark.skipif(
    importlib.util.find_spec("pytorch_metric_learning") is None,
    reason="pytorch-metric-learning is not installed",
)


def measured(engine: str) -> dict[str, float]:
    return contrast.measure(contrast.ContrastCase(engine, 300, 8, 3, "cpu"))


def test_engines_measure_the_same_loss() -> None:
    dense, tiles = measured("dense"), measured("streaming")
    for key in ("value", "grad_norm"):
        assert tiles[key] == pytest.approx(dense[key], rel=1e-5)
    assert dense["n"] == 300


@needs_peer
def test_the_peer_measures_the_same_loss() -> None:
    peer, tiles = measured("supcon"), measured("streaming")
    assert tiles["value"] == pytest.approx(peer["value"], abs=1e-5)
    assert tiles["grad_norm"] == pytest.approx(peer["grad_norm"], abs=1e-5)


@needs_peer
def test_bench_contrast_reports_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(_module: str, _what: str, case: str, path: str) -> dict[str, Any]:
        return contrast.measure(contrast.ContrastCase(**json.loads(case)), Path(path))

    monkeypatch.setattr(contrast, "in_a_fresh_process", here)
    *_, report = contrast.contrast(300, 8, 4, "cpu")
    assert isinstance(report, dict)
    assert (report["n"], report["dim"], report["device"]) == (300, 8, "cpu")
    for engine in ("streaming", "dense", "supcon"):
        keys = {"seconds", "extra_mb", "value", "grad_norm"}
        assert keys <= set(report[engine])
        assert report[engine]["gradient_off_supcon"] < 1e-4
        assert report[engine]["value_off_supcon"] < 1e-5
    assert report["peak_fraction"] is None


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> ThroughputCase:
    """A case of few slices."""
    monkeypatch.setattr(throughput_case, "SLICES", 16)
    return ThroughputCase("share", batch=4, size=32, device="cpu", seconds=0.5)


def test_shares_of_a_step_sum_to_one(small: ThroughputCase) -> None:
    found = throughput.measure(small)
    assert set(found["share"]) == {"network", "data", "augmentation", "loss"}
    assert sum(found["share"].values()) == pytest.approx(1)
    assert min(found["share"].values()) >= 0
    assert found["slices_per_s"] > 0


def test_the_monai_peer_trains(small: ThroughputCase) -> None:
    found = throughput.measure(replace(small, which="monai"))
    assert found["slices_per_s"] > 0


def test_the_live_map_is_measured() -> None:
    """All that scripts read is there; times are not judged."""
    *_, report = embedding.embedding(120, 8, seconds=0.1)
    assert isinstance(report, dict)
    wanted = "first_frame_s layout_s refit_s sklearn_s kl sklearn_kl drift fps"
    assert set(wanted.split()) | {"training_slowdown"} <= set(report)
    assert report["kl"] <= 1.1 * report["sklearn_kl"]
    assert report["refit_kl"] <= 1.1 * report["anew_kl"]
    assert report["drift"] < report["drift_anew"]
    assert report["training_slowdown"] < 1


def test_a_measurement_that_fails_says_which() -> None:
    with pytest.raises(InputError, match=r"^the case could not be run: "):
        in_a_fresh_process("napari_contrastseg.bench.none", "the case")
