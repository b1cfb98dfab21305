"""Mixup: train on sums of pairs of slices, and of their losses.

Zhang, Cisse, Dauphin, Lopez-Paz: mixup: beyond empirical risk minimization, ICLR 2018;
a baseline of Hu et al. 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    RecipeSettings,
    fine_tuning,
    make_plan,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(RecipeSettings):
    """What can be chosen."""

    alpha: Annotated[
        float,
        Setting("Parts are drawn from Beta(alpha, alpha).", min=0.01, max=100),
    ] = 1.0


def plan(settings: Settings) -> Plan:
    """One stage on mixed slices."""
    from napari_contrastseg.learning.terms.supervised import MixUp  # noqa: PLC0415  loads torch

    mixed = Term("mixup", partial(MixUp, alpha=settings.alpha))
    return make_plan(settings, fine_tuning(settings, [mixed]))


RECIPE = Recipe(
    name="mixup",
    title="Mixup",
    paper=(
        "Zhang, Cisse, Dauphin, Lopez-Paz: mixup: beyond empirical risk minimization, "
        "ICLR 2018"
    ),
    summary="A U-Net trained on mixtures of labelled slices.",
    presets={"sound": Settings(), "literal": Settings(**HU2021_TRAINING)},
    plan=plan,
    pretrains=False,
    unlabelled=False,
)
