"""Terms of consistency and of pretext tasks; CutMix; stages; steps in parts."""

from __future__ import annotations

import copy
import math
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.view import Augmentation, View
from napari_contrastseg.learning.losses.segmentation import dice_cross_entropy
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Optimiser, Stage, StageLength
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import consistency, pretext
from napari_contrastseg.learning.terms.consistency import (
    CrossPseudoSupervision,
    PeerDecoders,
    ScaleConsistency,
    TransformedTeacher,
    UncertaintyAwareTeacher,
)
from napari_contrastseg.learning.terms.dense_contrast import DenseContrast
from napari_contrastseg.learning.terms.patches import ClassPatches
from napari_contrastseg.learning.terms.pseudo_labels import TeacherLabels
from napari_contrastseg.learning.terms.structure import (
    PartitionContrast,
    RegionContrast,
)
from napari_contrastseg.learning.terms.supervised import MixUp, Supervised
from napari_contrastseg.learning.terms.term import Term, ramp_up
from napari_contrastseg.learning.terms.tiles import TileConsistency, TileContrast
from napari_contrastseg.learning.training.optim import Clock
from napari_contrastseg.learning.training.runner import _StageRun
from tests.kit.steps import CLASSES, Constant, Pointwise, a_step, changed, slices
from tests.unit.learning.terms.test_structure import a_cohort

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.learning.terms.step import Step
    from napari_contrastseg.learning.terms.step_loss import StepLoss

MIXED = Augmentation(mirror=True, brightness=0.3, cut_mix=1.0, chance=1.0)
FLIPS = Augmentation(mirror=True)


# -- CutMix --------------------------------------------------------------------


def numbered(n: int = 6, size: int = 24) -> Batch:
    """Slices that are one number everywhere, in image, truth and weight."""
    number = torch.arange(n)[:, None, None].expand(n, size, size).clone()
    return Batch(number[:, None].float(), number, number / n)


def test_a_box_comes_from_the_slice_before_in_all_alike() -> None:
    raw = numbered()
    view = changed(raw, Augmentation(mirror=True, cut_mix=1.0))
    assert view.box is not None
    assert view.grid is not None
    assert view.box.any(dim=(1, 2)).all()
    assert view.box.float().mean(dim=(1, 2)).max() < 0.6, "half a slice, and rounding"
    wanted = torch.where(view.box, raw.target.roll(1, 0), raw.target)
    assert torch.equal(view.target, wanted)
    assert torch.allclose(view.image[:, 0], wanted.float(), atol=1e-4)
    assert torch.allclose(view.weight, wanted / 6, atol=1e-4)
    assert (view.grid[view.box] > 1).all(), "these places are of another slice"
    assert (view.grid[~view.box].abs() <= 1).all()
    assert torch.allclose(view.plain, raw.image, atol=1e-4)  # type: ignore[arg-type]
    assert torch.equal(view.source, raw.image)  # type: ignore[arg-type]
    none = changed(raw, Augmentation(mirror=True, cut_mix=1e-9))
    assert none.box is not None
    assert not none.box.any()


def test_values_are_mixed_as_their_images_were() -> None:
    own, other = slices(2), changed(numbered(4, 16), MIXED)
    step = a_step(Pointwise(), own, unlabelled=[other])
    assert other.plain is not None
    assert other.box is not None
    mixed = step.mixed(step.plain[2:])
    wanted = torch.where(other.box[:, None], other.plain.roll(1, 0), other.plain)
    assert torch.equal(mixed, wanted)
    values = torch.arange(4)[:, None, None].expand(4, 16, 16)
    assert torch.equal(step.mixed(values), mixed[:, 0].round().long())


def test_plain_and_source_of_a_step() -> None:
    raw = slices(3)
    view = changed(raw, MIXED)
    step = a_step(Pointwise(), raw, unlabelled=[view])
    assert torch.equal(step.plain[:3], raw.image), "as it is where nothing changed it"
    assert torch.equal(step.source[3:], raw.image)
    flipped = changed(raw, FLIPS)
    again = consistency.moved(raw.image, flipped.grid)
    assert torch.allclose(again, flipped.image, atol=1e-4)


