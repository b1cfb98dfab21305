"""Results of cells of `bench methods`, without training."""

from __future__ import annotations

from typing import Any

import numpy as np


def a_cell(recipe: str, fold: int, cases: dict[str, float]) -> dict[str, Any]:
    figures = dict.fromkeys(("pooled_dice", "hd95_mm", "assd_mm", "peak_mb"))
    mean = float(np.mean(list(cases.values())))
    return {
        "recipe": recipe, "fraction": 0.05, "fold": fold, "test_cases": cases,
        "mean_dice": mean, "hu_pooled_dice": mean, "seconds": 10.0,
        "labelled_cases": 7, "labelled_slices": 250, **figures,
    }  # fmt: skip
