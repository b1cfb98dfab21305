"""A plain U-Net on the labelled slices: the baseline of every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.plan.settings import (
    AS_HU,
    Supervision,
    fine_tuning,
    put_together,
)
from napari_contrastseg.learning.plan.stage import Recipe

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Supervision):
    """What can be chosen."""


def plan(settings: Settings) -> Plan:
    """One stage: Dice + cross-entropy."""
    from napari_contrastseg.learning.terms import supervised as terms  # noqa: PLC0415  loads torch

    return put_together(settings, fine_tuning(settings, [terms.supervised()]))


RECIPE = Recipe(
    name="supervised",
    title="Supervised U-Net",
    summary="A U-Net with strong augmentation, trained on the labels alone.",
    presets={"sound": Settings(), "literal": Settings(**AS_HU)},
    plan=plan,
    pretrains=False,
    unlabelled=False,
)
