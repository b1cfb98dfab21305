"""How well classes separate in the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import silhouette_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Silhouettes:
    """Cosine silhouettes, within -1 and 1; near 1 is well apart.

    Attributes
    ----------
    samples : (n,) float
    classes : dict of class id to mean over its samples
    overall : float
        Mean of the classes' means, so that large classes do not rule.
    """

    samples: NDArray[np.float64]
    classes: dict[int, float]
    overall: float


def silhouettes(features: NDArray[Any], labels: NDArray[Any]) -> Silhouettes:
    """Compute cosine silhouettes (Rousseeuw 1987) by scikit-learn.

    Parameters
    ----------
    features : (n, d) float
    labels : (n,) int

    Returns
    -------
    Silhouettes
        All zero where fewer than two classes are present.
    """
    kinds = np.unique(labels)
    if not 2 <= len(kinds) < len(labels):  # noqa: PLR2004  a silhouette needs two
        return Silhouettes(
            np.zeros(len(labels)), dict.fromkeys(kinds.tolist(), 0.0), 0.0
        )
    samples = silhouette_samples(features, labels, metric="cosine")
    means = {int(k): float(samples[labels == k].mean()) for k in kinds}
    return Silhouettes(samples, means, float(np.mean(list(means.values()))))
