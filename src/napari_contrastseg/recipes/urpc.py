"""URPC: predictions of several scales agree on unlabelled slices.

Luo et al.: Efficient semi-supervised gross target volume of nasopharyngeal carcinoma
segmentation via uncertainty rectified pyramid consistency, MICCAI 2021.
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
    consistency: float = 0.1
    ramp: float = 0.4


def plan(settings: Settings) -> Plan:
    """One stage; a classifier at every scale of the decoder."""
    from napari_contrastseg.learning import agreement  # noqa: PLC0415  loads torch

    s = settings
    beside = View(
        "unlabelled", s.unlabelled_batch, augmentation=s.augmentation, pixels=s.pixels
    )
    agree = agreement.scale_consistency(s.consistency, s.ramp)
    return put_together(s, fine_tuning(s, [agree], beside=beside))


RECIPE = Recipe(
    name="urpc",
    title="Pyramid consistency",
    paper=(
        "Luo et al.: Efficient semi-supervised gross target volume of nasopharyngeal "
        "carcinoma segmentation via uncertainty rectified pyramid consistency, "
        "MICCAI 2021"
    ),
    summary="A U-Net whose scales also agree with each other on unlabelled slices.",
    presets={"sound": Settings(), "literal": Settings(**AS_HU)},
    plan=plan,
    pretrains=False,
)