# -- teachers ------------------------------------------------------------------


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


def test_mixed_slices_have_the_mixed_loss_of_both_truths() -> None:
    network: Any = Pointwise()
    batch = slices(4)
    step = a_step(network, batch)
    with Randomness(3).scope():
        loss = MixUp(network)(step)
    part = float(np.random.default_rng(0).beta(1.0, 1.0))
    with Randomness(3).scope():
        other = torch.randperm(4)
    logits = network(part * batch.image + (1 - part) * batch.image[other])
    wanted = part * dice_cross_entropy(logits, batch.target, batch.weight)
    wanted += (1 - part) * dice_cross_entropy(
        logits, batch.target[other], batch.weight[other]
    )
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)


# -- corrupted slices -----------------------------------------------------------


def corrupted(term: StepLoss, batch: Batch, network: UNet) -> Tensor:
    """Slices as the network sees them in a pretext task."""
    step = a_step(network, batch)
    with Randomness(0).scope():
        assert term(step).isfinite()
    return step._passes[-1].image


@pytest.fixture
def network() -> UNet:
    with Randomness(0).scope():
        return UNet(1, CLASSES, NetworkSpec((4, 8), "instance", "instance"))


def test_slices_are_turned(network: UNet, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Tensor] = []

    def listen(scores: Tensor, turns: Tensor) -> Tensor:
        asked.append(turns)
        return functional.cross_entropy(scores, turns)

    monkeypatch.setattr(pretext, "functional", SimpleNamespace(cross_entropy=listen))
    batch = slices(32)
    seen = corrupted(pretext.Rotation(network), batch, network)
    (turns,) = asked
    assert set(turns.tolist()) == {0, 1, 2, 3}
    for image, turned, k in zip(batch.image, seen, turns.tolist(), strict=True):
        assert torch.equal(turned, torch.rot90(image, k, (1, 2)))


def test_boxes_are_masked(network: UNet) -> None:
    batch = slices(16)
    seen = corrupted(pretext.Inpainting(network), batch, network)
    lost = (seen != batch.image).flatten(1)
    assert (seen[seen != batch.image] == 0).all()
    assert lost.sum(1).min() >= 4 * 4, "one box of a quarter of each side"
    assert 4 * 4 < lost.sum(1).max() <= 3 * 4 * 4


@pytest.mark.parametrize("size", [16, 40])
def test_pieces_are_swapped(size: int, network: UNet) -> None:
    batch = slices(16, size)
    seen = corrupted(pretext.ContextRestoration(network), batch, network)
    assert (seen != batch.image).flatten(1).any(1).all()
    for one, other in zip(seen, batch.image, strict=True):
        assert torch.equal(one.flatten().sort().values, other.flatten().sort().values)


# -- stages --------------------------------------------------------------------


def test_ramps_rise_to_one() -> None:
    assert ramp_up(0.0, 0.4) == pytest.approx(math.exp(-5))
    assert ramp_up(0.2, 0.4) == pytest.approx(math.exp(-1.25))
    assert ramp_up(0.4, 0.4) == ramp_up(1.0, 0.4) == ramp_up(0.0, 0.0) == 1.0
    heights = [ramp_up(k / 20, 0.7) for k in range(21)]
    assert heights == sorted(heights)
    term = Term("t", Supervised, weight=0.5, ramp=0.4)
    assert term.weight_at(0.4) == 0.5


def a_stage(**changes: Any) -> Stage:
    parts: dict[str, Any] = {
        "purpose": "fine-tune",
        "view": View("labelled", 2),
        "terms": (Term("dice + cross-entropy", Supervised),),
        "optimiser": Optimiser(1e-3),
        "steps": 2,
    }
    return Stage("stage", **parts | changes)


def test_a_teacher_of_averages_needs_a_decay() -> None:
    with pytest.raises(ValueError, match="need"):
        a_stage(teacher="ema")
    a_stage(teacher="ema", ema=0.9)
    a_stage(teacher="snapshot")


