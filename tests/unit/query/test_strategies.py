"""Query strategies against slow definitions: even, random, uncertainty, k-center."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.insight.slice_features import slice_features
from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.query import even, k_center, random, uncertainty
from napari_contrastseg.query.strategy import Pool, PoolVolume
from tests.kit.pools import pool_of


def test_even_spacing_fills_the_largest_gap() -> None:
    pool = Pool({"a": PoolVolume(17, np.setdiff1d(np.arange(17), [0, 16]))})
    order = [s.index for s in even.query(pool)]
    assert order[0] == 8
    assert sorted(order[1:3]) == [4, 12]
    assert sorted(order[3:7]) == [2, 6, 10, 14]


def test_random_slices_follow_the_seed() -> None:
    volumes = {"a": PoolVolume(30, np.arange(30))}
    first, again, other = (
        [s.index for s in random.query(Pool(volumes, seed=seed))]
        for seed in ((1, 2), (1, 2), (1, 3))
    )
    assert first == again != other
    assert first == np.random.default_rng([1, 2]).permutation(30).tolist()


def test_uncertainty_is_the_mean_of_what_confidence_lacks() -> None:
    rng = np.random.default_rng(0)
    labels, sure = rng.integers(0, 3, (8, 9, 5)), rng.integers(0, 101, (8, 9, 5)) / 100
    found = uncertainty.query(pool_of({"a": score_slices(labels, sure, 0)}))
    lack = (1 - sure).mean(axis=(1, 2))
    assert [s.index for s in found] == np.argsort(-lack).tolist()
    assert [s.score for s in found] == pytest.approx(np.sort(lack)[::-1], abs=1e-6)
    class_id = max((1, 2), key=lambda c: (1 - sure[0])[labels[0] == c].sum())
    assert next(s for s in found if s.index == 0).class_id == class_id


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


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_features_are_means_on_a_grid(axis: int) -> None:
    image = np.random.default_rng(0).normal(size=(32, 48, 64))
    found = slice_features(Volume("v", (image,), np.eye(4)), axis)
    planes = np.moveaxis(image, axis, 0)
    n, h, w = planes.shape
    means = planes.reshape(n, 16, h // 16, 16, w // 16).mean(axis=(2, 4))
    expected = (means - means.mean()) / means.std()
    assert found == pytest.approx(expected.reshape(n, -1))


def test_features_of_thin_constant_and_broken_slices_are_numbers() -> None:
    image = np.full((3, 5, 1), 7.0)
    image[1, 2] = np.nan
    found = slice_features(Volume("v", (image, np.ones((3, 5, 1))), np.eye(4)), 0)
    assert found.shape == (3, 10)
    assert np.isfinite(found).all()
