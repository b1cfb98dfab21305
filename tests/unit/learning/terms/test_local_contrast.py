"""The local contrast honours weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.terms import local_contrast
from napari_contrastseg.learning.terms.global_contrast import GlobalContrast
from napari_contrastseg.learning.terms.step import Step
from tests.kit.networks import a_network
from tests.kit.steps import a_step, slices
from tests.kit.tensors import seeded

SMALL = NetworkSpec(widths=(4, 8))


@pytest.mark.parametrize("waits", [False, True])
def test_the_local_contrast_honours_weights(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_contrast, "is_asynchronous", lambda _: waits)
    network = UNet(1, 2, SMALL)
    term = local_contrast.LocalContrast(
        network, tap="dec1", temperature=0.1, sampling="exact", balanced=False
    )
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 1, 16, 16, generator=generator)
    target = torch.randint(-1, 3, (2, 16, 16), generator=generator)

    def loss(weight: torch.Tensor, target: torch.Tensor = target) -> float:
        view = Batch(image, target, weight)
        step = Step(network.eval(), [view], np.random.default_rng(0))
        value: float = term(step).item()
        return value

    half = torch.ones(2, 16, 16)
    half[1] = 0
    unknown = target.clone()
    unknown[1] = -1
    assert loss(half) == pytest.approx(loss(torch.ones(2, 16, 16), unknown), rel=1e-5)
    half[1] = 0.25
    assert loss(half) != pytest.approx(loss(torch.ones(2, 16, 16)), rel=1e-4)
    assert loss(torch.zeros(2, 16, 16)) == 0


TAU = 0.2


def vectors_of(term: Any, maps: torch.Tensor, patch: pytest.MonkeyPatch) -> Any:
    """Let a term see these maps (n, d, h, w) as its projections; unit vectors."""
    patch.setattr(local_contrast, "full_size", lambda *_: maps)
    patch.setattr(term.head, "forward", lambda x: x)
    return maps / maps.norm(dim=1, keepdim=True)


def similar(one: torch.Tensor, other: torch.Tensor) -> float:
    return math.exp(float(one @ other) / TAU)


@pytest.mark.parametrize("sampling", ["stride", "block"])
def test_equation_2_as_released(sampling: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anchors of classes; a mean over positives; all images of a batch in one pool."""
    network, batch = a_network(), slices(2, 16, seed=3)
    batch.target[:, :4, :4] = 0  # a block without anchors
    maps = torch.randn(2, 5, 16, 16, dtype=torch.float64, generator=seeded(0))
    term = local_contrast.LocalContrast(
        network,
        tap="dec1",
        temperature=TAU,
        sampling=sampling,
        stride=4,
        block=4,
        balanced=False,
        foreground_limit=0,
    )
    z = vectors_of(term, maps, monkeypatch)
    found = term(a_step(network, batch)).item()
    pools: dict[Any, list[Any]] = {}
    for n, row, column in np.ndindex(2, 16, 16):
        pool: Any = (row // 4, column // 4)
        if sampling == "stride":
            if row % 4 or column % 4:
                continue
            pool = None
        kind = int(batch.target[n, row, column])
        pools.setdefault(pool, []).append((z[n, :, row, column], kind))
    means = []
    for pixels in pools.values():
        losses = []
        for i, (anchor, kind) in enumerate(pixels):
            others = [pixel for k, pixel in enumerate(pixels) if k != i]
            same = [vector for vector, label in others if label == kind]
            if kind == 0 or not same:
                continue
            below = sum(similar(anchor, vector) for vector, _ in others)
            each = [-math.log(similar(anchor, vector) / below) for vector in same]
            losses.append(sum(each) / len(each))
        if losses:
            means.append(sum(losses) / len(losses))
    assert len(means) < len(pools) or sampling == "stride", "one has no anchors"
    assert found == pytest.approx(sum(means) / len(means), abs=1e-10)


def test_equations_2_and_3_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is outside the ratio of sums; a mean over each image's anchors first."""
    network, batch = a_network(), slices(2, 16, seed=3)
    batch.target[1, 4:] = 0  # fewer anchors than in the first image
    maps = torch.randn(2, 5, 16, 16, dtype=torch.float64, generator=seeded(0))
    term = local_contrast.LocalContrast(
        network,
        tap="dec1",
        temperature=TAU,
        sampling="stride",
        stride=4,
        foreground_limit=0,
        literal_loss=True,
    )
    z = vectors_of(term, maps, monkeypatch)
    found = term(a_step(network, batch)).item()
    pixels = [
        (z[n, :, row, column], int(batch.target[n, row, column]), n)
        for n, row, column in np.ndindex(2, 16, 16)
        if row % 4 == column % 4 == 0
    ]
    by_image: dict[int, list[float]] = {}
    for i, (anchor, kind, image) in enumerate(pixels):
        others = [pixel for k, pixel in enumerate(pixels) if k != i]
        same = [similar(anchor, v) for v, label, _ in others if label == kind]
        rest = [similar(anchor, v) for v, label, _ in others if label != kind]
        if kind and same:
            loss = -math.log(sum(same) / sum(rest)) / len(same)
            by_image.setdefault(image, []).append(loss)
    assert len({len(losses) for losses in by_image.values()}) == 2
    means = [sum(losses) / len(losses) for losses in by_image.values()]
    assert found == pytest.approx(sum(means) / len(means), abs=1e-10)


def nt_xent(first: list[torch.Tensor], second: list[torch.Tensor], tau: float) -> float:
    """Equation 1 of Hu et al. 2021, each of 2N vectors against all others."""
    every, count = [*first, *second], len(first)
    total = 0.0
    for i, one in enumerate(every):
        scores = [math.exp(float(one @ other) / tau) for other in every]
        partner = scores[(i + count) % (2 * count)]
        total -= math.log(partner / (sum(scores) - scores[i]))
    return total / (2 * count)


def test_equation_1(monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = a_network(), slices(4)
    term = GlobalContrast(network, temperature=0.5)
    made = torch.randn(8, 6, dtype=torch.float64, generator=seeded(0))
    monkeypatch.setattr(term.head, "forward", lambda _: made)
    found = term(a_step(network, batch, batch)).item()
    z = made / made.norm(dim=1, keepdim=True)
    assert found == pytest.approx(nt_xent(list(z[:4]), list(z[4:]), 0.5), abs=1e-10)


def test_places_without_labels_as_released(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place attracts itself in the other view; all other sampled places repel."""
    network, batch = a_network(), slices(2)
    maps = torch.randn(4, 5, 16, 16, dtype=torch.float64, generator=seeded(0))
    term = local_contrast.PlaceContrast(
        network, tap="dec1", temperature=TAU, stride=8, foreground_limit=0
    )
    z = vectors_of(term, maps, monkeypatch)[..., ::8, ::8]
    found = term(a_step(network, batch, batch)).item()
    first, second = (
        [z[n, :, row, column] for n in images for row, column in np.ndindex(2, 2)]
        for images in ((0, 1), (2, 3))
    )
    assert found == pytest.approx(nt_xent(first, second, TAU), abs=1e-10)
