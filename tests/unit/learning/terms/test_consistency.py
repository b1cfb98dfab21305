"""Consistency: teachers, peers and scales that agree."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from napari_contrastseg.learning.data.view import Augmentation
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import consistency
from napari_contrastseg.learning.terms.consistency import (
    TransformedTeacher,
    UncertaintyAwareTeacher,
)
from napari_contrastseg.learning.terms.term import ramp_up
from tests.kit.steps import CLASSES, Constant, Pointwise, a_step, changed, slices

MIXED = Augmentation(mirror=True, brightness=0.3, cut_mix=1.0, chance=1.0)
FLIPS = Augmentation(mirror=True)


def test_plain_and_source_of_a_step() -> None:
    raw = slices(3)
    view = changed(raw, MIXED)
    step = a_step(Pointwise(), raw, unlabelled=[view])
    assert torch.equal(step.plain[:3], raw.image), "as it is where nothing changed it"
    assert torch.equal(step.source[3:], raw.image)
    flipped = changed(raw, FLIPS)
    again = consistency.moved(raw.image, flipped.grid)
    assert torch.allclose(again, flipped.image, atol=1e-4)


def test_a_teacher_gets_no_gradient_and_keeps_its_statistics() -> None:
    with Randomness(0).scope():
        network = UNet(1, CLASSES, NetworkSpec((4, 8), dropout=0.5))
    teacher = copy.deepcopy(network)
    before = copy.deepcopy(teacher.state_dict())
    terms = TransformedTeacher(network), UncertaintyAwareTeacher(network, ramp=0.0)
    for term in terms:
        step = a_step(
            network,
            slices(2),
            unlabelled=[slices(2, seed=1)],
            teacher=teacher,
            fraction=1.0,
        )
        with Randomness(1).scope():
            step.backward(term(step))
    assert all(p.grad is None for p in teacher.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())
    for key, value in teacher.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_a_moved_teacher_agrees_with_what_it_would_say_of_a_moved_slice() -> None:
    network: Any = Pointwise()
    views = [changed(slices(3, seed=k), FLIPS, seed=k) for k in range(2)]
    teacher = copy.deepcopy(network)
    step = a_step(network, views[0], unlabelled=[views[1]], teacher=teacher)
    loss = TransformedTeacher(network)(step)
    assert loss.item() < 1e-8
    unmoved = step.logits.softmax(1) - network(step.source).softmax(1)
    assert unmoved.square().mean() > 1e-3, "something was moved"


@pytest.mark.parametrize("fraction", [0.0, 0.1, 1.0])
def test_uncertain_places_are_not_followed(fraction: float) -> None:
    """Of two classes the entropy at p is above 0.76 ln 2 and below ln 2."""
    p = 0.75
    entropy = -(p * math.log(p) + (1 - p) * math.log(1 - p))
    limit = (0.75 + 0.25 * ramp_up(fraction, 0.4)) * math.log(2)
    teacher = Constant([math.log(p), math.log(1 - p)])
    network: Any = Pointwise(2)
    step = a_step(
        network, slices(1), unlabelled=[slices(2)], teacher=teacher, fraction=fraction
    )
    loss = UncertaintyAwareTeacher(network, ramp=0.4)(step)
    distance = (
        step.logits[1:].softmax(1) - torch.tensor([p, 1 - p])[:, None, None]
    ) ** 2
    wanted = distance.mean().item() if entropy < limit else 0.0
    assert (fraction == 1.0) == (entropy < limit)
    assert loss.item() == pytest.approx(wanted, abs=1e-6)


def test_hard_labels_carry_no_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randn(2, CLASSES, 4, 4, generator=generator).requires_grad_()
        for _ in range(2)
    )
    mask = torch.rand(2, 4, 4, generator=generator) < 0.7
    found = torch.autograd.grad(
        consistency._crosswise(first, second, mask), [first, second]
    )
    for one, other, grad in ((first, second, found[0]), (second, first, found[1])):
        label = other.detach().argmax(1).masked_fill(~mask, -100)
        alone = functional.cross_entropy(one, label)
        assert torch.allclose(grad, torch.autograd.grad(alone, one)[0], atol=1e-6)


def test_scales_that_agree_cost_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(2, CLASSES, 4, 4, generator=generator).softmax(1)
    mask = torch.ones(2, 4, 4, dtype=torch.bool)
    assert consistency._scales(torch.stack([one] * 4), mask).item() < 1e-7
    scales = torch.randn(4, 2, CLASSES, 4, 4, generator=generator).softmax(2)
    mean = scales.mean(0)
    by_hand, sure, divergences = 0.0, 0.0, []
    for scale in scales:
        divergence = (scale * (scale / mean).log()).sum(1)
        squares = ((scale - mean) ** 2).mean(1)
        by_hand += float(((-divergence).exp() * squares).sum())
        sure += float((-divergence).exp().sum())
        divergences.append(divergence.mean())
    wanted = by_hand / sure + float(torch.stack(divergences).mean())
    assert consistency._scales(scales, mask).item() == pytest.approx(wanted, abs=1e-6)


def test_equation_3_of_ideal() -> None:
    """Each decoder learns the other's labels, pixel by pixel, where none are known."""
    generator = torch.Generator().manual_seed(1)
    first, second = (
        torch.randn(2, CLASSES, 3, 3, dtype=torch.float64, generator=generator)
        for _ in range(2)
    )
    mask = torch.ones(2, 3, 3, dtype=torch.bool)
    mask[0, 0] = False
    total = 0.0
    for student, teacher in ((first, second), (second, first)):
        losses = []
        for n in range(2):
            for row in range(3):
                for column in range(3):
                    if mask[n, row, column]:
                        scores = [float(x) for x in student[n, :, row, column]]
                        label = int(teacher[n, :, row, column].argmax())
                        below = sum(math.exp(x) for x in scores)
                        losses.append(-math.log(math.exp(scores[label]) / below))
        total += sum(losses) / len(losses)
    found = consistency._crosswise(first, second, mask).item()
    assert found == pytest.approx(total, abs=1e-10)
