"""Even slices fill the largest gap."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.query import even
from napari_contrastseg.query.strategy import Pool, PoolVolume


def test_even_spacing_fills_the_largest_gap() -> None:
    pool = Pool({"a": PoolVolume(17, np.setdiff1d(np.arange(17), [0, 16]))})
    order = [s.index for s in even.query(pool)]
    assert order[0] == 8
    assert sorted(order[1:3]) == [4, 12]
    assert sorted(order[3:7]) == [2, 6, 10, 14]
