"""Adversarial training: masks of unlabelled slices must look like the others.

Zhang, Yang, Chen, Fredericksen, Hughes, Chen: Deep adversarial networks for biomedical
image segmentation utilizing unannotated images, MICCAI 2017. A row of table 2 of
Chaitanya et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    AS_CHAITANYA,
    SemiSupervision,
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
class Settings(SemiSupervision):
    """What can be chosen; the defaults are the ``sound`` preset."""

    weight: Annotated[
        float,
        Setting("λ, weight of the critic in the loss of the network.", min=0, max=100),
    ] = 0.1


def plan(settings: Settings) -> Plan:
    """One stage; the critic is a head that is dropped at the end."""
    from napari_contrastseg.learning.terms.adversarial import Adversary  # noqa: PLC0415  loads torch

    s = settings
    critic = Term("critic", partial(Adversary, weight=s.weight))
    stage = fine_tuning(s, [supervised_term(), critic], unlabelled_view=unlabelled(s))
    return make_plan(s, stage)


RECIPE = Recipe(
    name="adversarial",
    title="Adversarial training",
    paper=(
        "Zhang, Yang, Chen, Fredericksen, Hughes, Chen: Deep adversarial networks for "
        "biomedical image segmentation utilizing unannotated images, MICCAI 2017"
    ),
    summary=(
        "A critic learns to distinguish masks of unlabelled slices from those of "
        "labelled ones, and the network to mislead it."
    ),
    presets={
        "sound": Settings(),
        "literal": Settings(**AS_CHAITANYA, unlabelled_batch=20),
    },
    plan=plan,
    pretrains=False,
)
