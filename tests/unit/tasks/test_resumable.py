"""Runs that survive: checkpoints, resuming, memory that runs short."""

from __future__ import annotations

import errno
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_contrastseg.io.errors import DeviceMemoryError, InputError
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.learning.terms.step import Step
from napari_contrastseg.learning.training import checkpoint
from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.tasks import resumable
from napari_contrastseg.tasks.events import Note, Progress, StageReport, TrainingBegan
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.resumable import (
    read_run,
    run_resumable,
    unfinished,
    write_run,
)
from napari_contrastseg.tasks.train import train
from tests.kit.later_rounds import request
from tests.kit.sessions import NAME

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.requests import TrainRequest

STEPS = 4


@pytest.fixture
def asked() -> TrainRequest:
    return replace(request(), budget=Budget(steps=STEPS))


def run(asked: TrainRequest, stop_after: int | None = None) -> tuple[Any, list[Any]]:
    """Train, perhaps cut off after some steps; the network and the events."""
    events, network, steps = [], None, 0
    task = train(resolve_here(asked))
    for event in task:
        events.append(event)
        if isinstance(event, TrainingBegan):
            network = event.model.network
        steps += isinstance(event, Progress)
        if steps == stop_after:
            break
    task.close()
    return network, events


@cache
def uncut() -> tuple[Any, list[Any]]:
    """Train as most tests ask, to the end."""
    return run(replace(request(), budget=Budget(steps=STEPS)))


