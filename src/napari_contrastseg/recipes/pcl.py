"""PCL: slices at like positions attract, whatever their volume; then fine-tuning.

Zeng, Wu, Hu, Xu, Yuan, Huang, Zhuang, Hu, Shi: Positional contrastive learning for
volumetric medical image segmentation, MICCAI 2021.
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
    """What can be chosen; the defaults are the ``sound`` preset.

    Attributes
    ----------
    least_apart : float
        Slices whose relative positions differ by less attract.
    """

    least_apart: float = 0.1
    temperature: float = 0.1
    global_batch: int = 16
    global_lr: float = 5e-4
    global_steps: int = 200
    global_share: float = 0.12
    global_augmentation: Augmentation = STRONG


def plan(settings: Settings) -> Plan:
    """Let the encoder learn positions, then everything the labels."""
    from napari_contrastseg.learning import structure, terms  # noqa: PLC0415

    s = settings
    contrast = Stage(
        "position contrast",
        "pretrain",
        View("all", s.global_batch, 2, s.global_augmentation, s.pixels),
        (structure.position_contrast(least=s.least_apart, temperature=s.temperature),),
        rate(s, s.global_lr),
        s.global_steps,
        s.global_share,
        trains=("encoder",),
    )
    return put_together(s, contrast, fine_tuning(s, [terms.supervised()]))


#: The threshold for the heart's short axis (ACDC).
LITERAL = Settings(
    **AS_CHAITANYA,
    least_apart=0.35,
    global_batch=32,
    global_lr=1e-3,
    global_steps=10_000,
    global_share=1.0,
)

RECIPE = Recipe(
    name="pcl",
    title="Positional contrast",
    paper=(
        "Zeng et al.: Positional contrastive learning for volumetric medical image "
        "segmentation, MICCAI 2021"
    ),
    summary="Pretrains the encoder so that slices at like positions look alike to it.",
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
)
