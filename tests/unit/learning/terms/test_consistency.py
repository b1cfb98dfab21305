"""Agreement with teachers, peers and oneself; spoiled slices; steps in parts."""

from __future__ import annotations

import copy
import math
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
from napari_contrastseg.learning.terms import (
    consistency as agreement,
)
from napari_contrastseg.learning.terms import (
    dense_contrast as correspondence,
)
from napari_contrastseg.learning.terms import (
    pretext,
)
from napari_contrastseg.learning.terms import structure as s
from napari_contrastseg.learning.terms import (
    supervised as terms,
)
from napari_contrastseg.learning.terms.patches import ClassPatches
from napari_contrastseg.learning.terms.term import Term, ramp_up
from napari_contrastseg.learning.terms.tiles import Tiles
from napari_contrastseg.learning.training.optim import Clock
from napari_contrastseg.learning.training.runner import _StageRun
from tests.kit.steps import CLASSES, Constant, Pointwise, a_step, changed, slices
from tests.unit.learning.terms.test_structure import a_cohort

if TYPE_CHECKING:
    from napari_contrastseg.learning.terms.step import Step

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
    step = a_step(Pointwise(), own, beside=[other])
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
    step = a_step(Pointwise(), raw, beside=[view])
    assert torch.equal(step.plain[:3], raw.image), "as it is where nothing changed it"
    assert torch.equal(step.source[3:], raw.image)
    flipped = changed(raw, FLIPS)
    again = agreement.moved(raw.image, flipped.grid)
    assert torch.allclose(again, flipped.image, atol=1e-4)


# -- teachers ------------------------------------------------------------------


def test_a_teacher_gets_no_gradient_and_keeps_its_statistics() -> None:
    with Randomness(0).scope():
        network = UNet(1, CLASSES, NetworkSpec((4, 8), dropout=0.5))
    teacher = copy.deepcopy(network)
    before = copy.deepcopy(teacher.state_dict())
    for make in (agreement.transformed_teacher, agreement.uncertainty_aware):
        step = a_step(
            network,
            slices(2),
            beside=[slices(2, seed=1)],
            teacher=teacher,
            fraction=1.0,
        )
        with Randomness(1).scope():
            step.backward(make(1.0, 0.0).loss(step, None))
    assert all(p.grad is None for p in teacher.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())
    for key, value in teacher.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_a_moved_teacher_agrees_with_what_it_would_say_of_a_moved_slice() -> None:
    network = Pointwise()
    views = [changed(slices(3, seed=k), FLIPS, seed=k) for k in range(2)]
    step = a_step(network, views[0], beside=[views[1]], teacher=copy.deepcopy(network))
    loss = agreement.transformed_teacher(1.0, 0.0).loss(step, None)
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
    network = Pointwise(2)
    step = a_step(
        network, slices(1), beside=[slices(2)], teacher=teacher, fraction=fraction
    )
    loss = agreement.uncertainty_aware(1.0, 0.4).loss(step, None)
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
        agreement._crosswise(first, second, mask), [first, second]
    )
    for one, other, grad in ((first, second, found[0]), (second, first, found[1])):
        label = other.detach().argmax(1).masked_fill(~mask, -100)
        alone = functional.cross_entropy(one, label)
        assert torch.allclose(grad, torch.autograd.grad(alone, one)[0], atol=1e-6)


def test_scales_that_agree_cost_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(2, CLASSES, 4, 4, generator=generator).softmax(1)
    mask = torch.ones(2, 4, 4, dtype=torch.bool)
    assert agreement._scales(torch.stack([one] * 4), mask).item() < 1e-7
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
    assert agreement._scales(scales, mask).item() == pytest.approx(wanted, abs=1e-6)


def test_mixed_slices_have_the_mixed_loss_of_both_truths() -> None:
    network, batch = Pointwise(), slices(4)
    step = a_step(network, batch)
    with Randomness(3).scope():
        loss = terms.mix_up().loss(step, None)
    part = float(np.random.default_rng(0).beta(1.0, 1.0))
    with Randomness(3).scope():
        other = torch.randperm(4)
    logits = network(part * batch.image + (1 - part) * batch.image[other])
    wanted = part * dice_cross_entropy(logits, batch.target, batch.weight)
    wanted += (1 - part) * dice_cross_entropy(
        logits, batch.target[other], batch.weight[other]
    )
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)


