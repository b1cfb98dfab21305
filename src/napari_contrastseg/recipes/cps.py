"""CPS: two networks teach each other their hard labels on unlabelled slices.

Chen, Yuan, Zeng, Wang: Semi-supervised semantic segmentation with cross pseudo
supervision, CVPR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.stage import Recipe, View
from napari_contrastseg.learning.supervision import (
    AS_HU,
    Supervision,
    fine_tuning,
    put_together,
)

if TYPE_CHECKING:
    from napari_contrastseg.learning.stage import Plan


@dataclass(frozen=True)
class Settings(Supervision):
    """What can be chosen; the defaults are the ``sound`` preset.

    Attributes
    ----------
    unlabelled_batch : int
        Slices of the second stream in a batch.
    consistency : float
        Weight of the consistency when it has risen.
    ramp : float
        Part of the training over which it rises.
    """

    unlabelled_batch: int = 8
    consistency: float = 0.5
    ramp: float = 0.4


def plan(settings: Settings) -> Plan:
    """One stage; the second network is a head that is dropped at the end."""
    from napari_contrastseg.learning import agreement, terms  # noqa: PLC0415

    s = settings
    beside = View(
        "unlabelled", s.unlabelled_batch, augmentation=s.augmentation, pixels=s.pixels
    )
    cross = agreement.cross_pseudo_supervision(s.consistency, s.ramp)
    return put_together(s, fine_tuning(s, [terms.supervised(), cross], beside=beside))


RECIPE = Recipe(
    name="cps",
    title="Cross pseudo supervision",
    paper=(
        "Chen, Yuan, Zeng, Wang: Semi-supervised semantic segmentation with cross "
        "pseudo supervision, CVPR 2021"
    ),
    summary="Two U-Nets that learn from each other on unlabelled slices.",
    presets={"sound": Settings(), "literal": Settings(**AS_HU)},
    plan=plan,
    pretrains=False,
)
