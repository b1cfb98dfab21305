"""Controls of a recipe: made from its result, found again, and what they decide."""

from __future__ import annotations

from typing import Any

import pytest

from napari_contrastseg.bench.compare.cells import Cell, budget_of, label_steps
from napari_contrastseg.bench.compare.controls import (
    control_cell,
    control_recipe,
    verdict,
)
from napari_contrastseg.bench.compare.orders import orders, orders_table
from napari_contrastseg.recipes import catalogue, recipe_named
from napari_contrastseg.tasks.events import StageReport
from tests.kit.cells import a_cell

RECIPES = [name for name in catalogue() if name != "supervised"]


def asked(recipe: str, preset: str = "sound", **changes: Any) -> Cell:
    return Cell("set", recipe, preset, 0.1, 0, 0, "full", "cpu", **changes)


@pytest.mark.parametrize("preset", ["sound", "literal"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_control_has_the_recipes_network_and_settings(
    recipe: str, preset: str
) -> None:
    theirs = recipe_named(recipe).presets[preset]
    control = recipe_named(control_recipe(recipe, preset)).presets[preset]
    assert type(control) is type(catalogue()["supervised"].presets["sound"])
    for name, value in vars(control).items():
        if name not in ("steps", "every_axis"):
            assert value == getattr(theirs, name), name


def test_controls_are_made_from_what_the_recipe_took() -> None:
    cell = asked("cssl2021", scale=0.1)
    lengths = {entry.stage: entry.steps for entry in budget_of(cell).stages}
    assert lengths["first labels"] == 30
    assert lengths["fine-tune"] == 100
    done = [StageReport(name, steps or 0, 1.0, ()) for name, steps in lengths.items()]
    assert label_steps(cell, done) == 30 + 10 + 10 + 10 + 100
    found = {"label_steps": 160, "cpu_seconds": 90.0, "seconds": 7.0, "device": "cpu"}
    steps = control_cell(cell, "steps", found, None)
    assert steps is not None
    assert steps.recipe == 'supervised+network={"attention": true}'
    assert budget_of(steps).steps == steps.control_steps == 160
    first = found | {"cpu_seconds": 30.0}
    longer = control_cell(cell, "time", found, first)
    assert longer is not None
    assert longer.control_steps == 480
    assert longer.name == "cssl2021-sound-0.1-fold0-seed0-full-x0.1-control-time"
    older = {"device": "cpu", "seconds": 7.0}
    assert control_cell(cell, "steps", older, None) is None
    assert control_cell(cell, "time", older, None) is None


def test_pretraining_without_labels_gives_a_control_no_steps() -> None:
    done = [
        StageReport("global contrast", 80, 1.0, ()),
        StageReport("fine-tune", 9, 1.0, ()),
    ]
    assert label_steps(asked("simclr"), done) == 9
    axes = [StageReport("fine-tune", 9, 1.0, (), axis) for axis in range(3)]
    assert label_steps(asked("recommended"), axes) == 9, "of one of its networks"


def gap(low: float, high: float, folds: int = 2, seeds: int = 2) -> dict[str, Any]:
    return {"interval": [low, high], "folds": folds, "seeds": seeds}


@pytest.mark.parametrize(
    ("steps", "time", "said"),
    [
        (gap(0.01, 0.02), gap(0.01, 0.03), "reproduced"),
        (gap(0.01, 0.02), gap(-0.01, 0.03), "not decided"),
        (gap(0.01, 0.02), gap(-0.03, -0.01), "not reproduced"),
        (gap(0.01, 0.02), None, "not decided"),
        (gap(0.01, 0.02, folds=1), gap(0.01, 0.02), "not decided"),
        (gap(0.01, 0.02), gap(0.01, 0.02, seeds=1), "not decided"),
        (None, gap(-0.02, -0.01, seeds=1), "not decided"),
        (None, None, "not decided"),
    ],
)
def test_an_order_counts_only_against_both_controls(
    steps: Any, time: Any, said: str
) -> None:
    assert verdict({"steps": steps, "time": time}) == said


def test_the_table_of_orders() -> None:
    def run(dice: float, fold: int, seed: int, control: str | None) -> dict[str, Any]:
        cases = {f"{fold}-{i}": dice + 0.01 * i for i in range(3)}
        recipe = "supervised" if control else "hu2021"
        about = {"seed": seed, "preset": "sound", "budget": "full", "scale": 0.1}
        of = {"control": control, "control_of": "hu2021", "control_steps": 7}
        named = {"request": {"dataset": "set"}}
        return a_cell(recipe, fold, cases) | about | named | (of if control else {})

    runs = [
        run(dice, fold, seed, control)
        for dice, control in ((0.8, None), (0.7, "steps"), (0.75, "time"))
        for fold in (0, 1)
        for seed in (0, 1)
    ]
    (row,) = orders(runs)
    assert row["verdict"] == "reproduced"
    assert row["controls"]["time"]["mean"] == pytest.approx(0.05)
    assert (row["folds"], row["seeds"]) == ([0, 1], [0, 1])
    text = orders_table([row])
    assert (
        "| `hu2021` | 2, 2 | 0.810 | 0.710 (7 steps), +0.100 [+0.100, +0.100] |" in text
    )
    (half,) = orders([one for one in runs if one.get("control") != "time"])
    assert half["verdict"] == "not decided"
    assert "not run" in orders_table([half])
