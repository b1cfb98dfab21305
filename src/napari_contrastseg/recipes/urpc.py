"""URPC: predictions of several scales agree on unlabelled slices.

Luo et al.: Efficient semi-supervised gross target volume of nasopharyngeal carcinoma
segmentation via uncertainty rectified pyramid consistency, MICCAI 2021.
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
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Agreement):
    """What can be chosen; the defaults are the ``sound`` preset."""

    consistency: Annotated[float, AGREEMENT] = 0.1


def plan(settings: Settings) -> Plan:
    """One stage; a classifier at every scale of the decoder."""
    from napari_contrastseg.learning.terms.consistency import ScaleConsistency  # noqa: PLC0415  loads torch

    s = settings
    scales = Term(
        "scale consistency",
        partial(ScaleConsistency, weight=s.consistency, ramp=s.ramp),
    )
    return make_plan(s, fine_tuning(s, [scales], unlabelled_view=unlabelled(s)))


RECIPE = Recipe(
    name="urpc",
    title="Pyramid consistency",
    paper=(
        "Luo et al.: Efficient semi-supervised gross target volume of nasopharyngeal "
        "carcinoma segmentation via uncertainty rectified pyramid consistency, "
        "MICCAI 2021"
    ),
    summary="A U-Net whose scales also agree with each other on unlabelled slices.",
    presets={"sound": Settings(), "literal": Settings(**HU2021_TRAINING)},
    plan=plan,
    pretrains=False,
)
