"""Every recipe: trains, is stopped, goes on, predicts, is saved; golden losses."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_contrastseg.learning.models.model import load_model, save_model
from napari_contrastseg.learning.models.predict import Prediction, predict_volume
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.recipes import catalogue, recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.drive import Cancelled, drive
from napari_contrastseg.tasks.events import Progress, TrainingBegan
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit.golden import GOLDEN, STEPS, request, run, small, trained

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.tasks.requests import TrainRequest

CPU = torch.device("cpu")
every_recipe = pytest.mark.parametrize("name", sorted(catalogue()))
#: One of each way to begin: labels, pretraining, several networks.
SEEDED = ("supervised", "hu2021", "simclr", "mean_teacher", "cps")


def some_by_default(*names: str) -> list[Any]:
    """Give every recipe; those that these stand for are slow."""
    return [
        pytest.param(name, marks=() if name in names else pytest.mark.slow)
        for name in sorted(catalogue())
    ]


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.network.state_dict().items()}


def labels(model: Any) -> np.ndarray:
    *_, last = predict_volume(model, phantom(2).volume, CPU)
    assert isinstance(last, Prediction)
    assert last.confidence.min() >= 1 / 3 - 1e-3
    assert last.confidence.max() <= 1 + 1e-3
    return last.labels


def stopped(asked: TrainRequest, after: int) -> Any:
    """Cancel training after some steps; the model as it was left."""
    model: Any = None
    seen = 0

    def report(event: Any) -> None:
        nonlocal model, seen
        if isinstance(event, TrainingBegan):
            model = event.model
        seen += isinstance(event, Progress)

    outcome = drive(train(resolve_here(asked)), report, lambda: seen == after)
    assert isinstance(outcome, Cancelled)
    return model


@every_recipe
def test_a_recipe_trains_predicts_and_returns_from_disk(
    name: str, tmp_path: Path
) -> None:
    model, losses = trained(name)
    plan = recipe_named(name).plan(request(name).settings)
    assert list(losses) == [stage.name for stage in plan.stages]
    assert all(len(of_stage) == STEPS for of_stage in losses.values())
    assert all(math.isfinite(x) for of_stage in losses.values() for x in of_stage)
    assert all(tensor.isfinite().all() for tensor in weights(model).values())
    save_model(tmp_path / "m", model)
    back = load_model(tmp_path / "m")
    assert back.card == model.card
    assert np.array_equal(labels(model), labels(back))


@pytest.mark.parametrize("name", some_by_default(*SEEDED, "self_training"))
def test_a_cancelled_recipe_is_usable_and_goes_on_bit_for_bit(
    name: str, tmp_path: Path
) -> None:
    whole, losses = trained(name)
    kept = request(name, keep=tmp_path / "run")
    left = stopped(kept, 1 if len(losses) == 1 else STEPS + 1)
    assert all(tensor.isfinite().all() for tensor in weights(left).values())
    assert labels(left).shape == phantom(2).volume.shape
    model, again = run(kept)
    assert again == losses
    found = weights(model)
    for key, tensor in weights(whole).items():
        assert torch.equal(tensor, found[key]), key


def test_a_recipe_with_the_pretraining_of_another_goes_on_bit_for_bit(
    tmp_path: Path,
) -> None:
    """Weights that begin anew are those of the pretraining; a checkpoint holds them."""
    whole, losses = run(combination())
    kept = combination(keep=tmp_path / "run")
    stopped(kept, 2 * STEPS + 1)
    model, again = run(kept)
    assert again == losses
    found = weights(model)
    for key, tensor in weights(whole).items():
        assert torch.equal(tensor, found[key]), key


def combination(**changes: Any) -> TrainRequest:
    name = "self_training+rounds=1@simclr"
    settings: Any = small(recipe_named(name).presets["sound"])
    shrunk = replace(settings, pretraining=small(settings.pretraining))
    return request(name, settings=shrunk, **changes)


def test_self_training_that_is_cancelled_keeps_what_it_had() -> None:
    """Weights that begin from scratch are worse than their teacher's for long."""
    asked = request("self_training")
    left = weights(stopped(asked, STEPS + 1))
    taught = weights(stopped(asked, STEPS))
    assert all(torch.equal(left[key], taught[key]) for key in left)
    again = weights(stopped(asked, 2 * STEPS))
    assert not all(torch.equal(again[key], taught[key]) for key in again)


def test_self_training_never_learns_from_random_weights() -> None:
    _, losses = run(request("self_training", steps=1, purposes=("fine-tune",)))
    assert list(losses) == ["first labels", "again 1", "again 2", "again 3"]


@pytest.mark.parametrize("name", some_by_default(*SEEDED))
def test_other_seeds_give_other_weights(name: str) -> None:
    one, other = (stopped(request(name, seed=seed), 1) for seed in (0, 1))
    a, b = weights(one), weights(other)
    assert not all(torch.equal(a[k], b[k]) for k in a)


@every_recipe
def test_the_first_losses_are_those_that_were_written(name: str) -> None:
    """Convolutions differ a little between machines, and steps carry it on."""
    golden = json.loads(GOLDEN.read_text())[name]
    _, losses = trained(name)
    assert list(losses) == list(golden)
    for stage, values in losses.items():
        assert values == pytest.approx(golden[stage], rel=0.02, abs=1e-3), stage


def test_golden_losses_are_of_recipes_that_there_are() -> None:
    assert sorted(json.loads(GOLDEN.read_text())) == sorted(catalogue())


LITERAL = {name: recipe.presets["literal"] for name, recipe in catalogue().items()}
LARGE = [n for n, s in LITERAL.items() if s.network.encoder == "resnet50"]


@pytest.mark.parametrize("name", sorted(set(LITERAL) - set(LARGE)))
def test_literal_presets_take_a_step(name: str) -> None:
    _, losses = run(request(name, "literal", steps=1))
    assert all(math.isfinite(x) for of_stage in losses.values() for x in of_stage)


@pytest.mark.parametrize("name", LARGE)
def test_a_literal_residual_network_has_its_levels(name: str) -> None:
    spec = LITERAL[name].network
    network = UNet(1, 3, spec).eval()
    with torch.no_grad():
        pyramid = network.encode(torch.zeros(1, 1, 64, 32))
        logits = network.classifier(network.decode(pyramid)[-1])
    assert logits.shape == (1, 3, 64, 32)
    assert [level.shape[1] for level in pyramid] == list(spec.widths)
    assert [level.shape[2] for level in pyramid] == [64, 32, 16, 8, 4, 2]


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_literal_residual_network_takes_a_step(name: str) -> None:
    settings = replace(small(LITERAL[name]), largest=64)
    _, losses = run(request(name, "literal", steps=1, settings=settings))
    assert all(math.isfinite(x) for of_stage in losses.values() for x in of_stage)
