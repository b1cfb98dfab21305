"""k-center takes what is farthest from all that is labelled."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.query import k_center
from napari_contrastseg.query.strategy import Pool, PoolVolume


def test_k_center_takes_the_farthest_from_all_labelled_and_taken() -> None:
    features = np.random.default_rng(0).normal(size=(20, 4))
    pool = Pool({"a": PoolVolume(20, np.arange(1, 20), features=lambda: features)})
    centres, order = [0], []
    while len(centres) < 20:  # by the definition, in a loop
        rest = [i for i in range(20) if i not in centres]
        gaps = [
            min(np.linalg.norm(features[i] - features[c]) for c in centres)
            for i in rest
        ]
        order.append(rest[int(np.argmax(gaps))])
        centres.append(order[-1])
    assert [s.index for s in k_center.query(pool)] == order


def test_k_center_begins_with_the_most_typical_slice() -> None:
    features = np.array([[0.0], [4.0], [5.0], [6.0], [20.0]])
    pool = Pool({"a": PoolVolume(5, np.arange(5), features=lambda: features)})
    assert [s.index for s in k_center.query(pool)][:2] == [3, 4]
