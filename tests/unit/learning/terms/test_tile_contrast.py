"""Tiles of a slice: contrast and consistency."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.losses.contrast import contrast
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.terms import tile_contrast as tiles
from tests.kit.networks import a_network
from tests.kit.steps import a_step, slices
from tests.kit.tensors import by_rule


def test_tiles_are_cut_row_by_row() -> None:
    image = torch.arange(2 * 3 * 12 * 8).view(2, 3, 12, 8)
    cut = tiles.cut_up(image, 2)
    assert cut.shape == (8, 3, 6, 4)
    for k, row, column in itertools.product(range(2), range(2), range(2)):
        rows, columns = slice(6 * row, 6 * row + 6), slice(4 * column, 4 * column + 4)
        assert torch.equal(cut[4 * k + 2 * row + column], image[k, :, rows, columns])


def test_tiles_attract_their_place_and_repel_others_of_their_slice() -> None:
    blank = torch.tensor([0, 1, 1, 0, 0, 0, 0, 1], dtype=torch.bool)
    found = tiles._pairs(2, 4, blank)
    items = [(level, k, t) for level in range(2) for k in range(2) for t in range(4)]

    def repel(i: int, j: int) -> bool:
        (_, k, t), (_, m, s) = items[i], items[j]
        both_blank = bool(blank[4 * k + t] and blank[4 * m + s])
        return k == m and t != s and not both_blank

    def attract(i: int, j: int) -> bool:
        return items[i][1:] == items[j][1:] and i != j

    assert torch.equal(found.positives, by_rule(16, attract))
    assert torch.equal(found.negatives, by_rule(16, repel))


@pytest.mark.parametrize(
    ("side", "count", "layers"),
    [(320, 5, 3), (240, 5, 3), (192, 3, 3), (64, 4, 3), (48, 3, 3), (24, 3, 2)],
)
def test_a_vector_sees_its_own_tile_alone(side: int, count: int, layers: int) -> None:
    """Section 2.1: perceptual fields of the slice's vectors do not overlap."""
    head = tiles.GridHead(1, layers, 4).eval()
    for parameter in head.parameters():
        parameter.data.abs_()  # so that no ReLU is shut
    image = torch.rand(1, 1, side, side, requires_grad=True)
    vectors = head(image, count)
    assert vectors.shape == (1, count, count, 4)
    tile = side // count
    for row, column in itertools.product(range(count), repeat=2):
        (seen,) = torch.autograd.grad(
            vectors[0, row, column].sum(), image, retain_graph=True
        )
        rows, columns = (slice(k * tile, k * tile + tile) for k in (row, column))
        assert seen[0, 0, rows, columns].any()
        seen[0, 0, rows, columns] = 0
        assert not seen.any(), "nothing of a neighbour's"


@pytest.mark.parametrize("layers", [1, 2])
def test_a_tile_alone_has_the_vector_of_its_place(layers: int) -> None:
    head = tiles.GridHead(1, layers, 4).eval()
    image = torch.rand(1, 1, 24, 24)
    whole = head(image, 3)
    parts = head(tiles.cut_up(image, 3), 1)
    assert torch.allclose(whole.reshape(9, 4), parts.reshape(9, 4), atol=1e-6)


def test_the_contrast_of_equation_1() -> None:
    """The slice's vector asks for its tile's; the slice's other vectors repel."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2 * 2 * 4, 5, dtype=torch.float64, generator=generator)
    found = contrast(
        features,
        tiles.printed_pairs(2, 4, features.device),
        temperature=0.3,
        denominator="single",
    )
    z = features / features.norm(dim=1, keepdim=True)
    whole, parts = z[:8].view(2, 4, 5), z[8:].view(2, 4, 5)
    losses = []
    for k, i in itertools.product(range(2), range(4)):
        above = math.exp(float(whole[k, i] @ parts[k, i]) / 0.3)
        below = above + sum(
            math.exp(float(whole[k, i] @ whole[k, n]) / 0.3) for n in range(4) if n != i
        )
        losses.append(-math.log(above / below))
    assert found.item() == pytest.approx(np.mean(losses), abs=1e-10)


def test_the_released_loss_and_how_flat_it_is() -> None:
    """Section 3: near ln 25 whatever the features, 2.98 for identical views."""
    generator = torch.Generator().manual_seed(0)
    whole, parts = (
        torch.rand(2, 25, 128, dtype=torch.float64, generator=generator)
        for _ in range(2)
    )

    def released(one: Tensor, other: Tensor) -> float:
        scaled = [
            functional.normalize(x.flatten(0, 1), p=1, dim=1) for x in (one, other)
        ]
        return float(tiles._by_products(torch.cat(scaled), 25, 0.07))

    by_hand = []
    for k, i in itertools.product(range(2), range(25)):
        query = whole[k, i] / whole[k, i].sum()
        keys = parts[k] / parts[k].sum(dim=1, keepdim=True)
        logits = keys @ query / 0.07
        by_hand.append(float(logits.logsumexp(0) - logits[i]))
    assert released(whole, parts) == pytest.approx(np.mean(by_hand), abs=1e-10)
    assert released(whole, parts) == pytest.approx(math.log(25), abs=0.02)
    rectified = torch.randn(2, 25, 128, generator=generator).relu()
    assert released(rectified, rectified) > 2.9, "identical views are not near 0"


@pytest.mark.parametrize("released", [True, False])
def test_who_learns_from_tiles(*, released: bool) -> None:
    network = a_network(NetworkSpec((4, 8), "none", "none"))
    term = tiles.TileContrast(network, count=2, layers=1, released=released)
    step = a_step(network, slices(2), parts=2)
    term(step).backward()
    whole, parts = (one.map("dec1").grad for one in step._passes)
    assert whole is not None
    assert whole.abs().sum() > 0
    assert (parts is None or parts.abs().sum() == 0) == released, "constants there"


def test_the_slice_teaches_its_tiles() -> None:
    network = a_network(NetworkSpec((4, 8), "none", "none"))
    batch = slices(2)
    loss = tiles.TileConsistency(network, count=2)(a_step(network, batch))
    with torch.no_grad():
        guess = network(batch.image).softmax(1)
    summed = torch.zeros(())
    for rows, columns in itertools.product((slice(8), slice(8, 16)), repeat=2):
        mine = network(batch.image[..., rows, columns]).softmax(1)
        summed = summed + (mine - guess[..., rows, columns]).square().mean()
    assert loss.item() == pytest.approx(summed.item(), abs=1e-6)
    parameters = list(network.parameters())
    one, other = (torch.autograd.grad(x, parameters) for x in (loss, summed))
    for a, b in zip(one, other, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_equation_2_by_loops() -> None:
    """Squared distances, averaged over batch, classes and pixels, summed over tiles."""
    network = a_network(NetworkSpec((4, 8), "none", "none")).double()
    batch = slices(2)
    batch = replace(batch, image=batch.image.double())
    loss = tiles.TileConsistency(network, count=2)(a_step(network, batch)).item()
    with torch.no_grad():
        guess = network(batch.image).softmax(1)
        total = 0.0
        for top, left in itertools.product((0, 8), repeat=2):
            rows, columns = slice(top, top + 8), slice(left, left + 8)
            mine = network(batch.image[..., rows, columns]).softmax(1)
            squares = [
                float(mine[n, k, r, c] - guess[n, k, top + r, left + c]) ** 2
                for n, k, r, c in np.ndindex(*mine.shape)
            ]
            total += sum(squares) / len(squares)
    assert loss == pytest.approx(total, abs=1e-10)
