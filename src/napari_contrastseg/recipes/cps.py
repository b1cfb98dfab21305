"""CPS: two networks teach each other their hard labels on unlabelled slices.

Chen, Yuan, Zeng, Wang: Semi-supervised semantic segmentation with cross pseudo
supervision, CVPR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.plan.settings import (
    HU2021_TRAINING,
    Agreement,
    fine_tuning,
    make_plan,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Agreement):
    """What can be chosen; the defaults are the ``sound`` preset."""

    consistency: float = 0.5


def plan(settings: Settings) -> Plan:
    """One stage; the second network is a head that is dropped at the end."""
    from napari_contrastseg.learning.terms import (  # noqa: PLC0415
        consistency as agreement,
    )
    from napari_contrastseg.learning.terms import (  # noqa: PLC0415
        supervised as terms,
    )

    s = settings
    cross = agreement.cross_pseudo_supervision(s.consistency, s.ramp)
    return make_plan(
        s, fine_tuning(s, [terms.supervised(), cross], beside=unlabelled(s))
    )


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
