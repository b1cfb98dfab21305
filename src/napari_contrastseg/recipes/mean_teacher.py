"""Mean teacher: the network agrees with its own running average on unlabelled slices.

Tarvainen, Valpola: Mean teachers are better role models, NeurIPS 2017, in two forms of
the medical literature. TCSM (Li et al. 2020): student(T(x)) like T(teacher(x)). UA-MT
(Yu et al. 2019): only where eight noisy passes of the teacher agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
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

    kind: Annotated[
        Literal["tcsm", "ua-mt"],
        Setting("How the teacher is asked; dropout at the bottleneck is part of both."),
    ] = "tcsm"
    network: NetworkSpec = field(default_factory=lambda: NetworkSpec(dropout=0.2))


def plan(settings: Settings) -> Plan:
    """One stage: supervised term and consistency with the averaged weights."""
    from napari_contrastseg.learning.terms.consistency import (  # noqa: PLC0415  loads torch
        TransformedTeacher,
        UncertaintyAwareTeacher,
    )

    s = settings
    agree = Term("consistency", TransformedTeacher, 1.0, s.ramp)
    if s.kind == "ua-mt":
        build = partial(UncertaintyAwareTeacher, ramp=s.ramp)
        agree = Term("consistency", build, 0.1, s.ramp)
    if s.consistency is not None:
        agree = replace(agree, weight=s.consistency)
    stage = fine_tuning(
        s,
        [supervised_term(), agree],
        unlabelled_view=unlabelled(s),
        teacher="ema",
    )
    return make_plan(s, stage)


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
        "literal": Settings(**(HU2021_TRAINING | {"ema": 0.999})),
    },
    plan=plan,
    pretrains=False,
)
