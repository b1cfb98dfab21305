"""Context restoration: put swapped pieces of a slice back; then fine-tuning.

Chen, Bentley, Mori, Misawa, Fujiwara, Rueckert: Self-supervised learning for medical
image analysis using image context restoration, Medical Image Analysis 2019; a baseline
of Chaitanya et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.stage import (
    INTENSITY_ONLY,
    Augmentation,
    Recipe,
    Stage,
    View,
)
from napari_contrastseg.learning.supervision import (
    AS_CHAITANYA,
    Supervision,
    fine_tuning,
    put_together,
    rate,
)

if TYPE_CHECKING:
    from napari_contrastseg.learning.stage import Plan


@dataclass(frozen=True)
class Settings(Supervision):
    """What can be chosen; the defaults are the ``sound`` preset."""

    pretext_batch: int = 16
    pretext_lr: float = 5e-4
    pretext_steps: int = 200
    pretext_share: float = 0.12
    pretext_augmentation: Augmentation = INTENSITY_ONLY


def plan(settings: Settings) -> Plan:
    """Train the pretext task on all slices, then fine-tune."""
    from napari_contrastseg.learning import pretext, terms  # noqa: PLC0415

    s = settings
    task = Stage(
        "context restoration",
        "pretrain",
        View(
            "all", s.pretext_batch, augmentation=s.pretext_augmentation, pixels=s.pixels
        ),
        (pretext.context_restoration(),),
        rate(s, s.pretext_lr),
        s.pretext_steps,
        s.pretext_share,
        trains=("encoder", "decoder"),
    )
    return put_together(s, task, fine_tuning(s, [terms.supervised()]))


LITERAL = Settings(
    **AS_CHAITANYA,
    pretext_batch=20,
    pretext_lr=1e-3,
    pretext_steps=10_000,
    pretext_share=1.0,
)

RECIPE = Recipe(
    name="context_restoration",
    title="Context restoration",
    paper=(
        "Chen et al.: Self-supervised learning for medical image analysis using image "
        "context restoration, Medical Image Analysis 2019"
    ),
    summary="Pretrains the network to put swapped pieces back, then fine-tunes.",
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
)
