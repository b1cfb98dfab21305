"""The map: features in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERPLEXITY = 30.0
MIN_POINTS = 8


def tsne(features: NDArray[Any], seed: int = 0) -> NDArray[np.float32]:
    """Lay features out by t-SNE (van der Maaten and Hinton 2008), from PCA.

    Features are scaled to length 1 first: distances are those that the contrastive
    losses use.

    Parameters
    ----------
    features : (n, d) float

    Returns
    -------
    (n, 2) float32
        By PCA alone where there are too few points for t-SNE.
    """
    unit = normalize(features)
    if len(unit) < MIN_POINTS:
        parts = min(2, *unit.shape)
        flat = PCA(n_components=parts).fit_transform(unit)
        return np.pad(flat, ((0, 0), (0, 2 - parts))).astype(np.float32)
    perplexity = min(PERPLEXITY, (len(unit) - 1) / 3)
    model = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(unit), dtype=np.float32)
