"""PCL: slices at like positions attract, whatever their volume; then fine-tuning.

Zeng, Wu, Hu, Xu, Yuan, Huang, Zhuang, Hu, Shi: Positional contrastive learning for
volumetric medical image segmentation, MICCAI 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    CHAITANYA_PRETRAINING,
    Pretraining,
    fine_tuning,
    make_plan,
    pretraining,
    supervised_term,
    temperature_of,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Pretraining):
    """What can be chosen; the defaults are the ``sound`` preset."""

    near: Annotated[
        float,
        Setting(
            "Slices whose relative positions differ by less attract.", min=0, max=1
        ),
    ] = 0.1
    temperature: Annotated[float, temperature_of("contrast")] = 0.1


def plan(settings: Settings) -> Plan:
    """Let the encoder learn positions, then everything the labels."""
    from napari_contrastseg.learning.terms.position_contrast import PositionContrast  # noqa: PLC0415  loads torch

    s = settings
    contrast = Term(
        "position contrast",
        partial(PositionContrast, near=s.near, temperature=s.temperature),
    )
    return make_plan(
        s, pretraining(s, contrast, 2), fine_tuning(s, [supervised_term()])
    )


#: The threshold for the heart's short axis (ACDC).
LITERAL = Settings(**(CHAITANYA_PRETRAINING | {"pretrain_batch": 32}), near=0.35)

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
