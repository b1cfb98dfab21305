"""Random slices: the baseline that every other strategy is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.query.strategy import Strategy, Suggestion

if TYPE_CHECKING:
    from napari_contrastseg.query.strategy import Pool


def query(pool: Pool) -> list[Suggestion]:
    """Draw open slices of all volumes with equal chances, by the pool's seed."""
    every = [(name, int(i)) for name, v in pool.volumes.items() for i in v.open]
    drawn = np.random.default_rng(list(pool.seed)).permutation(len(every))
    chosen = [every[place] for place in drawn[: pool.most]]
    return [Suggestion(name, index, 0.0, reason="random") for name, index in chosen]


STRATEGY = Strategy(
    name="random",
    title="random",
    summary="Draws slices at random; the baseline for comparisons.",
    query=query,
)
