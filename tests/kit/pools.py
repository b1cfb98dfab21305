"""Pools of slices for query strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.query.strategy import Pool, PoolVolume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.insight.slice_scores import SliceScores


def pool_of(
    scores: Mapping[str, SliceScores],
    still_open: Mapping[str, NDArray[np.int64]] | None = None,
    *,
    related: bool = True,
) -> Pool:
    """Make a pool of predicted volumes; all slices are open by default."""
    volumes = {}
    for name, found in scores.items():
        count = len(found.inside)
        free = np.arange(count) if still_open is None else still_open[name]
        volumes[name] = PoolVolume(count, free, found, related)
    return Pool(volumes)
