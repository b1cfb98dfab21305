"""PixPro: places of a slice, smoothed by those like them, agree across two views.

Xie, Lin, Zhang, Cao, Lin, Hu: Propagate yourself: exploring pixel-level consistency for
unsupervised visual representation learning, CVPR 2021. A row of CSSL's table 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    KEY_MOMENTUM,
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

    pretrain_batch: int = 8
    sharpness: Annotated[
        float, Setting("Exponent of the likeness of two places.", min=0, max=16)
    ] = 2.0
    distance: Annotated[
        float,
        Setting(
            "Largest distance of what shows one place in both views, in diagonals of a "
            "pixel of the map.",
            min=0,
            max=10,
        ),
    ] = 0.7
    momentum: Annotated[float, KEY_MOMENTUM] = 0.99


def plan(settings: Settings) -> Plan:
    """Let places agree across views, then teach everything the labels."""
    from napari_contrastseg.learning.terms.pixel_propagation import PixelPropagation  # noqa: PLC0415  loads torch

    s = settings
    agree = partial(
        PixelPropagation,
        sharpness=s.sharpness,
        distance=s.distance,
        decay=s.momentum,
    )
    before = pretraining(
        s,
        Term("pixel propagation", agree),
        2,
        ema=s.momentum,
        keeps_average=False,
        teacher="ema",
    )
    return make_plan(s, before, fine_tuning(s, [supervised_term()]))


#: Constants of the paper, with the network and fine-tuning of Hu et al. 2021.
LITERAL = Settings(
    **HU2021_TRAINING,
    pretrain_batch=1024,
    pretrain_lr=3e-4,
    pretrain_steps=10_000,
    pretrain_share=1.0,
)

RECIPE = Recipe(
    name="pixpro",
    title="PixPro",
    paper=(
        "Xie, Lin, Zhang, Cao, Lin, Hu: Propagate yourself: exploring pixel-level "
        "consistency for unsupervised visual representation learning, CVPR 2021"
    ),
    summary=(
        "Pretrains the encoder so that places of a slice agree in two views of it, "
        "without any that repel."
    ),
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
)
