"""Context restoration: put swapped pieces of a slice back; then fine-tuning.

Chen, Bentley, Mori, Misawa, Fujiwara, Rueckert: Self-supervised learning for medical
image analysis using image context restoration, Medical Image Analysis 2019; a baseline
of Chaitanya et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.data.view import INTENSITY_ONLY, Augmentation
from napari_contrastseg.learning.plan.shared_settings import (
    CHAITANYA_PRETRAINING,
    Pretraining,
    fine_tuning,
    make_plan,
    pretraining,
    supervised_term,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Pretraining):
    """What can be chosen; the defaults are the ``sound`` preset."""

    pretrain_augmentation: Augmentation = INTENSITY_ONLY


def plan(settings: Settings) -> Plan:
    """Train the pretext task on all slices, then fine-tune."""
    from napari_contrastseg.learning.terms.pretext import ContextRestoration  # noqa: PLC0415  loads torch

    task = pretraining(
        settings,
        Term("context restoration", ContextRestoration),
        trains=("encoder", "decoder"),
    )
    return make_plan(settings, task, fine_tuning(settings, [supervised_term()]))


RECIPE = Recipe(
    name="context_restoration",
    title="Context restoration",
    paper=(
        "Chen et al.: Self-supervised learning for medical image analysis using image "
        "context restoration, Medical Image Analysis 2019"
    ),
    summary="Pretrains the network to put swapped pieces back, then fine-tunes.",
    presets={"sound": Settings(), "literal": Settings(**CHAITANYA_PRETRAINING)},
    plan=plan,
)
