"""The papers' literal presets as `bench methods --preset literal --scale` runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.bench.compare.cells import Cell, budget_of, run
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.recipes import catalogue, recipe_named
from napari_contrastseg.samples.samples import phantom

if TYPE_CHECKING:
    from pathlib import Path

PAPERS = [name for name, recipe in catalogue().items() if recipe.group == "paper"]
#: Whose networks take seconds a step on a CPU; `tests/contracts/test_recipes.py` takes
#: a step with all literal presets, in small.
LIGHT = ["chaitanya2020", "clcc2022"]
#: So few steps that every stage has one or two.
LEAST = 1e-4


def literal(recipe: str, scale: float, dataset: str = "set") -> Cell:
    return Cell(dataset, recipe, "literal", 0.3, 0, 0, "full", "cpu", scale=scale)


@pytest.mark.parametrize("recipe", PAPERS)
def test_a_tenth_keeps_the_published_proportions(recipe: str) -> None:
    found = recipe_named(recipe)
    published = {s.name: s.steps for s in found.plan(found.presets["literal"]).stages}
    scaled = {s.stage: s.steps for s in budget_of(literal(recipe, 0.1)).stages}
    assert list(scaled) == list(published)
    for name, steps in scaled.items():
        assert steps == published[name] / 10, name


@pytest.mark.slow
@pytest.mark.parametrize("recipe", LIGHT)
def test_a_literal_preset_learns_and_predicts_slices_of_64(
    recipe: str, tmp_path: Path
) -> None:
    """Networks, losses and augmentations as published, on volumes of 64 x 64."""
    phantoms = (phantom(i, (4, 64, 64)) for i in range(5))
    entries = [LabelledVolume(s.volume, s.truth.astype(np.int16)) for s in phantoms]
    write_dataset(tmp_path / "set", entries, {1: "core", 2: "shell"})
    found = run(literal(recipe, LEAST, str(tmp_path / "set")))
    assert found["test_cases"]
    assert all(stage["steps"] <= 2 for stage in found["stages"])
    assert found["label_steps"] >= 1
    assert found["cpu_seconds"] > 0
