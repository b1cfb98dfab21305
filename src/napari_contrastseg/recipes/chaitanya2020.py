"""Chaitanya et al. 2020: global and local contrast by a slice's place in its volume.

Chaitanya, Erdil, Karani, Konukoglu: Contrastive learning of global and local features
for medical image segmentation with limited annotations, NeurIPS 2020. Volumes are
parted along the slice axis; slices of other parts repel, those of the same part may
attract (GR, GD-, GD). Then the first decoder blocks learn to tell regions apart on the
frozen encoder (LR, LD); then all is fine-tuned.
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
    AS_CHAITANYA,
    RecipeSettings,
    fine_tuning,
    make_plan,
    rate,
    stage_augmentation,
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

    global_strategy: Annotated[
        Literal["GR", "GD-", "GD"],
        Setting(
            "Global contrast. GR: versions of a slice attract, all others repel; GD-: "
            "only slices of other parts repel; GD: those of the same part attract too."
        ),
    ] = "GD"
    local_strategy: Annotated[
        Literal["LR", "LD", "none"],
        Setting(
            "Local contrast. LR: a region and the same one of the other view attract; "
            "LD: that of other volumes too; none: there is no such stage."
        ),
    ] = "LR"
    partitions: Annotated[
        int, Setting("S, parts of a volume along the slice axis.", min=1)
    ] = 4
    volumes: Annotated[
        int,
        Setting("Volumes in a batch, which holds one slice of each part.", min=1),
    ] = 4
    temperature: Annotated[float, temperature_of("contrasts")] = 0.1
    global_lr: Annotated[float, stage_lr("global contrast")] = 5e-4
    local_lr: Annotated[float, stage_lr("local contrast")] = 5e-4
    global_steps: Annotated[int, stage_steps("global contrast")] = 150
    local_steps: Annotated[int, stage_steps("local contrast")] = 100
    global_share: Annotated[float, stage_share("global contrast")] = 0.1
    local_share: Annotated[float, stage_share("local contrast")] = 0.05
    preset_regions: Annotated[
        bool, Setting("The released 13 places instead of random ones.")
    ] = False
    entropy: Annotated[
        bool,
        Setting("Fine-tune by Dice and cross-entropy, instead of Dice alone."),
    ] = True
    global_augmentation: Annotated[
        Augmentation, stage_augmentation("global contrast")
    ] = STRONG


def plan(settings: Settings) -> Plan:
    """Train the encoder, then the decoder's first blocks, then everything."""
    from napari_contrastseg.learning.terms.position_contrast import (  # noqa: PLC0415  loads torch
        PartitionContrast,
        RegionContrast,
    )

    s = settings
    batch = s.volumes * s.partitions
    global_contrast = partial(
        PartitionContrast,
        strategy=s.global_strategy,
        partitions=s.partitions,
        temperature=s.temperature,
    )
    contrast_globally = Stage(
        "global contrast",
        "pretrain",
        View("all", batch, 2, s.global_augmentation, s.pixels, s.partitions),
        (Term(f"global contrast {s.global_strategy}", global_contrast),),
        rate(s, s.global_lr),
        s.global_steps,
        s.global_share,
        trains=("encoder",),
    )
    # their l = 3 of 5 blocks: the map at a quarter of the resolution
    tap = f"dec{max(1, len(s.network.widths) - 3)}"
    strategy = "LR" if s.local_strategy == "none" else s.local_strategy
    local_contrast = partial(
        RegionContrast,
        tap=tap,
        strategy=strategy,
        temperature=s.temperature,
        partitions=s.partitions,
        preset=s.preset_regions,
    )
    contrast_locally = Stage(
        "local contrast",
        "pretrain",
        View("all", batch, 2, INTENSITY_ONLY, s.pixels, s.partitions),
        (Term(f"local contrast {strategy}", local_contrast),),
        rate(s, s.local_lr),
        s.local_steps,
        s.local_share,
        trains=("decoder",),
    )
    stages = [contrast_globally, contrast_locally]
    if s.local_strategy == "none":
        stages.pop()
    return make_plan(s, *stages, fine_tuning(s, [supervised_term(entropy=s.entropy)]))


#: The constants of the paper and its code (docs/recipes/chaitanya2020.md).
LITERAL = Settings(
    **AS_CHAITANYA,
    volumes=3,
    global_lr=1e-3,
    local_lr=1e-3,
    global_steps=10_000,
    local_steps=10_000,
    global_share=1.0,
    local_share=1.0,
    preset_regions=True,
    entropy=False,
    global_augmentation=Augmentation(
        brightness=0.3, contrast=0.3, scale=(0.9, 1.9), shift=0.2
    ),
)

RECIPE = Recipe(
    name="chaitanya2020",
    title="Global + local contrast by volume structure",
    paper=(
        "Chaitanya, Erdil, Karani, Konukoglu: Contrastive learning of global and local "
        "features for medical image segmentation with limited annotations, NeurIPS 2020"
    ),
    summary=(
        "Pretrains by where slices lie in their volumes and regions in their slices, "
        "for volumes that are placed alike."
    ),
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
    group="paper",
)
