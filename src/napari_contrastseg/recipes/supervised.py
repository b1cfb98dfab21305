"""A plain U-Net on the labelled slices: the baseline of every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    RecipeSettings,
    fine_tuning,
    make_plan,
    supervised_term,
)
from napari_contrastseg.learning.plan.stage import Recipe

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(RecipeSettings):
    """What can be chosen."""


def plan(settings: Settings) -> Plan:
    """One stage: Dice + cross-entropy."""
    return make_plan(settings, fine_tuning(settings, [supervised_term()]))


RECIPE = Recipe(
    name="supervised",
    title="Supervised U-Net",
    summary="A U-Net with strong augmentation, trained on the labels alone.",
    presets={"sound": Settings(), "literal": Settings(**HU2021_TRAINING)},
    plan=plan,
    pretrains=False,
    unlabelled=False,
)
