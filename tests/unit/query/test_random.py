"""Random slices follow their seed."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.query import random
from napari_contrastseg.query.strategy import Pool, PoolVolume


def test_random_slices_follow_the_seed() -> None:
    volumes = {"a": PoolVolume(30, np.arange(30))}
    first, again, other = (
        [s.index for s in random.query(Pool(volumes, seed=seed))]
        for seed in ((1, 2), (1, 2), (1, 3))
    )
    assert first == again != other
    assert first == np.random.default_rng([1, 2]).permutation(30).tolist()
