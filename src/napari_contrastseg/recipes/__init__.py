"""The methods, one a file; every module with a `RECIPE` is found by itself."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plugins import discover
from napari_contrastseg.learning.plan.combined import combined
from napari_contrastseg.learning.plan.setting import changed
from napari_contrastseg.learning.plan.stage import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a user gets who does not choose.
DEFAULT = "recommended"


@cache
def catalogue() -> dict[str, Recipe]:
    """All recipes by name; loads no torch."""
    return discover(__name__, "RECIPE", Recipe)


def recipe_named(name: str) -> Recipe:
    """Find a recipe, a variant of one, or one with the pretraining of another.

    ``NAME+SETTING=VALUE+...`` is a variant; ``mixup@chaitanya2020`` is Mixup that
    begins from the pretraining of chaitanya2020, and each part may be a variant.

    Raises
    ------
    InputError
        There is no such recipe or setting, it cannot have that value, or the second
        part has no pretraining.
    """
    tuned, at, pretrained = name.partition("@")
    base, *changes = tuned.split("+")
    try:
        recipe = catalogue()[base]
    except KeyError:
        raise InputError(
            f"There is no recipe {base!r}; choose one of {', '.join(catalogue())}."
        ) from None
    wanted = dict(named_value(change, "--recipe") for change in changes)
    if wanted:
        presets = {
            p: settings_of(recipe, p, wanted, "--recipe") for p in recipe.presets
        }
        recipe = replace(recipe, name=tuned, presets=presets)
    if not at:
        return recipe
    theirs = pretrained.partition("@")[0].split("+")[1:]
    named = {change.partition("=")[0].strip() for change in theirs}
    return combined(name, recipe, recipe_named(pretrained), (set(wanted), named))


def base_of(name: str) -> str:
    """Name the recipe that a variant is one of: what stands before ``+`` and ``@``."""
    return re.split("[+@]", name, maxsplit=1)[0]


def named_value(change: str, option: str) -> tuple[str, str]:
    """Split ``NAME=VALUE``.

    Raises
    ------
    InputError
        Naming the option that it was given to.
    """
    name, equals, value = change.partition("=")
    if not equals:
        raise InputError(f"{option} {change!r}: give NAME=VALUE.")
    return name.strip(), value.strip()


def settings_of(
    recipe: Recipe,
    preset: str,
    changes: Mapping[str, str] | None = None,
    option: str = "--set",
) -> Any:
    """Find the settings of a preset, with some values changed.

    Raises
    ------
    InputError
        There is no such preset or setting, or it does not take that value: naming the
        option that the changes were given to.
    """
    try:
        settings = recipe.presets[preset]
    except KeyError:
        raise InputError(
            f"Recipe {recipe.name} has no preset {preset!r}; choose one of "
            f"{', '.join(recipe.presets)}."
        ) from None
    unknown = f"Recipe {recipe.name} has no setting"
    return changed(settings, changes or {}, unknown, option)
