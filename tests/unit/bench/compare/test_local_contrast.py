"""Pairs with and without a supervised local contrast."""

from __future__ import annotations

from typing import Any

import pytest

from napari_contrastseg.bench.compare import peers
from napari_contrastseg.bench.compare.local_contrast import (
    PAIRS,
    pairs_of,
    pairs_table,
)
from tests.kit.cells import a_cell

FIRST = PAIRS[0]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.question)
def test_the_pairs_are_recipes_that_there_are(pair: Any) -> None:
    for name in (pair.with_it, pair.without):
        peers.check(name, "sound", "cpu")


def runs(recipe: str, dice: float, seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    about = {"preset": "sound", "budget": "short", "request": {"dataset": "set"}}
    return [
        a_cell(recipe, fold, {f"{fold}-{i}": dice + 0.01 * i for i in range(3)})
        | about
        | {"seed": seed}
        for fold in (0, 1)
        for seed in seeds
    ]


@pytest.mark.parametrize(
    ("gain", "seeds", "answer"),
    [
        (0.1, (0, 1), "helps"),
        (-0.1, (0, 1), "costs"),
        (0.0, (0, 1), "not decided"),
        (0.1, (0,), "not decided"),
    ],
)
def test_a_pair_is_decided_over_folds_and_seeds(
    gain: float, seeds: tuple[int, ...], answer: str
) -> None:
    cells = runs(FIRST.with_it, 0.7 + gain, seeds) + runs(FIRST.without, 0.7, seeds)
    control = runs(FIRST.without, 0.1, seeds)[0] | {"control": "steps"}
    first, *others = pairs_of([*cells, control])
    assert first["answer"] == answer
    assert first["difference"]["mean"] == pytest.approx(gain)
    assert {row["answer"] for row in others} == {"not run"}
    text = pairs_table([first, *others])
    assert f"| 2, {len(seeds)} | {0.71 + gain:.3f} and 0.710 |" in text
