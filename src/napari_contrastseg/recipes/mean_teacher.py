"""Mean teacher: the network agrees with its own running average on unlabelled slices.

Tarvainen, Valpola: Mean teachers are better role models, NeurIPS 2017, in two forms of
the medical literature. TCSM (Li et al. 2020): student(T(x)) like T(teacher(x)). UA-MT
(Yu et al. 2019): only where eight noisy passes of the teacher agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
    kind : {"tcsm", "ua-mt"}
    unlabelled_batch : int
        Slices of the second stream in a batch.
    consistency : float
        Weight of the consistency when it has risen.
    ramp : float
        Part of the training over which it rises.
    """

    kind: Literal["tcsm", "ua-mt"] = "tcsm"
    unlabelled_batch: int = 8
    consistency: float = 1.0
    ramp: float = 0.4


def plan(settings: Settings) -> Plan:
    """One stage: supervised term and consistency with the averaged weights."""
    from napari_contrastseg.learning import agreement, terms  # noqa: PLC0415

    s = settings
    beside = View(
        "unlabelled", s.unlabelled_batch, augmentation=s.augmentation, pixels=s.pixels
    )
    agree = (
        agreement.uncertainty_aware
        if s.kind == "ua-mt"
        else agreement.transformed_teacher
    )
    stage = fine_tuning(
        s,
        [terms.supervised(), agree(s.consistency, s.ramp)],
        beside=beside,
        teacher="ema",
    )
    return put_together(s, stage)


RECIPE = Recipe(
    name="mean_teacher",
    title="Mean teacher",
    paper=(
        "Tarvainen, Valpola: Mean teachers are better role models, NeurIPS 2017; "
        "Li et al.: Transformation-consistent self-ensembling model, TNNLS 2020; "
        "Yu et al.: Uncertainty-aware self-ensembling model, MICCAI 2019"
    ),
    summary="A U-Net that agrees with its running average on unlabelled slices.",
    presets={
        "sound": Settings(),
        "literal": Settings(**(AS_HU | {"ema": 0.999})),
    },
    plan=plan,
    pretrains=False,
)