# -- spoiled slices ------------------------------------------------------------


def spoiled(term: Term, batch: Batch, network: Any) -> Tensor:
    """Slices as the network sees them in a pretext task."""
    assert term.head is not None
    step = a_step(network, batch)
    with Randomness(0).scope():
        assert term.loss(step, term.head(network)).isfinite()
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
    seen = spoiled(pretext.rotation(), batch, network)
    (turns,) = asked
    assert set(turns.tolist()) == {0, 1, 2, 3}
    for image, turned, k in zip(batch.image, seen, turns.tolist(), strict=True):
        assert torch.equal(turned, torch.rot90(image, k, (1, 2)))


def test_boxes_are_masked(network: UNet) -> None:
    batch = slices(16)
    seen = spoiled(pretext.inpainting(), batch, network)
    lost = (seen != batch.image).flatten(1)
    assert (seen[seen != batch.image] == 0).all()
    assert lost.sum(1).min() >= 4 * 4, "one box of a quarter of each side"
    assert 4 * 4 < lost.sum(1).max() <= 3 * 4 * 4


@pytest.mark.parametrize("size", [16, 40])
def test_pieces_are_swapped(size: int, network: UNet) -> None:
    batch = slices(16, size)
    seen = spoiled(pretext.context_restoration(), batch, network)
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
    term = Term("t", lambda *_: torch.zeros(()), weight=0.5, ramp=0.4)
    assert term.weight_at(0.4) == 0.5


def a_stage(**changes: Any) -> Stage:
    parts: dict[str, Any] = {
        "purpose": "fine-tune",
        "view": View("labelled", 2),
        "terms": (terms.supervised(),),
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


def every_term() -> list[tuple[Term, bool]]:
    """Terms, and whether a second decoder is wanted."""
    return [
        (terms.supervised(), False),
        (terms.mix_up(), False),
        (agreement.transformed_teacher(1.0, 0.0), False),
        (agreement.uncertainty_aware(1.0, 0.0), False),
        (agreement.TeacherLabels(most=0.0).term(), False),
        (agreement.cross_pseudo_supervision(1.0, 0.0), False),
        (agreement.scale_consistency(1.0, 0.0), False),
        (agreement.peer_decoders(), True),
        (Tiles(2, layers=1).contrast(), False),
        (Tiles(2).consistency(), False),
        (ClassPatches(size=8, least=4, budget=9, most=0.0).term(), False),
        (pretext.rotation(), False),
        (pretext.inpainting(), False),
        (s.partition_contrast("GD"), False),
        (s.RegionContrast("dec1").term(), False),
        (correspondence.dense_contrast(temperature=0.2), False),
    ]


@pytest.mark.parametrize(
    ("term", "peer"), every_term(), ids=[term.name for term, _ in every_term()]
)
def test_parts_give_the_gradients_of_the_whole(term: Term, *, peer: bool) -> None:
    spec = NetworkSpec((4, 8), "instance", "instance", peer=peer)
    with Randomness(0).scope():
        network = UNet(1, CLASSES, spec)
        head = term.head(network) if term.head else None
    if network.peer is not None:
        network.peer.dropout.p = 0.0  # parts draw others
    teacher = copy.deepcopy(network)

    def gradients(parts: int) -> tuple[float, dict[str, Tensor]]:
        own_head = copy.deepcopy(head)  # it remembers what it saw
        first = changed(slices(4), MIXED)
        one_stream = term.name.startswith(("global", "local", "dense"))
        beside = [changed(slices(4), MIXED, seed=1)]
        if not one_stream:
            beside = [changed(slices(3, seed=1, known=False), MIXED)]
        step: Step = a_step(
            network,
            first,
            *(beside if one_stream else []),
            parts=parts,
            beside=[] if one_stream else beside,
            teacher=teacher,
            fraction=1.0,
        )
        modules = torch.nn.ModuleList([network, *([own_head] if own_head else [])])
        modules.zero_grad(set_to_none=True)
        with Randomness(5).scope():
            loss = term.loss(step, own_head)
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
        for name, value in whole.items():
            if value.any():
                assert torch.allclose(value, found[name], atol=1e-4), name
