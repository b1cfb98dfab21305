"""Rows of the papers' tables: each is a variant that exists, or says why not."""

from __future__ import annotations

import pytest

from napari_contrastseg.bench.compare.published import published, rows_of, tables
from napari_contrastseg.recipes import recipe_named


def test_every_row_has_a_variant_or_a_reason() -> None:
    for table in tables():
        for row in table.rows:
            assert (row.variant is None) != (row.why is None), row
            assert len(row.values) == len(table.columns), row
            if row.variant is not None:
                recipe = recipe_named(row.variant)
                for settings in recipe.presets.values():
                    recipe.plan(settings)
            else:
                assert row.why is not None
                assert row.why.endswith(".")


@pytest.mark.parametrize(
    ("recipe", "preset", "row", "value"),
    [
        ("supervised", "sound", "random", 0.788),
        ("hu2021", "literal", "global+local(stride)", 0.822),
        ("hu2021+sampling=block", "sound", "global+local(block)", 0.824),
        ("hu2021+global_steps=0+sampling=block", "sound", "local(block)", 0.817),
        ("hu2021+pairs=self", "sound", "global+local(self)", 0.808),
        ("mean_teacher", "sound", "TCSM", 0.796),
    ],
)
def test_a_variant_finds_its_row(
    recipe: str, preset: str, row: str, value: float
) -> None:
    (found,) = published("Task04_Hippocampus", 7, recipe, preset)
    assert (found["row"], found["value"]) == (row, value)


def test_a_pretraining_of_another_finds_its_row() -> None:
    (found,) = published("ACDC", 2, "mixup@chaitanya2020")
    assert found["row"] == "Proposed init. + Mixup"
    (found,) = published("ACDC", 2, "mixup")
    assert found["row"] == "Mixup"
    assert not published("ACDC", 2, "mixup@simclr")


def test_what_no_paper_ran_has_no_row() -> None:
    assert not published("Task04_Hippocampus", 7, "hu2021"), "pixels: exact"
    assert not published("Task04_Hippocampus", 7, "random_forest")
    assert not published("Task04_Hippocampus", 8, "supervised")
    assert not rows_of("recommended")


def test_percents_become_parts() -> None:
    (found,) = published("Kvasir-SEG", 120, "clcc2022")
    assert found["value"] == 0.7363
