"""Cells of bench methods: budgets and names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_contrastseg.bench.compare import cells
from napari_contrastseg.learning.plan.stage import Budget


def test_short_budgets_bound_each_stage() -> None:
    def lengths(recipe: str, **changes: Any) -> Budget:
        budget = changes.pop("budget", "short")
        cell = cells.Cell("d", recipe, "sound", 0.1, 0, 0, budget, "cpu", **changes)
        return cells.budget_of(cell)

    short = lengths("hu2021").stages
    assert short
    assert all(0 < (stage.steps or 0) <= cells.SHORT for stage in short)
    assert lengths("hu2021", budget="full") == Budget()
    assert lengths("hu2021", steps=3) == Budget(3)
    assert lengths("nnunet") == Budget(cells.SHORT)


def test_a_variant_has_a_name_that_every_system_takes() -> None:
    recipe = 'supervised+pixels=49152+augmentation={"mirror": true}'
    cell = cells.Cell("d", recipe, "sound", 0.05, 0, 0, "short", "cpu")
    assert cell.name == (
        "supervised+pixels=49152+augmentation=_mirror_true_-sound-0.05-fold0-seed0-short"
    )


def test_a_cell_that_begins_from_a_model_says_so() -> None:
    kind: Any = ("d", "mixup@simclr", "sound", 0.05, 0, 0, "short", "cpu")
    assert cells.Cell(*kind).name == "mixup_simclr-sound-0.05-fold0-seed0-short"
    begun = replace(cells.Cell(*kind), start="models/other data")
    assert begun.name.endswith("-short-from-other_data")
    names = [stage.stage for stage in cells.budget_of(begun).stages]
    assert names == ["global contrast", "fine-tune"]
