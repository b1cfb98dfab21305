"""CPS: two networks teach each other their hard labels on unlabelled slices.

Chen, Yuan, Zeng, Wang: Semi-supervised semantic segmentation with cross pseudo
supervision, CVPR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.plan.shared_settings import (
    AGREEMENT,
    HU2021_TRAINING,
    Agreement,
    fine_tuning,
    make_plan,
    supervised_term,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Agreement):
    """What can be chosen; the defaults are the ``sound`` preset."""

    consistency: Annotated[float, AGREEMENT] = 0.5


def plan(settings: Settings) -> Plan:
    """One stage; the second network is a head that is dropped at the end."""
    from napari_contrastseg.learning.terms.consistency import CrossPseudoSupervision  # noqa: PLC0415  loads torch

    s = settings
    cross = Term(
        "cross pseudo supervision",
        partial(CrossPseudoSupervision, weight=s.consistency, ramp=s.ramp),
    )
    stage = fine_tuning(s, [supervised_term(), cross], unlabelled_view=unlabelled(s))
    return make_plan(s, stage)


RECIPE = Recipe(
    name="cps",
    title="Cross pseudo supervision",
    paper=(
        "Chen, Yuan, Zeng, Wang: Semi-supervised semantic segmentation with cross "
        "pseudo supervision, CVPR 2021"
    ),
    summary="Two U-Nets that learn from each other on unlabelled slices.",
    presets={"sound": Settings(), "literal": Settings(**HU2021_TRAINING)},
    plan=plan,
    pretrains=False,
)
