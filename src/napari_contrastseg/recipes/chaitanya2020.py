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

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.view import (
    INTENSITY_ONLY,
    STRONG,
    Augmentation,
    View,
    moves,
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
    across: Annotated[
        Literal["alike", "printed"],
        Setting(
            "Versions of slices of other volumes that attract in GD. alike: the same "
            "of both (near the released code); printed: both unchanged, and the two "
            "changed ones crosswise (the paper)."
        ),
    ] = "alike"
    temperature: Annotated[float, temperature_of("contrasts")] = 0.1
    global_lr: Annotated[float, stage_lr("global contrast")] = 5e-4
    local_lr: Annotated[float, stage_lr("local contrast")] = 5e-4
    global_steps: Annotated[int, stage_steps("global contrast")] = 150
    local_steps: Annotated[int, stage_steps("local contrast")] = 100
    global_share: Annotated[float, stage_share("global contrast")] = 0.1
    local_share: Annotated[float, stage_share("local contrast")] = 0.05
    decoder_blocks: Annotated[
        int | None,
        Setting(
            "l, decoder blocks that the local contrast trains; null: all but two (the "
            "paper's three of five).",
            min=1,
        ),
    ] = None
    regions: Annotated[int, Setting("A, random regions of a map.", min=2)] = 13
    region_side: Annotated[
        int, Setting("K, side of a region, in pixels of the decoder's map.", min=1)
    ] = 3
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
    local_augmentation: Annotated[
        Augmentation,
        Setting(
            "Random changes of slices in the local contrast; of intensity alone, for "
            "places are compared."
        ),
    ] = INTENSITY_ONLY


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
        across=s.across,
    )
    contrast_globally = Stage(
        "global contrast",
        "pretrain",
        View(
            "all",
            batch,
            2,
            s.global_augmentation,
            s.pixels,
            0 if s.global_strategy == "GR" else s.partitions,
        ),
        (Term(f"global contrast {s.global_strategy}", global_contrast),),
        rate(s, s.global_lr),
        s.global_steps,
        s.global_share,
        trains=("encoder",),
    )
    if moves(s.local_augmentation):
        raise InputError(
            "local_augmentation: the local contrast compares places, so it takes "
            "changes of intensity alone; leave out rotation, scale, shift, elastic, "
            "mirror, turns and cut_mix."
        )
    most = len(s.network.widths) - 1
    # their l = 3 of 5 blocks: the map at a quarter of the resolution
    blocks = max(1, most - 2) if s.decoder_blocks is None else s.decoder_blocks
    if blocks > most:
        raise InputError(
            f"decoder_blocks: {blocks} is more than the {most} blocks of the decoder."
        )
    tap = f"dec{blocks}"
    strategy = "LR" if s.local_strategy == "none" else s.local_strategy
    local_contrast = partial(
        RegionContrast,
        tap=tap,
        strategy=strategy,
        temperature=s.temperature,
        partitions=s.partitions,
        preset=s.preset_regions,
        regions=s.regions,
        side=s.region_side,
    )
    contrast_locally = Stage(
        "local contrast",
        "pretrain",
        View(
            "all",
            batch,
            2,
            s.local_augmentation,
            s.pixels,
            s.partitions if strategy == "LD" else 0,
        ),
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
    local_augmentation=Augmentation(brightness=0.3, contrast=0.3),
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
