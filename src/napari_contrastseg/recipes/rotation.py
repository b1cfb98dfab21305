"""Rotation: predict which of four right-angle turns a slice has; then fine-tuning.

Gidaris, Singh, Komodakis: Unsupervised representation learning by predicting image
rotations, ICLR 2018; a baseline of Chaitanya et al. 2020.
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
    from napari_contrastseg.learning.terms.pretext import Rotation  # noqa: PLC0415  loads torch

    task = pretraining(settings, Term("rotation", Rotation))
    return make_plan(settings, task, fine_tuning(settings, [supervised_term()]))


RECIPE = Recipe(
    name="rotation",
    title="Rotation",
    paper=(
        "Gidaris, Singh, Komodakis: Unsupervised representation learning by predicting "
        "image rotations, ICLR 2018"
    ),
    summary="Pretrains the encoder to predict how a slice was turned, then fine-tunes.",
    presets={"sound": Settings(), "literal": Settings(**CHAITANYA_PRETRAINING)},
    plan=plan,
)
