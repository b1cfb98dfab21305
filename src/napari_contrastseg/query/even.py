"""Even spacing: the slice in the middle of the largest gap between labelled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.query.spread import spread
from napari_contrastseg.query.strategy import Strategy, Suggestion

if TYPE_CHECKING:
    from napari_contrastseg.query.strategy import Pool


def query(pool: Pool) -> list[Suggestion]:
    """Fill the largest gap first, over all volumes."""
    weights = {name: np.zeros(volume.count) for name, volume in pool.volumes.items()}
    return [
        Suggestion(name, index, worth, reason="gap")
        for name, index, worth in spread(pool, weights)
    ]


STRATEGY = Strategy(
    name="even",
    title="even spacing",
    summary="Fills the largest gap between labelled slices; asks for no prediction.",
    query=query,
)
