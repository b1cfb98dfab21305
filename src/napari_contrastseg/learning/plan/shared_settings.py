"""Settings and stages that recipes share: fine-tuning, pretraining. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path  # noqa: TC003  pydantic resolves it
from typing import TYPE_CHECKING, Annotated, Any, Literal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.input_spec import MOST_NEIGHBOURS
from napari_contrastseg.learning.data.slice_axes import COARSEST
from napari_contrastseg.learning.data.view import (
    PIXELS_PER_BATCH,
    STRONG,
    Augmentation,
    View,
)
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.stage import Optimiser, Plan, Stage
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from collections.abc import Sequence


def temperature_of(contrast: str) -> Setting:
    """Describe τ of a contrast; below the minimum float64 overflows."""
    return Setting(f"Temperature τ of the {contrast}.", min=0.002, max=10, step=0.001)


def stage_batch(stage: str) -> Setting:
    """Describe how many slices a batch of a stage holds."""
    return Setting(f"Slices in a batch of the {stage}.", min=1)


def stage_lr(stage: str) -> Setting:
    """Describe the learning rate of a stage."""
    return Setting(f"Highest learning rate of the {stage}.", min=0, max=1, step=1e-5)


def stage_steps(stage: str) -> Setting:
    """Describe the length of a stage before the last one; without steps it goes."""
    return Setting(f"Length of the {stage}; 0: left out.", min=0, unit="steps")


def stage_share(stage: str) -> Setting:
    """Describe what a stage gets of a time budget."""
    return Setting(f"Part of a time budget for the {stage}; fine-tuning has 1.", min=0)


def stage_augmentation(stage: str) -> Setting:
    """Describe how slices of a stage are changed."""
    return Setting(f"Random changes of slices in the {stage}.")


#: Of a weight that rises from nothing.
RAMP = Setting("Part of the stage over which the weight rises.", min=0, max=1)
#: Of predictions that are to agree, where the paper's weight is ours.
AGREEMENT = Setting("Weight of the agreement when it has risen.", min=0)
#: Of an averaged encoder that makes the keys of a contrast.
KEY_MOMENTUM = Setting(
    "Decay of the averaged encoder and head that make the keys.",
    min=0,
    max=1,
    step=0.001,
)
#: Side of the network's pixels; what a plan of 0 becomes is in `data.pixel_size`.
COARSER = Setting(
    "Side of the network's pixels, in the images' median one: with 2 a step takes a "
    "quarter of the time and sees twice as far, where structures are large; 0: as the "
    "labelled slices allow.",
    min=1,
    max=COARSEST,
    choices={"auto": 0.0} | {f"{x:g}": float(x) for x in (1, 1.5, 2, 3, 4, 8, 16, 32)},
)


@dataclass(frozen=True)
class RecipeSettings:
    """Settings that all recipes have; the defaults are ours, measured for all alike.

    A setting that is new changes no stored result: one without it means the field's
    default, or `Setting.before` where recipes then behaved otherwise.
    """

    batch: Annotated[int, Setting("Labelled slices in a batch.", min=1)] = 16
    pixels: Annotated[
        int | None, Setting("Most pixels in a batch; null: no limit.", min=0)
    ] = PIXELS_PER_BATCH
    lr: Annotated[
        float,
        Setting(
            "Highest learning rate of the last stage, and of others with labels.",
            min=0,
            max=1,
            step=1e-5,
        ),
    ] = 2e-3
    weight_decay: Annotated[
        float, Setting("Weight decay of all stages.", min=0, max=1, step=1e-5)
    ] = 1e-4
    schedule: Annotated[
        Literal["cosine", "constant"],
        Setting("AdamW with warm-up and a cosine to zero; or Adam at a constant rate."),
    ] = "cosine"
    steps: Annotated[int, Setting("Length of the last stage.", min=0, unit="steps")] = (
        1000
    )
    neighbours: Annotated[
        int,
        Setting(
            "Slices on either side that come in as further channels (2.5-D).",
            min=0,
            max=MOST_NEIGHBOURS,
        ),
    ] = 2
    coarser: Annotated[float, COARSER] = 1.0
    ema: Annotated[
        float | None,
        Setting(
            "Decay of the averaged weights that are kept; null: the last weights.",
            min=0,
            max=1,
        ),
    ] = 0.99
    mirror_at_test: Annotated[
        bool, Setting("Average predictions over mirrored slices.")
    ] = True
    largest: Annotated[
        int,
        Setting(
            "Longest side of the patches that a network is trained on.",
            min=16,
            unit="pixels",
        ),
    ] = 256
    every_axis: Annotated[
        bool,
        Setting(
            "Train further networks on slices along the other two axes and average the "
            "predictions, where voxels are nearly cubes."
        ),
    ] = False
    encoder_weights: Annotated[
        Path | None,
        Setting(
            "File of weights: a ResNet's, as torchvision, timm or RadImageNet have "
            "them, that an encoder of that kind begins with; or a vision "
            "transformer's, as DINO, DINOv2 or timm have them, that a vit- encoder "
            "looks through."
        ),
    ] = None
    augmentation: Annotated[
        Augmentation,
        Setting("Random changes of labelled slices, and of those beside them."),
    ] = STRONG
    network: Annotated[NetworkSpec, Setting("The U-Net.")] = field(
        default_factory=NetworkSpec
    )


@dataclass(frozen=True)
class Pretraining(RecipeSettings):
    """Settings of recipes with one stage on all slices before the labels."""

    pretrain_batch: Annotated[int, stage_batch("pretraining")] = 16
    pretrain_lr: Annotated[float, stage_lr("pretraining")] = 5e-4
    pretrain_steps: Annotated[int, stage_steps("pretraining")] = 200
    pretrain_share: Annotated[float, stage_share("pretraining")] = 0.12
    pretrain_augmentation: Annotated[
        Augmentation, stage_augmentation("pretraining")
    ] = STRONG


@dataclass(frozen=True)
class SemiSupervision(RecipeSettings):
    """Settings of recipes that see slices without labels beside the labelled ones."""

    unlabelled_batch: Annotated[
        int, Setting("Unlabelled slices that come with a batch.", min=1)
    ] = 8


@dataclass(frozen=True)
class Agreement(SemiSupervision):
    """Settings of recipes whose predictions of these slices are to agree."""

    consistency: Annotated[
        float | None,
        Setting(
            "Weight of the agreement when it has risen; null: as the paper has it.",
            min=0,
        ),
    ] = None
    ramp: Annotated[float, RAMP] = 0.4


def rate(settings: RecipeSettings, lr: float, warm_up: float = 0.05) -> Optimiser:
    """Make a stage's optimiser, whose highest rate is `lr`."""
    if settings.schedule == "constant":
        return Optimiser(lr, settings.weight_decay, "adam", "constant")
    return Optimiser(lr, settings.weight_decay, warm_up=warm_up)


