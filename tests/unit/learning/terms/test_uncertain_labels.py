"""Pseudo-labels where the teacher is certain: softmax, dropout, Self-Loop."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.uncertain_labels import (
    ORDERS,
    UncertainLabels,
    shuffle,
    uncertainty,
)
from napari_contrastseg.recipes import recipe_named
from tests.kit.steps import CLASSES, Constant, a_step, slices


def test_uncertainty_is_the_entropy_of_a_loop() -> None:
    rng = torch.Generator().manual_seed(0)
    mean = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=rng) + 0.1
    mean /= mean.sum(dim=1, keepdim=True)
    found = uncertainty(mean)
    for n in range(2):
        for y in range(4):
            for x in range(5):
                p = mean[n, :, y, x].tolist()
                wanted = -sum(v * math.log(v) for v in p) / math.log(3)
                assert float(found[n, y, x]) == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("most", [0.4, 0.6])
def test_labels_of_an_uncertain_teacher_do_not_count(most: float) -> None:
    """Of (.8, .1, .1) the entropy is 0.58 of that of a guess."""
    with Randomness(0).scope():
        network = UNet(1, CLASSES, NetworkSpec((4, 8)))
        term = UncertainLabels(network, kind="softmax", most=most, passes=2)
    teacher = Constant([math.log(p) for p in (0.8, 0.1, 0.1)])
    unlabelled = slices(2, seed=1, known=False)
    step = a_step(network, slices(2), unlabelled=[unlabelled], teacher=teacher)
    assert (term(step).item() > 0) == (most > 0.58)


@pytest.mark.parametrize("kind", ["dropout", "self-loop"])
def test_several_predictions_are_made_and_the_teacher_stays(kind: str) -> None:
    spec = NetworkSpec((4, 8), dropout=0.5)
    with Randomness(0).scope():
        network, teacher = (UNet(1, CLASSES, spec) for _ in range(2))
        term = UncertainLabels(network, kind=kind, most=1.0, passes=3)  # type: ignore[arg-type]
    teacher.requires_grad_(requires_grad=False)
    before = copy.deepcopy(teacher.state_dict())
    unlabelled = slices(2, seed=1, known=False)
    step = a_step(network, slices(2), unlabelled=[unlabelled], teacher=teacher)
    with Randomness(1).scope():
        step.backward(term(step))
    for key, value in teacher.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(p.grad is None for p in teacher.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())
    if kind == "self-loop":
        assert all(p.grad is not None and p.grad.any() for p in term.head.parameters())


def test_predictions_of_a_loop_differ_as_its_puzzles_are_solved() -> None:
    with Randomness(0).scope():
        network = UNet(1, CLASSES, NetworkSpec((4, 8)))
        term = UncertainLabels(network, kind="self-loop", most=1.0, passes=3)
        teacher = copy.deepcopy(network).requires_grad_(requires_grad=False)
        image = slices(2, seed=1)
        step = a_step(network, slices(2), unlabelled=[image], teacher=teacher)
        first, *later = term._loop(step, image.image)
    assert torch.allclose(first, teacher.eval()(image.image).softmax(1))
    assert len(later) == 2
    assert not torch.allclose(first, later[0])
    assert not torch.allclose(later[0], later[1])


def test_a_puzzle_moves_quarters() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    which = torch.tensor([ORDERS.index((3, 0, 2, 1))])
    quarters = image[0, 0].unfold(0, 2, 2).unfold(1, 2, 2).reshape(4, 2, 2)
    moved = shuffle(image, which)[0, 0].unfold(0, 2, 2).unfold(1, 2, 2).reshape(4, 2, 2)
    assert torch.equal(moved, quarters[[3, 0, 2, 1]])
    same = torch.zeros(1, dtype=torch.int64)
    assert torch.equal(shuffle(image, same), image)


def test_dropout_as_uncertainty_asks_a_network_that_drops() -> None:
    recipe = recipe_named("self_training+uncertainty=dropout")
    with pytest.raises(InputError, match="drops features at random"):
        recipe.plan(recipe.presets["sound"])