def test_a_stage_that_begins_afresh_has_the_old_weights_for_a_teacher() -> None:
    spec = NetworkSpec((4, 8))
    with Randomness(0).scope():
        network = UNet(1, 2, spec)
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    network.get_buffer("encoder.0.1.batch.running_mean").fill_(5.0)
    old = copy.deepcopy(network.state_dict())
    stage = a_stage(teacher="snapshot", reinitialise=True, ema=0.9)
    clock = Clock(StageLength("stage", 2))
    run = _StageRun(
        stage, network, a_cohort(4), clock, Randomness(1), torch.device("cpu")
    )
    assert run.teacher is not None
    assert run.average is not None
    for key, value in run.teacher.state_dict().items():
        assert torch.equal(value, old[key]), key
    new = network.state_dict()
    for key, value in new.items():
        assert not (value == 7).any(), key
        assert torch.equal(value, run.average.module.state_dict()[key]), key
    assert (new["encoder.0.1.batch.running_mean"] == 0).all()


# -- steps in parts ------------------------------------------------------------


EVERY_TERM: dict[str, Callable[[UNet], StepLoss]] = {
    "supervised": Supervised,
    "mixup": MixUp,
    "transformed teacher": TransformedTeacher,
    "uncertainty-aware teacher": partial(UncertaintyAwareTeacher, ramp=0.0),
    "pseudo-labels": partial(TeacherLabels, most=0.0),
    "cross pseudo supervision": partial(CrossPseudoSupervision, weight=1.0, ramp=0.0),
    "scale consistency": partial(ScaleConsistency, weight=1.0, ramp=0.0),
    "two decoders": PeerDecoders,
    "tile contrast": partial(TileContrast, count=2, layers=1),
    "tile consistency": partial(TileConsistency, count=2),
    "class patches": partial(ClassPatches, size=8, least=4, budget=9, most=0.0),
    "rotation": pretext.Rotation,
    "inpainting": pretext.Inpainting,
    "partition contrast": partial(PartitionContrast, strategy="GD"),
    "region contrast": partial(RegionContrast, tap="dec1"),
    "dense contrast": partial(DenseContrast, temperature=0.2),
}
#: Terms of two copies of one stream of slices.
OF_TWO_COPIES = {"partition contrast", "region contrast", "dense contrast"}


@pytest.mark.parametrize("name", EVERY_TERM)
def test_parts_give_the_gradients_of_the_whole(name: str) -> None:
    peer = name == "two decoders"
    spec = NetworkSpec((4, 8), "instance", "instance", peer=peer)
    with Randomness(0).scope():
        network = UNet(1, CLASSES, spec)
        term = EVERY_TERM[name](network)
    if network.peer is not None:
        network.peer.dropout.p = 0.0  # parts draw others
    teacher = copy.deepcopy(network)

    def gradients(parts: int) -> tuple[float, dict[str, Tensor]]:
        loss_of = copy.deepcopy(term)  # its head remembers what it saw
        first = changed(slices(4), MIXED)
        copies = name in OF_TWO_COPIES
        second = [changed(slices(4), MIXED, seed=1)]
        if not copies:
            second = [changed(slices(3, seed=1, known=False), MIXED)]
        step: Step = a_step(
            network,
            first,
            *(second if copies else []),
            parts=parts,
            unlabelled=[] if copies else second,
            teacher=teacher,
            fraction=1.0,
        )
        modules = torch.nn.ModuleList([network, loss_of])
        modules.zero_grad(set_to_none=True)
        with Randomness(5).scope():
            loss = loss_of(step)
            step.backward(loss)
        return loss.item(), {
            name: parameter.grad.clone()
            for name, parameter in modules.named_parameters()
            if parameter.grad is not None
        }

    wanted, whole = gradients(1)
    assert any(value.any() for value in whole.values())
    for parts in (2, 3):
        loss, found = gradients(parts)
        assert loss == pytest.approx(wanted, rel=1e-4)
        assert {k for k, v in found.items() if v.any()} == {
            k for k, v in whole.items() if v.any()
        }
        for key, value in whole.items():
            if value.any():
                assert torch.allclose(value, found[key], atol=1e-4), key
