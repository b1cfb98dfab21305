"""Feature tables of points around a few directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.insight.feature_table import FeatureTable, sample_voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.learning.data.targets import TrainingVolume


def everything(
    volumes: list[TrainingVolume], count: int, seed: int = 3, **about: object
) -> FeatureTable:
    """A sample of all slices."""
    guesses = about.get("guesses")
    return sample_voxels(volumes, 0, count, 10**9, seed, guesses)  # type: ignore[arg-type]


def groups(n: int = 120, kinds: int = 3, seed: int = 0) -> NDArray[np.float64]:
    """Points around a few directions."""
    rng = np.random.default_rng(seed)
    return np.eye(kinds)[np.arange(n) % kinds] + rng.normal(0, 0.08, (n, kinds))


def table(points: NDArray[np.float64], kinds: int = 3) -> FeatureTable:
    """Voxels with these features, of a class each."""
    n = len(points)
    where = np.stack([np.arange(n)] * 3, axis=1)
    zeros = np.zeros(n, np.int64)
    label = np.arange(n) % kinds
    return FeatureTable(("a",), zeros, where, label, zeros, points.astype(np.float32))
