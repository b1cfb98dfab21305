"""Recipes are listed, make sensible plans, and are named in errors."""

from __future__ import annotations

import sys

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.recipes import catalogue, recipe_named, settings_of


def test_recipes_are_listed_without_torch() -> None:
    import subprocess

    code = (
        "import sys; from napari_contrastseg.recipes import catalogue; "
        "[r.presets for r in catalogue().values()]; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", sorted(catalogue()))
@pytest.mark.parametrize("preset", ["sound", "literal"])
def test_plans_make_sense(name: str, preset: str) -> None:
    recipe = recipe_named(name)
    plan = recipe.plan(settings_of(recipe, preset))
    assert plan.stages[-1].purpose == "fine-tune"
    assert recipe.pretrains == any(s.purpose == "pretrain" for s in plan.stages)
    assert recipe.summary.endswith(".")


def test_unknown_recipes_and_presets_are_named() -> None:
    with pytest.raises(InputError, match=r"choose one of .*hu2021"):
        recipe_named("magic")
    with pytest.raises(InputError, match="no preset 'x'"):
        settings_of(recipe_named("supervised"), "x")


def test_a_variant_is_a_recipe_with_other_settings() -> None:
    found = recipe_named("hu2021+steps=7+pairs=self")
    assert found.name == "hu2021+steps=7+pairs=self"
    settings = settings_of(found, "sound")
    assert (settings.steps, settings.pairs) == (7, "self")
    assert recipe_named("hu2021").presets["sound"].steps == 1000
    with pytest.raises(InputError, match="give NAME=VALUE"):
        recipe_named("hu2021+steps")
    with pytest.raises(InputError, match="no setting 'stepz'"):
        recipe_named("hu2021+stepz=3")


@pytest.mark.parametrize("change", ["steps=-1", "steps=many"])
def test_a_refused_value_names_the_option_that_it_was_given_to(change: str) -> None:
    with pytest.raises(InputError, match=r"^--recipe: steps: "):
        recipe_named(f"hu2021+{change}")
    name, value = change.split("=")
    with pytest.raises(InputError, match=r"^--set: steps: "):
        settings_of(recipe_named("hu2021"), "sound", {name: value})
