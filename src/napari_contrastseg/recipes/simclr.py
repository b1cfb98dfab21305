"""SimCLR: global contrast between two views of every slice, then fine-tuning.

Chen, Kornblith, Norouzi, Hinton: A simple framework for contrastive learning of visual
representations, ICML 2020; the row "global" of Hu et al. 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.stage import (
    STRONG,
    Augmentation,
    Recipe,
    Stage,
    View,
)
from napari_contrastseg.learning.supervision import (
    AS_HU,
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

    temperature: float = 0.5
    global_batch: int = 16
    global_lr: float = 5e-4
    global_steps: int = 200
    global_share: float = 0.12
    global_augmentation: Augmentation = STRONG
    trained_head: bool = True


def plan(settings: Settings) -> Plan:
    """Let the encoder learn to know a slice again, then everything the labels."""
    from napari_contrastseg.learning import terms  # noqa: PLC0415  loads torch

    s = settings
    contrast = Stage(
        "global contrast",
        "pretrain",
        View("all", s.global_batch, 2, s.global_augmentation, s.pixels),
        (
            terms.global_contrast(
                temperature=s.temperature, trained_head=s.trained_head
            ),
        ),
        rate(s, s.global_lr),
        s.global_steps,
        s.global_share,
        trains=("encoder",),
    )
    return put_together(s, contrast, fine_tuning(s, [terms.supervised()]))


#: As Hu et al. 2021 compute their global stage.
LITERAL = Settings(
    **AS_HU,
    global_batch=120,
    global_lr=3e-4,
    global_steps=3600,
    global_share=1.0,
    global_augmentation=Augmentation(
        brightness=0.3,
        gamma=(0.7, 1.5),
        noise=0.1,
        elastic=0.05,
        rotation=180,
        scale=(0.7, 1.25),
        shift=0.1,
    ),
    trained_head=False,
)

RECIPE = Recipe(
    name="simclr",
    title="SimCLR",
    paper=(
        "Chen, Kornblith, Norouzi, Hinton: A simple framework for contrastive learning "
        "of visual representations, ICML 2020"
    ),
    summary="Pretrains the encoder by contrast between views of slices.",
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
)
