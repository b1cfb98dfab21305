"""Inpainting: restore masked boxes of a slice; then fine-tuning, decoder and all.

Pathak, Krähenbühl, Donahue, Darrell, Efros: Context encoders, CVPR 2016; a baseline of
Chaitanya et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.data.view import INTENSITY_ONLY, Augmentation
from napari_contrastseg.learning.plan.settings import (
    CHAITANYA_PRETRAINING,
    Pretraining,
    fine_tuning,
    make_plan,
    pretraining,
)
from napari_contrastseg.learning.plan.stage import Recipe

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Pretraining):
    """What can be chosen; the defaults are the ``sound`` preset."""

    pretrain_augmentation: Augmentation = INTENSITY_ONLY


def plan(settings: Settings) -> Plan:
    """Train the pretext task on all slices, then fine-tune."""
    from napari_contrastseg.learning.terms import pretext  # noqa: PLC0415
    from napari_contrastseg.learning.terms import supervised as terms  # noqa: PLC0415

    everything = ("encoder", "decoder")
    task = pretraining(settings, pretext.inpainting(), trains=everything)
    return make_plan(settings, task, fine_tuning(settings, [terms.supervised()]))


RECIPE = Recipe(
    name="inpainting",
    title="Inpainting",
    paper=(
        "Pathak, Krähenbühl, Donahue, Darrell, Efros: Context encoders: feature "
        "learning by inpainting, CVPR 2016"
    ),
    summary="Pretrains the network to restore masked boxes of slices, then fine-tunes.",
    presets={"sound": Settings(), "literal": Settings(**CHAITANYA_PRETRAINING)},
    plan=plan,
)
