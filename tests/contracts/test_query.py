"""Every query strategy keeps its contract; each is found by itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.query import DEFAULT, catalogue, names, strategy_named
from napari_contrastseg.query.strategy import MOST, Pool, PoolVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.query.strategy import Strategy

STRATEGIES = list(catalogue().values())
each = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)


def a_volume(
    seed: int, count: int, still_open: NDArray[np.int64], *, related: bool = True
) -> PoolVolume:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (count, 6, 7))
    scores = score_slices(labels, rng.random(labels.shape), 0)
    features = rng.normal(size=(count, 5))
    return PoolVolume(count, still_open, scores, related, lambda: features)


def a_pool(seed: tuple[int, ...] = (3,)) -> Pool:
    volumes = {
        "a": a_volume(0, 12, np.setdiff1d(np.arange(12), [2, 7])),
        "b": a_volume(1, 9, np.arange(9)),
        "c": a_volume(2, 5, np.arange(0)),
        "pictures": a_volume(3, 6, np.arange(1, 6), related=False),
    }
    return Pool(volumes, seed=seed)


def places(strategy: Strategy, pool: Pool) -> list[tuple[str, int]]:
    return [(s.volume_id, s.index) for s in strategy.query(pool)]


def open_places(pool: Pool) -> list[tuple[str, int]]:
    return [(name, int(i)) for name, v in pool.volumes.items() for i in v.open]


@each
def test_every_open_slice_comes_once_and_no_other(strategy: Strategy) -> None:
    pool = a_pool()
    assert sorted(places(strategy, pool)) == sorted(open_places(pool))


@each
def test_equal_pools_give_equal_lists(strategy: Strategy) -> None:
    assert strategy.query(a_pool()) == strategy.query(a_pool())


@each
def test_the_list_has_an_end(strategy: Strategy) -> None:
    pool = Pool({"long": a_volume(0, MOST + 20, np.arange(MOST + 20))})
    assert len(set(places(strategy, pool))) == MOST
    assert len(set(places(strategy, replace(pool, most=MOST + 10)))) == MOST + 10
    assert places(strategy, replace(pool, most=7)) == places(strategy, pool)[:7]


@each
def test_nothing_comes_where_nothing_is_open(strategy: Strategy) -> None:
    assert strategy.query(Pool({})) == []
    assert strategy.query(Pool({"a": a_volume(0, 5, np.arange(0))})) == []


@each
def test_without_a_prediction_it_suggests_or_says_that_it_needs_one(
    strategy: Strategy,
) -> None:
    pool = a_pool()
    bare = Pool({n: replace(v, scores=None) for n, v in pool.volumes.items()})
    found = places(strategy, bare)
    assert (
        found == []
        if strategy.needs_scores
        else sorted(found) == sorted(open_places(bare))
    )


@each
def test_only_a_strategy_that_says_so_asks_for_features(strategy: Strategy) -> None:
    asked: list[str] = []

    def features_of(name: str, count: int) -> NDArray[np.float64]:
        asked.append(name)
        return np.zeros((count, 1))

    volumes = {
        n: replace(v, features=partial(features_of, n, v.count))
        for n, v in a_pool().volumes.items()
    }
    strategy.query(Pool(volumes))
    assert bool(asked) == strategy.needs_features


@each
def test_a_strategy_says_what_it_is(strategy: Strategy) -> None:
    assert strategy.name.isidentifier()
    assert strategy.summary.endswith(".")
    assert strategy.title


def test_names_and_aliases_are_found_and_differ() -> None:
    assert len(set(names())) == len(names())
    assert strategy_named("queue") is strategy_named("expected_error")
    assert DEFAULT in catalogue()
    assert {"even", "random", "uncertainty", "k_center"} <= set(catalogue())
    with pytest.raises(InputError, match="no query strategy 'magic'; choose one of"):
        strategy_named("magic")
