"""Hu et al. 2021: global contrast, then supervised local contrast, then fine-tuning.

Hu, Zeng, Xu, Shi: Semi-supervised contrastive learning for label-efficient medical
image segmentation, MICCAI 2021. The encoder is pretrained with NT-Xent between two
views of every slice (eq. 1); the whole network with a supervised contrast between the
pixels of labelled slices (eq. 2, as their code computes it); then it is fine-tuned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from napari_contrastseg.learning.data.view import (
    INTENSITY_ONLY,
    STRONG,
    Augmentation,
    View,
)
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    HU_VIEWS,
    RecipeSettings,
    fine_tuning,
    make_plan,
    rate,
    stage_augmentation,
    stage_batch,
    stage_lr,
    stage_share,
    stage_steps,
    supervised_term,
    temperature_of,
)
from napari_contrastseg.learning.plan.stage import Recipe, Stage
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(RecipeSettings):
    """What can be chosen; the defaults are the ``sound`` preset."""

    sampling: Annotated[
        Literal["stride", "block", "exact"],
        Setting("Which pixels enter the local contrast."),
    ] = "exact"
    pairs: Annotated[
        Literal["label", "self"],
        Setting(
            "label: positives share the class; self: they are the same place in two "
            "views (the paper's self-supervised baseline)."
        ),
    ] = "label"
    global_temperature: Annotated[float, temperature_of("global contrast")] = 0.5
    local_temperature: Annotated[float, temperature_of("local contrast")] = 0.1
    global_batch: Annotated[int, stage_batch("global contrast")] = 16
    local_batch: Annotated[int, stage_batch("local contrast")] = 6
    global_lr: Annotated[float, stage_lr("global contrast")] = 5e-4
    local_lr: Annotated[float, stage_lr("local contrast")] = 5e-4
    global_steps: Annotated[int, stage_steps("global contrast")] = 80
    local_steps: Annotated[int, stage_steps("local contrast")] = 100
    global_share: Annotated[float, stage_share("global contrast")] = 0.05
    local_share: Annotated[float, stage_share("local contrast")] = 0.07
    stride: Annotated[
        int, Setting("Rows and columns from one pixel to the next in stride.", min=1)
    ] = 4
    block: Annotated[
        int, Setting("Side of a block in block.", min=2, unit="pixels")
    ] = 16
    background_ratio: Annotated[
        float | None,
        Setting(
            "Background pixels kept for each foreground pixel in the local contrast; "
            "null: all.",
            min=0,
        ),
    ] = 1.0
    foreground_limit: Annotated[
        int | None,
        Setting(
            "Most foreground pixels in one local contrast; above it an equal number of "
            "each class is drawn at random. 0: no limit; null: 4096 on a CPU, no limit "
            "on a GPU.",
            min=0,
        ),
    ] = None
    balanced: Annotated[
        bool, Setting("Average anchors within each class, then over classes.")
    ] = True
    trained_global_head: Annotated[
        bool, Setting("Train the global projection head; else it stays random.")
    ] = True
    relu_in_local_head: Annotated[
        bool, Setting("A non-linearity in the local projection head.")
    ] = True
    literal_loss: Annotated[
        bool, Setting("Eq. 2 and 3 as printed instead of as their code computes it.")
    ] = False
    global_augmentation: Annotated[
        Augmentation, stage_augmentation("global contrast")
    ] = STRONG
    local_augmentation: Annotated[
        Augmentation, stage_augmentation("local contrast")
    ] = STRONG


def plan(settings: Settings) -> Plan:
    """Three stages, as in the paper's section 3."""
    from napari_contrastseg.learning.terms.global_contrast import GlobalContrast  # noqa: PLC0415  loads torch

    s = settings
    global_contrast = partial(
        GlobalContrast,
        temperature=s.global_temperature,
        trained_head=s.trained_global_head,
    )
    contrast_globally = Stage(
        "global contrast",
        "pretrain",
        View("all", s.global_batch, 2, s.global_augmentation, s.pixels),
        (Term("global contrast", global_contrast),),
        rate(s, s.global_lr),
        s.global_steps,
        s.global_share,
        trains=("encoder",),
    )
    contrast_locally = Stage(
        "local contrast",
        "pretrain",
        # places are compared, so both views must keep them in place; they need no
        # labels, and the paper takes all slices then (page 7)
        View(
            "all" if s.pairs == "self" else "labelled",
            s.local_batch,
            2,
            INTENSITY_ONLY if s.pairs == "self" else s.local_augmentation,
            s.pixels,
        ),
        (_local_term(s),),
        rate(s, s.local_lr),
        s.local_steps,
        s.local_share,
        trains=("encoder", "decoder"),
    )
    return make_plan(
        s, contrast_globally, contrast_locally, fine_tuning(s, [supervised_term()])
    )


def _local_term(settings: Settings) -> Term:
    """Contrast pixels by their label, or by their place in two views."""
    from napari_contrastseg.learning.terms.local_contrast import (  # noqa: PLC0415  loads torch
        LocalContrast,
        PlaceContrast,
    )

    s = settings
    if s.pairs == "self":
        by_place = partial(
            PlaceContrast,
            tap=s.network.last_tap,
            temperature=s.local_temperature,
            stride=s.stride,
            foreground_limit=s.foreground_limit,
            relu=s.relu_in_local_head,
        )
        return Term("local contrast", by_place)
    by_label = partial(
        LocalContrast,
        tap=s.network.last_tap,
        temperature=s.local_temperature,
        sampling=s.sampling,
        stride=s.stride,
        block=s.block,
        balanced=s.balanced,
        negatives_per_anchor=s.background_ratio,
        foreground_limit=s.foreground_limit,
        relu=s.relu_in_local_head,
        literal_loss=s.literal_loss,
    )
    return Term("local contrast", by_label)


#: The constants of the released code (docs/recipes/hu2021.md).
LITERAL = Settings(
    **HU2021_TRAINING,
    sampling="stride",
    global_batch=120,
    local_batch=4,
    foreground_limit=0,
    global_lr=3e-4,
    local_lr=1e-4,
    global_steps=3600,
    local_steps=3600,
    global_share=1.0,
    local_share=1.0,
    background_ratio=None,
    balanced=False,
    trained_global_head=False,
    relu_in_local_head=False,
    global_augmentation=HU_VIEWS,
    local_augmentation=Augmentation(added=(1.0, 1.0), gamma=(0.5, 2.0), noise=0.1),
)

RECIPE = Recipe(
    name="hu2021",
    title="Global + supervised local contrast",
    paper=(
        "Hu, Zeng, Xu, Shi: Semi-supervised contrastive learning for label-efficient "
        "medical image segmentation, MICCAI 2021"
    ),
    summary=(
        "Pretrains on all slices by global contrast and on the labelled ones by "
        "supervised local contrast, then fine-tunes."
    ),
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
    group="paper",
)
