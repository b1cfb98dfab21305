"""CSSL's omega: scikit-learn's silhouette, and naive loops of the other two forms."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_samples

from napari_contrastseg.learning.losses.separation import (
    SEPARATIONS,
    separation_as_printed,
    separation_as_released,
    silhouette,
)
from tests.kit.circles import ANGLES, LABELS, circle

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.mark.parametrize("seed", range(3))
def test_the_silhouette_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features, classes = rng.normal(size=(40, 5)), rng.integers(0, 4, 40)
    classes[0] = 9  # a lone sample
    values = silhouette_samples(features, classes, metric="cosine")
    balanced = np.mean([values[classes == k].mean() for k in np.unique(classes)])
    found = silhouette(torch.from_numpy(features), torch.from_numpy(classes))
    assert found.item() == pytest.approx(balanced, abs=1e-6)


def test_the_silhouettes_oracle() -> None:
    assert silhouette(circle(ANGLES), LABELS).item() == pytest.approx(
        0.255158, abs=1e-6
    )
    lone = silhouette(circle(ANGLES), torch.zeros(5, dtype=torch.int64))
    assert lone.item() == -1


def some(seed: int) -> tuple[torch.Tensor, torch.Tensor, list[NDArray[np.float64]]]:
    """Features of three classes, and their unit vectors."""
    rng = np.random.default_rng(seed)
    features, classes = rng.normal(size=(14, 4)), rng.integers(0, 3, 14)
    features[classes == 1] += 2
    units = [row / np.sqrt((row * row).sum()) for row in features]
    return torch.from_numpy(features), torch.from_numpy(classes), units


@pytest.mark.parametrize("seed", range(3))
def test_the_released_form_is_a_loop_over_pairs(seed: int) -> None:
    features, classes, units = some(seed)
    within: list[float] = []
    across: list[float] = []
    for i, one in enumerate(units):
        for j, other in enumerate(units):
            same = bool(classes[i] == classes[j])
            (within if same else across).append(1 - float(one @ other))
    a, b = sum(within) / len(within), sum(across) / len(across)
    wanted = (b - a) / max(a, b)
    found = separation_as_released(features, classes).item()
    assert found == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_the_printed_form_is_a_loop_over_clusters(seed: int) -> None:
    features, classes, units = some(seed)
    centres: list[NDArray[np.float64]] = []
    variances: list[float] = []
    for kind in sorted(set(classes.tolist())):
        mine = [u for u, k in zip(units, classes.tolist(), strict=True) if k == kind]
        centre = np.sum(mine, axis=0) / len(mine)
        centres.append(centre)
        squares = [((u - centre) ** 2).sum() for u in mine]
        variances.append(float(sum(squares)) / len(squares))
    pairs = list(combinations(centres, 2))
    b = sum(np.sqrt(((p - q) ** 2).sum()) for p, q in pairs) / len(pairs)
    a = sum(variances) / len(variances)
    wanted = abs(b - a) / max(a, b)
    found = separation_as_printed(features, classes).item()
    assert found == pytest.approx(wanted, abs=1e-10)


def test_the_printed_form_rewards_clusters_that_overlap() -> None:
    """What the paper's absolute value does, and why `sound` has the silhouette."""
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(400, 8, generator=rng, dtype=torch.float64)
    classes = torch.arange(400) % 2
    assert separation_as_printed(features, classes) > 0.8
    assert abs(separation_as_released(features, classes)) < 0.05
    assert abs(silhouette(features, classes)) < 0.05


@pytest.mark.parametrize("name", sorted(SEPARATIONS))
def test_one_class_alone_gets_the_least_noise(name: str) -> None:
    features = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert SEPARATIONS[name](features, torch.zeros(5, dtype=torch.int64)) == -1
    nothing = torch.zeros(0, dtype=torch.int64)
    assert SEPARATIONS[name](features[:0], nothing) == -1
