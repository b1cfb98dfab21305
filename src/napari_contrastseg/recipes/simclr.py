"""SimCLR: global contrast between two views of every slice, then fine-tuning.

Chen, Kornblith, Norouzi, Hinton: A simple framework for contrastive learning of visual
representations, ICML 2020; the row "global" of Hu et al. 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    HU_VIEWS,
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

    temperature: Annotated[float, temperature_of("contrast")] = 0.5
    trained_head: Annotated[
        bool, Setting("Train the projection head; else it stays random.")
    ] = True


def plan(settings: Settings) -> Plan:
    """Let the encoder learn to know a slice again, then everything the labels."""
    from napari_contrastseg.learning.terms.global_contrast import GlobalContrast  # noqa: PLC0415  loads torch

    s = settings
    contrast = Term(
        "global contrast",
        partial(GlobalContrast, temperature=s.temperature, trained_head=s.trained_head),
    )
    return make_plan(
        s, pretraining(s, contrast, 2), fine_tuning(s, [supervised_term()])
    )


#: As Hu et al. 2021 compute their global stage.
LITERAL = Settings(
    **HU2021_TRAINING,
    pretrain_batch=120,
    pretrain_lr=3e-4,
    pretrain_steps=3600,
    pretrain_share=1.0,
    pretrain_augmentation=HU_VIEWS,
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
