"""Pixel propagation, held against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from napari_contrastseg.learning.losses.propagation import (
    agreement,
    matched,
    propagated,
)


def vectors(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def cosine(a: Tensor, b: Tensor) -> float:
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return dot / math.prod(math.sqrt(sum(float(x) ** 2 for x in v)) for v in (a, b))


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_smoothing_is_that_of_a_loop(gamma: float) -> None:
    """Xie et al. 2021."""
    x, g = vectors(2, 5, 4, seed=0), vectors(2, 5, 3, seed=1)
    found = propagated(x, g, gamma)
    for n in range(2):
        for i in range(5):
            wanted = [0.0] * 3
            for j in range(5):
                alike = max(cosine(x[n, i], x[n, j]), 0.0) ** gamma
                for k in range(3):
                    wanted[k] += alike * float(g[n, j, k])
            assert found[n, i].tolist() == pytest.approx(wanted, abs=1e-10)


def test_agreement_is_that_of_a_loop() -> None:
    """Xie et al. 2021; a slice without pairs does not count."""
    y, keys = vectors(3, 5, 4, seed=0), vectors(3, 5, 4, seed=1)
    matches = vectors(3, 5, 5, seed=2) > 0.5
    matches[1] = False
    means = []
    for n in (0, 2):
        pairs = matches[n].nonzero().tolist()
        means.append(sum(cosine(y[n, i], keys[n, j]) for i, j in pairs) / len(pairs))
    found = agreement(y, keys, matches)
    assert found.item() == pytest.approx(-sum(means) / 2, abs=1e-10)
    assert agreement(y, keys, torch.zeros_like(matches)).item() == 0


def test_places_match_within_a_part_of_a_diagonal() -> None:
    """Xie et al. 2021: in diagonals of a cell, and never outside the slice."""
    rng = torch.Generator().manual_seed(0)
    first, second = (2.4 * torch.rand(2, 6, 2, generator=rng) - 1.2 for _ in range(2))
    cell = (0.5, 0.25)
    found = matched(first, second, cell, 0.7)
    for n in range(2):
        for i in range(6):
            for j in range(6):
                a, b = first[n, i].tolist(), second[n, j].tolist()
                apart = [(p - q) / side for p, q, side in zip(a, b, cell, strict=True)]
                inside = all(abs(v) <= 1 for v in (*a, *b))
                near = math.hypot(*apart) / math.sqrt(2) <= 0.7
                assert bool(found[n, i, j]) == (inside and near)
    assert found.any()
