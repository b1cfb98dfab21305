"""Resolve a training request: recipe, preset and stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.plan.stage import stages_of
from napari_contrastseg.recipes import recipe_named, settings_of

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan, Stage
    from napari_contrastseg.tasks.requests import TrainRequest


def plan_of(request: TrainRequest) -> tuple[Plan, tuple[Stage, ...], Any]:
    """Resolve recipe and preset; returns the plan, the stages to run, the settings.

    Raises
    ------
    InputError
        There is no such recipe or preset, or nothing of it is to be run.
    """
    recipe = recipe_named(request.recipe)
    settings = request.settings or settings_of(recipe, request.preset)
    plan = recipe.plan(settings)
    stages = stages_of(plan, request.purposes)
    if not stages:
        raise InputError(
            f"Recipe {recipe.name} has no pretraining stage; press Fine-tune, or "
            "choose another recipe."
        )
    request.budget.check(stages)
    return plan, stages, settings