def weights(network: Any) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in network.state_dict().items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param((1,), marks=pytest.mark.slow),
        pytest.param((STEPS,), marks=pytest.mark.slow),
        (STEPS + 1,),
        (3, 2, 4),
    ],
)
def test_a_cancelled_run_goes_on_bit_for_bit(
    asked: TrainRequest, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    whole, events = uncut()
    kept = replace(asked, keep=tmp_path / "run")
    for stop in stops:
        run(kept, stop)
    network, rest = run(kept)
    assert_equal(weights(whole), weights(network))
    losses = [e.loss for e in events if isinstance(e, StageReport)]
    assert losses == [e.loss for e in rest if isinstance(e, StageReport)]
    steps = sum(isinstance(e, Progress) for e in rest)
    assert steps == 3 * STEPS - sum(stops), "steps that were done are not repeated"


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    asked: TrainRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    whole, _ = uncut()
    kept = replace(asked, keep=tmp_path / "run")
    task = train(resolve_here(kept))
    for number, _ in enumerate(task):
        if number == STEPS + 4:
            monkeypatch.setattr(checkpoint.Checkpoints, "save", lambda *_: None)
            task.close()  # a killed process writes no last checkpoint
            break
    monkeypatch.undo()
    position = checkpoint.read_position(tmp_path / "run")
    assert position is not None
    assert position.stage == 1
    network, _ = run(kept)
    assert_equal(weights(whole), weights(network))


def test_a_finished_run_is_not_trained_again(
    asked: TrainRequest, tmp_path: Path
) -> None:
    kept = replace(asked, keep=tmp_path / "run")
    whole, _ = run(kept)
    network, events = run(kept)
    assert_equal(weights(whole), weights(network))
    assert not any(isinstance(e, Progress) for e in events)
    assert len([e for e in events if isinstance(e, StageReport)]) == 3


def test_another_request_starts_over(asked: TrainRequest, tmp_path: Path) -> None:
    kept = replace(asked, keep=tmp_path / "run")
    run(kept, 2)
    other = replace(kept, seed=5)
    assert resolve_here(other).identity != resolve_here(kept).identity
    fresh, _ = run(replace(other, keep=None))
    network, _ = run(other)
    assert_equal(weights(fresh), weights(network))


@pytest.mark.parametrize(
    "damage",
    ["cut", *(pytest.param(how, marks=pytest.mark.slow) for how in ("json", "gone"))],
)
def test_a_damaged_checkpoint_is_none(
    asked: TrainRequest, tmp_path: Path, damage: str
) -> None:
    kept = replace(asked, keep=tmp_path / "run")
    run(kept, 2)
    (tensors,) = (tmp_path / "run").glob("*.safetensors")
    if damage == "cut":
        tensors.write_bytes(tensors.read_bytes()[:100])
    elif damage == "json":
        (tmp_path / "run" / "checkpoint.json").write_text("{")
    else:
        tensors.unlink()
    whole, _ = uncut()
    network, _ = run(kept)
    assert_equal(weights(whole), weights(network))


def test_a_run_that_cannot_be_saved_says_why_in_plain_words(
    asked: TrainRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(resumable, "write_run", full)
    info = RoundInfo(1, "supervised", 5, 0.0)
    task = run_resumable(asked, tmp_path, info, propose=True)
    note = next(event for event in task if isinstance(event, Note))
    task.close()
    assert note.text.endswith("go on later (No space left on device).")


class SmallMemory:
    """Lets the network hold a few slices only, as a small GPU does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slices: int) -> None:
        self.slices = slices
        whole = UNet.encode

        def encode(network: UNet, x: torch.Tensor) -> list[torch.Tensor]:
            if len(x) > self.slices:
                raise torch.OutOfMemoryError("no room")
            return whole(network, x)

        monkeypatch.setattr(UNet, "encode", encode)


def test_short_memory_makes_smaller_parts(
    asked: TrainRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    SmallMemory(monkeypatch, 1)
    network, events = run(asked)
    notes = [e.text for e in events if isinstance(e, Note) and "memory" in e.text]
    assert len(notes) == 3, "said once a stage"
    assert "parts" in notes[0]
    assert len([e for e in events if isinstance(e, StageReport)]) == 3
    assert all(v.isfinite().all() for v in weights(network).values())


def test_no_memory_at_all_keeps_the_run(
    asked: TrainRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = uncut()
    kept = replace(asked, keep=tmp_path / "run")
    task = train(resolve_here(kept))
    with monkeypatch.context() as patch:
        for number, _ in enumerate(task):
            if number == 3:
                break
        SmallMemory(patch, 0)
        with pytest.raises(DeviceMemoryError, match="choose the CPU"):
            list(task)
    network, _ = run(kept)
    other = {k: v for k, v in weights(network).items() if "num_batches" not in k}
    assert_equal({k: weights(whole)[k] for k in other}, other)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_parts_give_the_gradients_of_the_whole(parts: int) -> None:
    spec = NetworkSpec((4, 8), "instance", "instance")
    generator = torch.Generator().manual_seed(0)
    network = UNet(1, 3, spec)
    image = torch.randn(4, 1, 16, 16, generator=generator)
    target = torch.randint(0, 3, (4, 16, 16), generator=generator)

    def gradients(parts: int) -> dict[str, torch.Tensor]:
        from napari_contrastseg.learning.data.batch import Batch

        network.zero_grad()
        batch = Batch(image, target, torch.ones(4, 16, 16))
        step = Step(network, [batch], None, parts)  # type: ignore[arg-type]
        deep = step.map("bottleneck").mean(dim=(2, 3))
        contrast = torch.logsumexp(deep @ deep.T, dim=1).mean()
        loss = torch.nn.functional.cross_entropy(step.logits, target) + contrast
        step.backward(loss)
        return {
            n: p.grad.clone()
            for n, p in network.named_parameters()
            if p.grad is not None
        }

    whole = gradients(1)
    found = gradients(parts)
    assert whole.keys() == found.keys()
    for name, value in whole.items():
        assert torch.allclose(value, found[name], atol=1e-5), name


@pytest.mark.usefixtures("small_networks")
@pytest.mark.parametrize(
    "recipe", ["supervised", pytest.param("recommended", marks=pytest.mark.slow)]
)
def test_the_command_goes_on_with_an_unfinished_run(
    dataset: Path,
    tmp_path: Path,
    recipe: str,
) -> None:
    from napari_contrastseg.tasks.dataset import DatasetTraining, train_on_dataset

    def ask(out: str, **changes: Any) -> DatasetTraining:
        made = DatasetTraining(
            dataset, tmp_path / out, recipe, budget=Budget(steps=4), device="cpu"
        )
        return replace(made, **changes)

    whole: Any
    report: Any
    *_, whole = train_on_dataset(ask("whole"))
    task = train_on_dataset(ask("cut"))
    for _ in range(3):
        next(task)
    task.close()
    assert (tmp_path / "cut" / "checkpoint").is_dir()
    with pytest.raises(InputError, match="unfinished run with other options"):
        list(train_on_dataset(ask("cut", seed=3)))
    first, *_, report = train_on_dataset(ask("cut"))
    assert isinstance(first, Note)
    assert "Going on" in first.text
    assert report["stages"][0]["loss"] == whole["stages"][0]["loss"]
    one = (tmp_path / "whole" / "weights.safetensors").read_bytes()
    assert one == (tmp_path / "cut" / "weights.safetensors").read_bytes()
    assert not (tmp_path / "cut" / "checkpoint").exists()


def test_a_run_is_read_back_as_it_was(
    asked: TrainRequest, tmp_path: Path, session: Session
) -> None:
    info = RoundInfo(3, asked.recipe, 5, 0.0, {}, {NAME: [1, 2]})
    asked = replace(asked, spare_core=True)
    write_run(tmp_path / "run", asked, info, propose=True)
    assert unfinished(tmp_path / "run") == "stopped before its first checkpoint"
    keep = tmp_path / "run" / "checkpoint"
    run(replace(asked, keep=keep), STEPS + 2)
    assert unfinished(tmp_path / "run") == f"stopped after {STEPS + 2} steps"
    again, back, propose = read_run(tmp_path / "run", session)
    assert (back, propose) == (info, True)
    assert resolve_here(again).identity == resolve_here(asked).identity
    whole, _ = run(asked)
    network, _ = run(again)
    assert_equal(weights(whole), weights(network))
    session.remove_volume(NAME)
    with pytest.raises(InputError, match="not in the session any more"):
        read_run(tmp_path / "run", session)


def test_a_run_that_cannot_begin_is_not_kept(
    asked: TrainRequest, tmp_path: Path
) -> None:
    volume = asked.volumes[0]
    alone = replace(volume, target=np.zeros(volume.volume.shape, np.int16))
    info = RoundInfo(1, "supervised", 1, 0.0)
    poor = replace(asked, volumes=(alone,))
    pretraining = replace(poor, recipe="simclr", settings=None, purposes=("pretrain",))
    for each in (poor, pretraining):
        with pytest.raises(InputError, match="Only background is labelled"):
            list(run_resumable(each, tmp_path / "run", info, propose=False))
        assert not unfinished(tmp_path / "run")


def test_a_folder_that_is_not_ours_any_more_is_left_alone(
    asked: TrainRequest, tmp_path: Path
) -> None:
    """Another window has taken the session over, and goes on with its run."""
    run(replace(asked, keep=tmp_path, ours=lambda: False), 2)
    assert not list(tmp_path.iterdir())
    run(replace(asked, keep=tmp_path), 2)
    assert checkpoint.read_position(tmp_path) is not None