def labelled(settings: RecipeSettings) -> View:
    """Labelled slices as the last stage sees them."""
    s = settings
    return View("labelled", s.batch, augmentation=s.augmentation, pixels=s.pixels)


def unlabelled(settings: SemiSupervision) -> View:
    """Slices without labels, as a second stream beside the labelled ones."""
    s = settings
    return View(
        "unlabelled", s.unlabelled_batch, augmentation=s.augmentation, pixels=s.pixels
    )


def supervised_term(*, dice: bool = True, entropy: bool = True) -> Term:
    """Dice and cross-entropy on what is labelled, or one of them."""
    from napari_contrastseg.learning.terms.supervised import Supervised  # noqa: PLC0415  loads torch

    names = ("dice" if dice else "", "cross-entropy" if entropy else "")
    name = " + ".join(filter(None, names))
    return Term(name, partial(Supervised, dice=dice, entropy=entropy))


def pretraining(
    settings: Pretraining, term: Term, copies: int = 1, **changes: Any
) -> Stage:
    """Train the encoder by one term on all slices; `changes` are fields of a Stage."""
    s = settings
    view = View("all", s.pretrain_batch, copies, s.pretrain_augmentation, s.pixels)
    chosen: dict[str, Any] = {"trains": ("encoder",)}
    return Stage(
        term.name,
        "pretrain",
        view,
        (term,),
        rate(s, s.pretrain_lr),
        s.pretrain_steps,
        s.pretrain_share,
        **chosen | changes,
    )


def fine_tuning(
    settings: RecipeSettings,
    terms: Sequence[Term],
    name: str = "fine-tune",
    **changes: Any,
) -> Stage:
    """Train the whole network on labelled slices; `changes` are fields of a Stage."""
    chosen: dict[str, Any] = {
        "purpose": "fine-tune",
        "view": labelled(settings),
        "optimiser": rate(settings, settings.lr, 0.02),
        "steps": settings.steps,
        "ema": settings.ema,
    }
    return Stage(name, terms=tuple(terms), **chosen | changes)


def make_plan(settings: RecipeSettings, *stages: Stage) -> Plan:
    """Put stages and the common settings together.

    A pretraining of 0 steps is left out, so that the rows of a paper that lack it (no
    global stage, no contrast) can be asked for.
    """
    s = settings
    if s.network.transformer and s.encoder_weights is None:
        raise InputError(
            f"network: a {s.network.encoder} is never trained, so it needs a file of "
            "its weights; give encoder_weights, or another encoder."
        )
    kept = tuple(
        stage
        for stage in stages
        if stage.purpose == "fine-tune" or stage.steps or stage.steps_per_slice
    )
    return Plan(
        kept,
        s.network,
        s.neighbours,
        s.coarser,
        s.mirror_at_test,
        s.every_axis,
        encoder_weights=s.encoder_weights,
        largest=s.largest,
    )


#: How Hu et al. 2021 train after pretraining, and from scratch: their released code
#: (docs/recipes/hu2021.md).
HU2021_TRAINING: dict[str, Any] = {
    "batch": 8,
    "pixels": None,
    "lr": 5e-4,
    "weight_decay": 0.0,
    "schedule": "constant",
    "steps": 4000,
    "neighbours": 0,
    "ema": None,
    "mirror_at_test": False,
    "augmentation": Augmentation(
        mirror=True, elastic=0.03, rotation=5.7, scale=(0.5, 1.9)
    ),
    "network": NetworkSpec(
        (64, 128, 256, 512, 1024), "instance", "none", centre="plain"
    ),
}

#: Views of their global stage.
HU_VIEWS = Augmentation(
    added=(1.0, 1.0),
    gamma=(0.5, 2.0),
    noise=0.1,
    elastic=0.05,
    rotation=180,
    scale=(0.7, 1.25),
    shift=0.1,
)

#: How Chaitanya et al. 2020 do (docs/recipes/chaitanya2020.md).
AS_CHAITANYA: dict[str, Any] = HU2021_TRAINING | {
    "batch": 20,
    "lr": 1e-3,
    "steps": 10_000,
    "augmentation": Augmentation(
        mirror=True, elastic=0.03, rotation=15, scale=(0.95, 1.05)
    ),
    "network": NetworkSpec((16, 32, 64, 128, 128, 128), "batch", "batch"),
}

#: A pretraining stage of theirs, beside that.
CHAITANYA_PRETRAINING: dict[str, Any] = AS_CHAITANYA | {
    "pretrain_batch": 20,
    "pretrain_lr": 1e-3,
    "pretrain_steps": 10_000,
    "pretrain_share": 1.0,
}
