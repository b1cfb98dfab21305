"""CLCC: contrast, then consistency, between a slice and its tiles.

Zhao, Fang, Fan, Lin, Gao, Li: Cross-level contrastive learning and consistency
constraint for semi-supervised medical image segmentation, ISBI 2022. One network sees a
slice and its n x n tiles. At first the slice's features for a tile are to be like the
tile's own (eq. 1); later the predictions are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.view import Augmentation
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    RAMP,
    SemiSupervision,
    fine_tuning,
    make_plan,
    rate,
    stage_share,
    stage_steps,
    supervised_term,
    temperature_of,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(SemiSupervision):
    """What can be chosen; the defaults are the ``sound`` preset."""

    tiles: Annotated[int, Setting("n: a slice is cut into n x n tiles.", min=1)] = 3
    head_layers: Annotated[
        int,
        Setting(
            "Layers of the projection, each of stride 4; three take a tile of 64 x 64 "
            "to a vector.",
            min=1,
            max=5,
        ),
    ] = 2
    temperature: Annotated[float, temperature_of("contrast")] = 0.1
    released_loss: Annotated[
        bool,
        Setting(
            "The contrast as in the released code (L1 scaling, tiles as constants)."
        ),
    ] = False
    printed_loss: Annotated[
        bool,
        Setting(
            "Eq. 1 as printed: only the slice's own vectors repel, and only they ask. "
            "Not together with released_loss."
        ),
    ] = False
    contrast_warm_up: Annotated[
        float,
        Setting(
            "Part of the first stage over which the learning rate rises.", min=0, max=1
        ),
    ] = 0.05
    consistency: Annotated[
        float, Setting("Weight of the consistency in the second stage.", min=0)
    ] = 0.1
    ramp: Annotated[float, RAMP] = 0.2
    contrast: Annotated[
        float,
        Setting("Weight of the contrast in the first stage; 0: none.", min=0),
    ] = 1.0
    contrast_steps: Annotated[int, stage_steps("contrast")] = 300
    contrast_share: Annotated[float, stage_share("contrast")] = 0.3


def plan(settings: Settings) -> Plan:
    """Supervised + contrast, then supervised + consistency; nothing is frozen."""
    from napari_contrastseg.learning.terms.tile_contrast import (  # noqa: PLC0415  loads torch
        TileConsistency,
        TileContrast,
    )

    s = settings
    if s.released_loss and s.printed_loss:
        raise InputError(
            "released_loss, printed_loss: the contrast can follow the released code or "
            "the printed equation, not both; set one of them to false."
        )
    tile_contrast = partial(
        TileContrast,
        count=s.tiles,
        temperature=s.temperature,
        layers=s.head_layers,
        released=s.released_loss,
        printed=s.printed_loss,
    )
    tile_consistency = partial(TileConsistency, count=s.tiles, released=s.released_loss)
    terms = [supervised_term()]
    if s.contrast:
        terms.append(Term("cross-level contrast", tile_contrast, s.contrast))
    first = fine_tuning(
        s,
        terms,
        "cross-level contrast",
        purpose="pretrain",
        optimiser=rate(s, s.lr, s.contrast_warm_up),
        steps=s.contrast_steps,
        share=s.contrast_share,
        unlabelled_view=unlabelled(s),
    )
    consistency = Term(
        "cross-level consistency", tile_consistency, s.consistency, s.ramp
    )
    consistent = fine_tuning(
        s, [supervised_term(), consistency], unlabelled_view=unlabelled(s)
    )
    return make_plan(s, first, consistent)


#: The constants of the released code (docs/recipes/clcc2022.md).
LITERAL = Settings(
    **(
        HU2021_TRAINING
        | {
            "batch": 4,
            "lr": 1e-3,
            "weight_decay": 1e-2,
            "schedule": "cosine",
            "steps": 6000,
            "augmentation": Augmentation(mirror=True, turns=True),
            "network": NetworkSpec((16, 32, 64, 128, 256), "batch", "none"),
        }
    ),
    tiles=5,
    head_layers=3,
    temperature=0.07,
    released_loss=True,
    contrast_warm_up=1.0,
    largest=320,
    unlabelled_batch=4,
    consistency=1.0,
    ramp=0.0,
    contrast_steps=3000,
    contrast_share=0.5,
)

RECIPE = Recipe(
    name="clcc2022",
    title="Cross-level contrast + consistency",
    paper=(
        "Zhao et al.: Cross-level contrastive learning and consistency constraint for "
        "semi-supervised medical image segmentation, ISBI 2022"
    ),
    summary=(
        "Learns that a tile of a slice, seen alone, looks like the same place in the "
        "whole slice."
    ),
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
    group="paper",
)
