"""Summaries: paired differences, and the papers' values beside them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.bench.compare.summary import (
    _bootstrap,
    difference,
    summarise,
    table,
)
from tests.kit.cells import a_cell


def test_differences_are_paired_by_case_and_clustered_by_fold() -> None:
    base = [
        a_cell("supervised", 0, {"x": 0.5, "y": 0.7}),
        a_cell("supervised", 1, {"z": 0.2}),
    ]
    same = [
        a_cell("hu2021", 0, {"y": 0.8, "x": 0.6, "new": 1.0}),
        a_cell("hu2021", 1, {"z": 0.3}),
    ]
    found = difference(same, base)
    assert found == {
        "mean": 0.1, "interval": [0.1, 0.1], "cases": 3, "folds": 2, "seeds": 1,
    }  # fmt: skip
    apart = [same[0], a_cell("hu2021", 1, {"z": 0.0})]
    found = difference(apart, base, seed=1)
    assert found is not None
    assert found["mean"] == 0.0
    assert found["interval"] == [-0.2, 0.1]  # whole folds are drawn
    assert found == difference(apart, base, seed=1)
    one = difference([a_cell("a", 0, {"x": 0.6, "y": 0.6})], base)
    assert one is not None
    assert one["interval"] == [-0.1, 0.1]
    alone = difference([a_cell("a", 0, {"x": 0.6})], base)
    assert alone is not None
    assert alone["interval"] is None, "of one case there is none"
    assert difference([a_cell("hu2021", 5, {"x": 1.0})], base) is None


def test_the_summary_stands_beside_the_papers() -> None:
    name = "Task04_Hippocampus"
    found = [
        a_cell("supervised", 0, {"x": 0.7}),
        a_cell("supervised", 1, {"z": 0.8}),
        a_cell("hu2021+sampling=stride", 0, {"x": 0.75}),
        a_cell("hu2021+sampling=stride", 1, {"z": 0.85}),
    ]
    summary = summarise(found, name)
    row = summary["0.05"]["hu2021+sampling=stride"]
    assert row["mean_dice"]["mean"] == pytest.approx(0.8)
    assert row["mean_dice"]["sd"] == pytest.approx(0.1 / np.sqrt(2))
    assert row["peak_mb"] == {"mean": None, "sd": None}
    assert row["difference"]["mean"] == pytest.approx(0.05)
    assert "difference" not in summary["0.05"]["supervised"]
    (paper,) = row["published"]
    assert (paper["value"], paper["metric"]) == (0.822, "hu_pooled_dice")
    text = table(summary, name, "Made up.")
    assert "+0.050 [+0.050, +0.050]" in text
    assert "| 7 | Hu et al. 2021 | Mixup | 0.818 |" in text


def test_folds_of_one_size_are_drawn_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    folds = [rng.normal(size=4) for _ in range(3)]
    drawing, wanted = np.random.default_rng(7), []
    for _ in range(50):
        picked = [folds[i] for i in drawing.integers(0, 3, 3)]
        wanted.append(
            np.concatenate([p[drawing.integers(0, 4, 4)] for p in picked]).mean()
        )
    assert np.allclose(_bootstrap(folds, 50, 7), wanted, rtol=1e-12)
