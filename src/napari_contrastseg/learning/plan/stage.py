"""What a recipe is made of: stages, terms, views and budgets. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from napari_contrastseg.learning.terms.step import Step
    from napari_contrastseg.learning.networks.unet import UNet

Purpose = Literal["pretrain", "fine-tune"]
Group = Literal["encoder", "decoder", "classifier"]
Preset = Literal["sound", "literal"]
Norm = Literal["instance-batch", "instance", "batch", "group", "none"]


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a slice; 0 or None switches one off.

    Attributes
    ----------
    rotation : float, degrees
    scale : (low, high) factor, or None
    shift : float, fraction of the side
    elastic : float, typical displacement as a fraction of the side
    mirror : bool
        Along the axes that the cohort allows to be mirrored (`InputSpec.mirror`).
    brightness, contrast : float, largest relative change
    gamma : (low, high) exponent, or None
    noise : float, standard deviation on the unit intensity range
    blur : float, largest Gaussian sigma in pixels
    cut_mix : float
        Probability that a box of the slice is taken from another one (CutMix).
    alone : float
        With n labelled slices a slice stands in for its own neighbours with probability
        alone / (alone + n), at most 1/2: from few slices a network learns neighbours
        by heart.
    chance : float
        Probability of each change.
    """

    rotation: float = 0.0
    scale: tuple[float, float] | None = None
    shift: float = 0.0
    elastic: float = 0.0
    mirror: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: tuple[float, float] | None = None
    noise: float = 0.0
    blur: float = 0.0
    cut_mix: float = 0.0
    alone: float = 0.0
    chance: float = 0.5


NO_AUGMENTATION = Augmentation()
SMALLEST_BATCH, FEWEST_VOLUMES = 4, 2
#: Bounds of a network that is read from a stranger's model.
MOST_LEVELS, MOST_WIDTH = 8, 2048
RESNET50_WIDTHS = (64, 256, 512, 1024, 2048)
#: Twenty-four slices of 64 x 64.
PIXELS_PER_BATCH = 24 * 64 * 64

STRONG = Augmentation(
    rotation=20,
    scale=(0.8, 1.25),
    shift=0.08,
    elastic=0.03,
    mirror=True,
    brightness=0.2,
    contrast=0.25,
    gamma=(0.7, 1.5),
    noise=0.04,
    blur=1.0,
)

INTENSITY_ONLY = Augmentation(
    brightness=0.25, contrast=0.3, gamma=(0.7, 1.5), noise=0.05, blur=1.0, chance=0.7
)


