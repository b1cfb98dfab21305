"""MoCo v2: contrast with a queue of an averaged encoder's keys, then fine-tuning.

He, Fan, Wu, Xie, Girshick: Momentum contrast for unsupervised visual representation
learning, CVPR 2020; Chen, Fan, Girshick, He: Improved baselines with momentum
contrastive learning, 2020. A row of CSSL's table 4.
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
    temperature_of,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(Pretraining):
    """What can be chosen; the defaults are the ``sound`` preset."""

    temperature: Annotated[float, temperature_of("contrast")] = 0.2
    queue: Annotated[
        int, Setting("Keys of earlier batches that repel.", min=1, max=1_000_000)
    ] = 1024
    momentum: Annotated[float, KEY_MOMENTUM] = 0.99


def plan(settings: Settings) -> Plan:
    """Let the encoder know a slice again, then everything the labels."""
    from napari_contrastseg.learning.terms.momentum_contrast import MomentumContrast  # noqa: PLC0415  loads torch

    s = settings
    contrast = partial(
        MomentumContrast, temperature=s.temperature, size=s.queue, decay=s.momentum
    )
    before = pretraining(
        s,
        Term("momentum contrast", contrast),
        2,
        ema=s.momentum,
        keeps_average=False,
        teacher="ema",
    )
    return make_plan(s, before, fine_tuning(s, [supervised_term()]))


#: Constants of MoCo v2 on ImageNet, with the network and fine-tuning of Hu et al. 2021.
LITERAL = Settings(
    **HU2021_TRAINING,
    pretrain_batch=256,
    pretrain_lr=3e-4,
    pretrain_steps=10_000,
    pretrain_share=1.0,
    queue=65_536,
    momentum=0.999,
)

RECIPE = Recipe(
    name="moco",
    title="MoCo",
    paper=(
        "He, Fan, Wu, Xie, Girshick: Momentum contrast for unsupervised visual "
        "representation learning, CVPR 2020; with a head of two layers as in v2"
    ),
    summary="Pretrains the encoder by contrast with a queue of earlier slices.",
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
)
