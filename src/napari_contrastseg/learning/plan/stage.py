"""What a recipe is made of: plan, stages, budget. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.networks.spec import Group, NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari_contrastseg.learning.data.view import View
    from napari_contrastseg.learning.terms.term import Term


Purpose = Literal["pretrain", "fine-tune"]
Preset = Literal["sound", "literal"]


@dataclass(frozen=True)
class Optimiser:
    """Adam or AdamW with a learning rate that is constant or follows a cosine."""

    lr: float
    weight_decay: float = 0.0
    name: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["constant", "cosine"] = "cosine"
    warm_up: float = 0.0


@dataclass(frozen=True)
class Stage:
    """Data view + weighted terms + which parameters train + length.

    `steps` is the published or recommended length; `share` the part of a time budget
    that the stage gets in proportion to the others. `ema` is the decay of the
    averaged weights that are kept at the end; None keeps the last ones. Where they only
    teach, as the averaged encoder of MoCo does, `keeps_average` is false.

    A `teacher` is a network that terms may ask and that does not learn: the averaged
    weights as they are (``ema``), or the network as it was when the stage began
    (``snapshot``). `unlabelled_view` is a second stream of slices, seen in the same
    steps where at least `min_labelled` slices are labelled, and fewer than
    `max_labelled`, and where minutes leave `least_unlabelled_steps` steps with it.
    A pretraining to which minutes leave fewer than `least_steps` is left out, to the
    good of the stages after it; so is one that `needs_labels` while there are none.
    `reinitialise` lets the stage start over: from the weights that pretraining left, or
    from random ones. Where many slices are
    labelled a stage may be longer: `steps_per_slice` for each, up to `most_steps`. A
    later round, which goes on from the last one's weights, has `continued_rate` of the
    learning rate: the full one would shake off what these have learned.
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
    keeps_average: bool = True
    unlabelled_view: View | None = None
    min_labelled: int = 0
    max_labelled: float = math.inf
    least_unlabelled_steps: int = 0
    teacher: Literal["ema", "snapshot"] | None = None
    reinitialise: bool = False
    steps_per_slice: float = 0.0
    most_steps: int = 0
    least_steps: int = 0
    needs_labels: bool = False
    continued_rate: float = 1.0

    def continued(self) -> Stage:
        """Give the stage the learning rate with which a later round goes on."""
        lr = self.optimiser.lr * self.continued_rate
        return replace(self, optimiser=replace(self.optimiser, lr=lr))

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
        unlabelled = None if completed and self.min_labelled else self.unlabelled_view
        return replace(self, steps=steps, unlabelled_view=unlabelled)

    def __post_init__(self) -> None:
        if self.teacher == "ema" and self.ema is None:
            raise InputError("ema: a teacher of averaged weights needs their decay.")


@dataclass(frozen=True)
class StageLength:
    """How long one stage takes: steps, minutes or epochs; 0 minutes leave it out.

    An epoch is as many steps as it takes to draw as many slices as the stage may see.
    """

    stage: str
    steps: int | None = None
    minutes: float | None = None
    epochs: float | None = None


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
                part = self.minutes * stage.share / (shared or 1.0)
                found.append(StageLength(stage.name, minutes=part))
            else:
                found.append(StageLength(stage.name, self.steps or stage.steps))
        return tuple(found)

    def in_steps(
        self, epoch: Callable[[Stage], float], stages: Sequence[Stage]
    ) -> Budget:
        """Turn epochs into steps; `epoch` says how many steps one of a stage has."""
        by_name = {stage.name: stage for stage in stages}
        own = tuple(
            StageLength(
                entry.stage,
                max(1, math.ceil(entry.epochs * epoch(by_name[entry.stage]))),
            )
            if entry.epochs is not None and entry.stage in by_name
            else entry
            for entry in self.stages
        )
        return replace(self, stages=own)

    def sets(self, stage: Stage) -> bool:
        """Whether a stage's length was asked for, not left to the recipe."""
        own = any(entry.stage == stage.name for entry in self.stages)
        return own or self.minutes is not None or bool(self.steps)

    def part(self, share: float) -> Budget:
        """Take a share of the minutes for one of several trainings."""
        stages = tuple(
            replace(stage, minutes=stage.minutes and stage.minutes * share)
            for stage in self.stages
        )
        minutes = self.minutes and self.minutes * share
        return replace(self, minutes=minutes, stages=stages)

    def without(self, stage: Stage) -> Budget:
        """Leave a stage out; the others share its minutes."""
        return replace(self, stages=(*self.stages, StageLength(stage.name, minutes=0)))

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
class Plan:
    """What a recipe wants done: a network, stages, and how the model predicts.

    `neighbours` slices on either side come in as further channels (2.5-D), and pixels
    are `coarser` times as long as the images', 0 for as long as their labels allow
    (see `learning.data.pixel_size`). With `every_axis` further networks learn from
    slices along the other axes, where that makes sense (see
    `learning.data.slice_axes`). A ResNet begins with the `encoder_weights` of a
    file (see `learning.networks.pretrained`). Patches of slices have sides of at most
    `largest` pixels.
    """

    stages: tuple[Stage, ...]
    network: NetworkSpec = field(default_factory=NetworkSpec)
    neighbours: int = 0
    coarser: float = 1.0
    mirror_at_test: bool = False
    every_axis: bool = False
    encoder_weights: Path | None = None
    largest: int = 256


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
