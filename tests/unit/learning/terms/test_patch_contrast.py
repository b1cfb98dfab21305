"""CSSL's term: single-class patches, their silhouette, noise in features."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.losses.separation import SEPARATIONS
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import patch_contrast
from napari_contrastseg.learning.terms.patch_contrast import MEMORY, ClassPatches
from tests.kit.networks import a_network
from tests.kit.steps import Constant, Spy, a_step, slices

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet


def test_patches_hold_their_class_alone() -> None:
    label = slices(3, 32).target.clone()
    label[:, :3] = -1  # unsure
    image = (label[:, None] + 2).float()  # nowhere 0
    network = a_network()
    given: Any = SimpleNamespace(network=network, image=image)
    maker = ClassPatches(network, size=12, least=20, budget=30)
    with Randomness(0).scope():
        patches, classes = maker._patches(given, label)
    assert patches.shape[1:] == (1, 12, 12)
    assert torch.bincount(classes).max() <= 10, "the budget is shared"
    for patch, kind in zip(patches, classes.tolist(), strict=True):
        assert set(patch.unique().tolist()) <= {0.0, kind + 2.0}
        assert (patch > 0).sum() >= 20
    strict = ClassPatches(network, size=12, least=145, budget=30)
    nothing, none = strict._patches(given, label)
    assert len(nothing) == len(none) == 0


def cssl_step(network: UNet, **given: Any) -> Any:
    return a_step(
        network, slices(2, 32), unlabelled=[slices(2, 32, seed=1, known=False)], **given
    )


@pytest.mark.parametrize(("level", "severity"), [(-1.0, 0.05), (0.0, 0.55), (1, 1.05)])
def test_noise_grows_with_the_silhouette(
    level: float, severity: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = a_network()
    term = ClassPatches(network, noise=0.3, budget=0)
    term.head.silhouette.fill_(level)
    clean = [x.detach() for x in network.encode(cssl_step(network).image)]
    noisy: list[Tensor] = []
    decode = network.decode

    def listen(pyramid: list[Tensor]) -> list[Tensor]:
        noisy.extend(x.detach() for x in pyramid)
        return decode(pyramid)

    monkeypatch.setattr(network, "decode", listen)
    with Randomness(0).scope():
        step = cssl_step(network, teacher=Constant([0.0, 3.0, 0.0]))
        term(step)
    for x, y in zip(clean, noisy, strict=True):
        size = x.square().mean(dim=(0, 2, 3)).sqrt()
        found = (y - x).square().mean(dim=(0, 2, 3)).sqrt() / size
        wanted = 0.3 * math.sqrt(severity)
        assert torch.allclose(found, torch.full_like(found, wanted), rtol=0.1)


def test_noise_is_corrected_by_truth_and_by_the_teacher() -> None:
    """Without noise the loss is cross-entropy: truth first, then the teacher."""
    network = a_network()
    step = cssl_step(network, teacher=Constant([0.0, 3.0, 0.0]))
    loss = ClassPatches(network, noise=0.0, budget=0)(step)
    target = torch.where(step.target < 0, 1, step.target)
    assert loss.item() == pytest.approx(
        functional.cross_entropy(step.logits, target).item(), abs=1e-5
    )


def test_each_part_alone_and_both() -> None:
    """Rows of the paper's Table 5: L_CR alone, L_CL alone, both."""
    network = a_network()

    def value(**parts: Any) -> float:
        term = ClassPatches(network, size=8, least=1, budget=12, hard=0.0, **parts)
        with Randomness(0).scope():
            step = cssl_step(network, teacher=Constant([0.0, 3.0, 0.0]))
            return float(term(step).detach())

    both, contrast_alone = value(), value(agrees=False)
    consistency = value(contrasts=False)
    assert contrast_alone > 0
    assert consistency > 0
    assert value(contrasts=False, agrees=False) == 0
    assert both > max(contrast_alone, consistency)


def test_one_class_is_contrasted_with_a_fixed_gaussian(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Section 3: where patches have one class, others are drawn."""
    spy = Spy(monkeypatch, patch_contrast)
    network = a_network(classes=2)
    batch = slices(2, 32)
    only = Batch(batch.image, (batch.target > 0).long(), batch.weight)
    term = ClassPatches(
        network, size=8, least=1, budget=12, background=False, agrees=False
    )
    with Randomness(0).scope():
        loss = term(a_step(network, only, teacher=Constant([0.0, 3.0])))
    count = len(spy.features) // 2
    assert count > 0
    assert spy.pairs.labels.tolist() == [1] * count + [0] * count
    assert spy.pairs.anchors.tolist() == [True] * count + [False] * count
    assert loss.item() > 0
    assert term.head.mean.equal(ClassPatches(network).head.mean), "fixed"


def double(batch: Batch) -> Batch:
    return replace(batch, image=batch.image.double(), weight=batch.weight.double())


def test_equation_1_by_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """L_CL without hard negatives: other positives do not compete; 1 / |Z_p|."""
    network = a_network()
    term = ClassPatches(
        network, size=8, least=1, budget=12, hard=0.0, agrees=False, temperature=0.2
    )
    given: list[Tensor] = []

    def head(maps: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        given.append(
            torch.randn(len(maps), 5, dtype=torch.float64, generator=generator)
        )
        return given[-1]

    monkeypatch.setattr(term.head, "forward", head)
    monkeypatch.setattr(term, "_follow", lambda *_: None)
    spy = Spy(monkeypatch, patch_contrast)
    with Randomness(0).scope():
        found = term(cssl_step(network, teacher=Constant([0.0, 3.0, 0.0]))).item()
    (features,), kinds = given, spy.pairs.labels.tolist()
    z = features / features.norm(dim=1, keepdim=True)
    losses = []
    for i, kind in enumerate(kinds):
        s = [math.exp(float(z[i] @ other) / 0.2) for other in z]
        repel = sum(s[n] for n, other in enumerate(kinds) if other != kind)
        pairs = [
            -math.log(s[p] / (s[p] + repel))
            for p, other in enumerate(kinds)
            if other == kind and p != i
        ]
        losses.append(sum(pairs) / len(pairs))
    assert found == pytest.approx(sum(losses) / len(losses), abs=1e-10)


def test_the_consistency_by_loops() -> None:
    """L_CR: cross-entropy of what noisy features say, against truth or the teacher."""
    network = a_network().double()
    views = (slices(1, 16), [slices(1, 16, seed=1, known=False)])
    step = a_step(
        network,
        double(views[0]),
        unlabelled=[double(view) for view in views[1]],
        teacher=Constant([0.0, 3.0, 0.0]),
    )
    found = ClassPatches(network, noise=0.0, contrasts=False).double()(step).item()
    losses = []
    logits = step.logits.detach()
    for n, row, column in np.ndindex(2, 16, 16):
        label = int(step.target[n, row, column])
        powers = [math.exp(float(x)) for x in logits[n, :, row, column]]
        losses.append(-math.log(powers[1 if label < 0 else label] / sum(powers)))
    assert found == pytest.approx(sum(losses) / len(losses), abs=1e-10)


def test_the_noise_follows_the_separation_that_is_chosen() -> None:
    features = torch.randn(8, 256, generator=torch.Generator().manual_seed(0))
    classes = torch.arange(8) % 2
    for name, found in SEPARATIONS.items():
        term = ClassPatches(a_network(), separation=name)
        term._follow(features, classes)
        assert term.head.silhouette.item() == pytest.approx(
            (1 - MEMORY) * found(features, classes).item()
        )
