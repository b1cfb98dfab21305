"""Training on several devices: the same result, and all ranks end together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import catalogue
from napari_contrastseg.tasks.drive import Cancelled, Failed, drive
from napari_contrastseg.tasks.events import Progress, TrainingBegan
from napari_contrastseg.tasks.rank_processes import other_ranks
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit import ranks as kit
from tests.kit.golden import request, run, trained

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What the issue asks for; two roundings of float32 differ by less.
NEAR = 1e-5


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    assert not multiprocessing.active_children()
    assert not torch.distributed.is_initialized()
    assert torch.get_num_threads() == threads


def assert_near(found: Any, exact: Any) -> None:
    (model, losses), (other, theirs) = found, exact
    assert losses.keys() == theirs.keys()
    for name, values in losses.items():
        assert values == pytest.approx(theirs[name], rel=NEAR, abs=NEAR)
    weights, others = model.network.state_dict(), other.network.state_dict()
    torch.testing.assert_close(weights, others, rtol=NEAR, atol=NEAR)


@pytest.fixture(scope="module")
def in_two() -> dict[str, Any]:
    """Recipes trained by one pair of processes."""
    found: dict[str, Any] = kit.in_two(kit.learned)
    return found


@pytest.mark.parametrize("name", kit.REQUESTS)
def test_two_devices_learn_what_one_learns(name: str, in_two: dict[str, Any]) -> None:
    assert_near(in_two[name], run(kit.REQUESTS[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(catalogue()) - set(kit.REQUESTS)))
def test_two_devices_learn_what_one_learns_by_any_recipe(name: str) -> None:
    assert_near(run(request(name, devices=2)), trained(name))


@pytest.mark.slow
def test_five_devices_learn_what_one_learns() -> None:
    assert_near(run(request("recommended", devices=5)), trained("recommended"))


@pytest.mark.slow
def test_a_cancelled_run_goes_on_with_one_device(tmp_path: Path) -> None:
    asked = request("supervised", steps=4, keep=tmp_path, devices=2)
    seen = 0

    def report(event: Any) -> None:
        nonlocal seen
        if isinstance(event, TrainingBegan):
            assert event.device == "2 x cpu"
        seen += isinstance(event, Progress)

    outcome = drive(train(resolve_here(asked)), report, lambda: seen == 2)
    assert isinstance(outcome, Cancelled)
    assert list(tmp_path.glob("*.safetensors"))
    alone = request("supervised", steps=4)
    resumed = run(request("supervised", steps=4, keep=tmp_path))
    assert_near(resumed, run(alone))


@pytest.mark.slow
def test_minutes_are_those_of_the_first_rank() -> None:
    asked = request("supervised", budget=Budget(minutes=0.02), devices=2)
    _, losses = run(asked)
    assert all(losses.values())


def test_a_killed_rank_ends_all_with_a_sentence() -> None:
    asked = request("supervised", steps=1000, devices=2)

    def kill(event: Any) -> None:
        if isinstance(event, Progress):
            for child in multiprocessing.active_children():
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)

    outcome = drive(train(resolve_here(asked)), kill, lambda: False)
    assert isinstance(outcome, Failed)
    assert outcome.message == (
        "Training on 2 devices ended, for its process 2, on cpu, was killed (signal "
        "9); begin it again, and it goes on from its last checkpoint."
    )


@pytest.mark.parametrize(
    ("way", "said"),
    [
        pytest.param(
            "killed",
            r"its process 2, on cpu, was killed \(signal 9\)",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "a sentence", r"^The images are of wood\.$", marks=pytest.mark.slow
        ),
        pytest.param(
            "a fault",
            r"its process 2, on cpu, failed: ZeroDivisionError: by nothing",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_rank_that_fails_ends_all_with_a_sentence(way: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        kit.in_two(kit.fails, way)


@pytest.mark.slow
def test_others_end_with_the_first_rank() -> None:
    with pytest.raises(ZeroDivisionError, match="here"):
        kit.in_two(kit.left_alone)


#: Trains until it is killed, and prints the other rank's process.
ENDLESS = """
import multiprocessing
from tests.kit.golden import request
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.rank_processes import other_ranks
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train

for event in train(resolve_here(request("supervised", steps=10**6, devices=2))):
    if isinstance(event, Progress):
        print(multiprocessing.active_children()[0].pid, flush=True)
"""


@pytest.mark.slow
def test_no_rank_outlives_the_first_one() -> None:
    command = [sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        other = psutil.Process(int(first.stdout.readline()))
        first.kill()
        other.wait(60)
    assert not other.is_running()


def test_a_process_that_may_start_none_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {"daemon": True})
    with (
        pytest.raises(InputError, match="this worker may start no processes"),
        other_ranks(print, (), [torch.device("cpu")] * 2),
    ):
        pass
