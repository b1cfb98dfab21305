"""IDEAL: dense contrast between views, then two decoders that supervise each other.

Basak, Chattopadhyay, Kundu, Nag, Mallipeddi: IDEAL: improved dense local contrastive
learning for semi-supervised medical image segmentation, ICASSP 2023. The encoder is
pretrained so that a place looks alike in two views of its slice and unlike other
slices; then a transposed-convolution and a bilinear decoder share it, and each learns
the other's labels where there are none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.data.view import STRONG, Augmentation, View
from napari_contrastseg.learning.networks.spec import RESNET50_WIDTHS, NetworkSpec
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    SemiSupervision,
    fine_tuning,
    make_plan,
    rate,
    stage_augmentation,
    stage_batch,
    stage_lr,
    stage_share,
    stage_steps,
    temperature_of,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe, Stage
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(SemiSupervision):
    """What can be chosen; the defaults are the ``sound`` preset."""

    temperature: Annotated[float, temperature_of("dense contrast")] = 0.2
    dense_batch: Annotated[int, stage_batch("dense contrast")] = 8
    dense_lr: Annotated[float, stage_lr("dense contrast")] = 5e-4
    dense_steps: Annotated[int, stage_steps("dense contrast")] = 150
    dense_share: Annotated[float, stage_share("dense contrast")] = 0.1
    dense_augmentation: Annotated[
        Augmentation, stage_augmentation("dense contrast")
    ] = STRONG
    one_view: Annotated[
        bool,
        Setting(
            "Only the other view's vectors of other slices repel, as in the paper; "
            "else those of both views."
        ),
    ] = False
    global_contrast: Annotated[
        float,
        Setting(
            "Weight of a global contrast between views beside the dense one; 0: none.",
            min=0,
        ),
    ] = 0.0
    cross: Annotated[
        float, Setting("Weight of what the decoders learn from each other.", min=0)
    ] = 1.0
    dice: Annotated[
        bool,
        Setting(
            "Soft Dice beside the cross-entropy on what is labelled.", before=False
        ),
    ] = True
    network: NetworkSpec = field(default_factory=lambda: NetworkSpec(peer=True))


def plan(settings: Settings) -> Plan:
    """Dense contrast of the encoder, then bidirectional consistency."""
    from napari_contrastseg.learning.terms.consistency import PeerDecoders  # noqa: PLC0415  loads torch
    from napari_contrastseg.learning.terms.dense_contrast import DenseContrast  # noqa: PLC0415  loads torch
    from napari_contrastseg.learning.terms.global_contrast import GlobalContrast  # noqa: PLC0415  loads torch

    s = settings
    dense = partial(DenseContrast, temperature=s.temperature, one_view=s.one_view)
    terms = [Term("dense contrast", dense)]
    if s.global_contrast:
        whole = partial(GlobalContrast, temperature=s.temperature)
        terms.append(Term("global contrast", whole, s.global_contrast))
    contrast = Stage(
        "dense contrast",
        "pretrain",
        View("all", s.dense_batch, 2, s.dense_augmentation, s.pixels),
        tuple(terms),
        rate(s, s.dense_lr),
        s.dense_steps,
        s.dense_share,
        trains=("encoder",),
    )
    decoders = Term("two decoders", partial(PeerDecoders, weight=s.cross, dice=s.dice))
    both = fine_tuning(s, [decoders], unlabelled_view=unlabelled(s))
    return make_plan(s, contrast, both)


#: As far as the paper says; its code was not available.
LITERAL = Settings(
    **(
        HU2021_TRAINING
        | {
            "lr": 1e-5,
            "network": NetworkSpec(
                (32, *RESNET50_WIDTHS), "batch", "batch", encoder="resnet50", peer=True
            ),
        }
    ),
    dense_batch=8,
    dense_lr=1e-3,
    dense_steps=10_000,
    dense_share=1.0,
    dice=False,
    one_view=True,
)

RECIPE = Recipe(
    name="ideal2023",
    title="Dense contrast + two decoders",
    paper=(
        "Basak et al.: IDEAL: improved dense local contrastive learning for "
        "semi-supervised medical image segmentation, ICASSP 2023"
    ),
    summary=(
        "Pretrains the encoder by contrast between places of slices, then trains two "
        "decoders that teach each other."
    ),
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
    group="paper",
)