@dataclass(frozen=True)
class View:
    """Which slices a stage sees, how many at once, and how they are changed.

    `copies` is the number of differently augmented views of each slice. `pixels`
    bounds the pixels of a batch, so that large slices come in smaller batches and a
    time budget still holds many steps; it never goes below `SMALLEST_BATCH` slices.
    With `partitions` S each volume is parted in S along the slice axis, and a batch
    holds one slice of every part of some volumes (Chaitanya et al. 2020). Where every
    slice is labelled, ``unlabelled`` are all.
    """

    slices: Literal["labelled", "unlabelled", "all"]
    batch: int
    copies: int = 1
    augmentation: Augmentation = NO_AUGMENTATION
    pixels: int | None = None
    partitions: int = 0

    def batch_for(self, rows: int, columns: int) -> int:
        """Return how many slices of a size make a batch."""
        if self.pixels is None:
            return self.batch
        fits = self.pixels // (rows * columns)
        if self.partitions:  # whole volumes, and two of them at least
            volumes = max(fits // self.partitions, FEWEST_VOLUMES)
            return min(self.batch, volumes * self.partitions)
        return max(min(self.batch, fits), min(self.batch, SMALLEST_BATCH))


@dataclass(frozen=True)
class Optimiser:
    """Adam or AdamW with a learning rate that is constant or follows a cosine."""

    lr: float
    weight_decay: float = 0.0
    name: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["constant", "cosine"] = "cosine"
    warm_up: float = 0.0


def risen(fraction: float, ramp: float) -> float:
    """Height of a ramp, exp(-5 (1 - t)^2), that ends when `ramp` of a stage is done."""
    if fraction >= ramp:
        return 1.0
    return math.exp(-5 * (1 - fraction / ramp) ** 2)


@dataclass(frozen=True)
class Term:
    """One weighted loss of a stage.

    Attributes
    ----------
    name : str
    loss : callable of a Step (and the term's head) to a scalar Tensor
    weight : float
    head : callable of the network to a module, or None
        A disposable head: built for the stage, trained with it, dropped after it.
    ramp : float
        Part of the stage over which the weight rises, as exp(-5 (1 - t)^2) (Laine and
        Aila 2017); 0: it is there from the first step.
    """

    name: str
    loss: Callable[[Step, nn.Module | None], Tensor]
    weight: float = 1.0
    head: Callable[[UNet], nn.Module] | None = None
    ramp: float = 0.0

    def weight_at(self, fraction: float) -> float:
        """Weight when a part of the stage is done."""
        return self.weight * risen(fraction, self.ramp)


@dataclass(frozen=True)
class Stage:
    """Data view + weighted terms + which parameters train + length.

    `steps` is the published or recommended length; `share` the part of a time budget
    that the stage gets in proportion to the others. `ema` is the decay of the
    averaged weights that are kept at the end; None keeps the last ones.

    A `teacher` is a network that terms may ask and that does not learn: the averaged
    weights as they are (``ema``), or the network as it was when the stage began
    (``snapshot``). `beside` is a second stream of slices, seen in the same steps where
    at least `beside_from` slices are labelled, and fewer than `beside_until`.
    `afresh` lets the stage begin from new random weights. Where many slices are
    labelled a stage may be longer: `steps_per_slice` for each, up to `most_steps`.
    """

    name: str
    purpose: Purpose
    view: View
    terms: tuple[Term, ...]
    optimiser: Optimiser
    steps: int
    share: float = 1.0
    trains: tuple[Group, ...] = ("encoder", "decoder", "classifier")
    ema: float | None = None
    beside: View | None = None
    beside_from: int = 0
    beside_until: float = math.inf
    teacher: Literal["ema", "snapshot"] | None = None
    afresh: bool = False
    steps_per_slice: float = 0.0
    most_steps: int = 0

    def for_slices(
        self, labelled: int, share: float = 1.0, *, completed: bool = False
    ) -> Stage:
        """Give the stage the length that so many labelled slices deserve.

        Of fine-tuning only a share, for networks that have help. Where labels were
        `completed` there is no second stream that depends on their number.
        """
        wanted = min(round(self.steps_per_slice * labelled), self.most_steps)
        steps = max(self.steps, wanted)
        if self.purpose == "fine-tune":
            steps = math.ceil(steps * share)
        beside = None if completed and self.beside_from else self.beside
        return replace(self, steps=steps, beside=beside)

    def __post_init__(self) -> None:
        if self.teacher == "ema" and self.ema is None:
            raise InputError("ema: a teacher of averaged weights needs their decay.")


@dataclass(frozen=True)
class StageLength:
    """How long one stage takes: steps or minutes."""

    stage: str
    steps: int | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Budget:
    """How long to train: the recipe's own length, steps a stage, or minutes in all.

    Stages named in `stages` have a length of their own; the minutes are shared among
    the others.
    """

    steps: int | None = None
    minutes: float | None = None
    stages: tuple[StageLength, ...] = ()

    def lengths(self, stages: Sequence[Stage]) -> tuple[StageLength, ...]:
        """Resolve how long each stage takes."""
        own = {entry.stage: entry for entry in self.stages}
        shared = sum(stage.share for stage in stages if stage.name not in own)
        found = []
        for stage in stages:
            if stage.name in own:
                found.append(own[stage.name])
            elif self.minutes is not None:
                part = self.minutes * stage.share / shared
                found.append(StageLength(stage.name, minutes=part))
            else:
                found.append(StageLength(stage.name, self.steps or stage.steps))
        return tuple(found)

    def part(self, share: float) -> Budget:
        """Take a share of the minutes for one of several trainings."""
        stages = tuple(
            replace(stage, minutes=stage.minutes and stage.minutes * share)
            for stage in self.stages
        )
        minutes = self.minutes and self.minutes * share
        return replace(self, minutes=minutes, stages=stages)

    def check(self, stages: Sequence[Stage]) -> None:
        """Refuse lengths of stages that there are not.

        Raises
        ------
        InputError
            Naming the stages that there are.
        """
        names = [stage.name for stage in stages]
        for entry in self.stages:
            if entry.stage not in names:
                raise InputError(
                    f"There is no stage {entry.stage!r} here; there are: "
                    f"{', '.join(names)}."
                )


@dataclass(frozen=True)
class NetworkSpec:
    """The backbone's shape, as recorded in a model.

    Attributes
    ----------
    widths : tuple of int
        Channels of each encoder level; the last one is the bottleneck.
    norm : {"instance-batch", "instance", "batch", "group", "none"}
    decoder_norm : the same, for the decoder
    dropout : float
        At the bottleneck.
    encoder : {"plain", "resnet50"}
        ``resnet50``: beside one level at full resolution the levels are MONAI's
        ResNet-50, and `widths` are (w, 64, 256, 512, 1024, 2048).
    attention : bool
        Gates on the skips (Oktay et al. 2018).
    peer : bool
        A second decoder that enlarges bilinearly (IDEAL); predictions are the mean of
        both.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128)
    norm: Norm = "instance-batch"
    decoder_norm: Norm = "instance-batch"
    dropout: float = 0.0
    encoder: Literal["plain", "resnet50"] = "plain"
    attention: bool = False
    peer: bool = False

    def __post_init__(self) -> None:
        levels = MOST_LEVELS >= len(self.widths) > 1
        if not levels or not all(0 < n <= MOST_WIDTH for n in self.widths):
            raise ValueError(
                f"a network has 2 to {MOST_LEVELS} levels, up to {MOST_WIDTH} channels"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout lies within 0 and 1")
        if self.encoder == "resnet50" and self.widths[1:] != RESNET50_WIDTHS:
            raise ValueError(f"a ResNet-50's later widths are {RESNET50_WIDTHS}")

    @property
    def last_tap(self) -> str:
        """Name of the decoder map at full resolution."""
        return f"dec{len(self.widths) - 1}"


@dataclass(frozen=True)
class Plan:
    """What a recipe wants done: a network, stages, and how the model predicts.

    `neighbours` slices on either side come in as further channels (2.5-D), and pixels
    are `coarser` times as long as the images', 0 for as long as their labels allow
    (see `learning.data.pixel_size`). With `every_axis` further networks learn from slices
    along the other axes, where that makes sense (see `learning.data.slice_axes`). A ResNet-50
    begins with the `encoder_weights` of a file (see `learning.networks.pretrained`).
    """

    stages: tuple[Stage, ...]
    network: NetworkSpec = field(default_factory=NetworkSpec)
    neighbours: int = 0
    coarser: float = 1.0
    mirror_at_test: bool = False
    every_axis: bool = False
    encoder_weights: Path | None = None


@dataclass(frozen=True)
class Recipe:
    """One method. Reading it imports no torch; `plan` may.

    Attributes
    ----------
    name : str
        On the command line and in models.
    title : str
        For people, a few words.
    summary : str
        One sentence for people who choose.
    presets : mapping of str to settings
        ``sound`` and ``literal``; frozen dataclasses of one type.
    plan : callable of settings to a Plan
    paper : str
        Citation, or ``""`` for a baseline without one.
    pretrains : bool
        Whether there is a pretraining stage.
    unlabelled : bool
        Whether slices without labels are of use.
    group : {"paper", "baseline"}
        One of the papers we implement, or what they compare with.
    """

    name: str
    title: str
    summary: str
    presets: Mapping[str, Any]
    plan: Callable[[Any], Plan]
    paper: str = ""
    pretrains: bool = True
    unlabelled: bool = True
    group: Literal["paper", "baseline"] = "baseline"


def stages_of(plan: Plan, purposes: Sequence[Purpose]) -> tuple[Stage, ...]:
    """Stages of a plan with one of the purposes, in order."""
    return tuple(stage for stage in plan.stages if stage.purpose in purposes)
