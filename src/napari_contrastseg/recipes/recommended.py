"""The default: what helped in our tables, put together.

docs/recipes/recommended.md says what was tried, with figures. The encoder first learns
where in their volumes slices lie (Chaitanya et al. 2020, GD), where there are volumes;
then classes are contrasted, on labelled slices and on those that interpolation labels
between them; then labelled slices teach by Dice and cross-entropy. The fewer there are,
the more often they are seen without their neighbours, which a network would learn by
heart. Where voxels are nearly cubes, two more networks learn along the other axes, from
what the ones before make of the slices between where these are not labelled. From one
dozen labelled slices to two the averaged weights label the others as well, and what
they are sure of counts by what it has earned. What is said of a volume with labelled
slices is joined with the interpolation between these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from napari_contrastseg.learning.data.view import STRONG, Augmentation, View
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    COARSER,
    RAMP,
    SemiSupervision,
    fine_tuning,
    labelled,
    make_plan,
    rate,
    stage_lr,
    stage_share,
    stage_steps,
    supervised_term,
    temperature_of,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe, Stage
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


AUGMENTATION = replace(STRONG, alone=24.0)
STRUCTURE = "pretraining by volume structure"
CLASSES = "pretraining by classes"
#: Steps below which pseudo-labels, with which a step takes about twice as long, cost
#: more than they bring.
ENOUGH_TO_GUESS = 250


@dataclass(frozen=True)
class Settings(SemiSupervision):
    """What can be chosen."""

    steps: Annotated[int, stage_steps("last stage from few slices")] = 1500
    steps_per_slice: Annotated[
        float,
        Setting(
            "Steps of the last stage for each labelled slice, where that is more.",
            min=0,
        ),
    ] = 4.0
    most_steps: Annotated[
        int, Setting("Greatest length of the last stage.", min=0, unit="steps")
    ] = 4000
    continued_rate: Annotated[
        float,
        Setting(
            "Part of the learning rate with which a later round goes on from the last "
            "one's weights.",
            min=0,
            max=1,
            before=1.0,
        ),
    ] = 0.3
    coarser: Annotated[float, replace(COARSER, before=1.0)] = 0.0
    every_axis: bool = True
    interpolation: Annotated[
        bool,
        Setting(
            "Join predictions of a volume in which slices are labelled whole with the "
            "interpolation between these.",
            before=False,
        ),
    ] = True
    augmentation: Augmentation = AUGMENTATION
    global_steps: Annotated[int, stage_steps(STRUCTURE)] = 150
    global_share: Annotated[float, stage_share(STRUCTURE)] = 0.1
    global_volumes: Annotated[
        int,
        Setting(
            "Volumes in a batch of the pretraining by volume structure, with a slice "
            "of each of their parts.",
            min=1,
        ),
    ] = 4
    partitions: Annotated[
        int, Setting("Parts of a volume along the slice axis.", min=1)
    ] = 4
    global_temperature: Annotated[float, temperature_of("global contrast")] = 0.1
    global_lr: Annotated[float, stage_lr(STRUCTURE)] = 5e-4
    local_steps: Annotated[int, replace(stage_steps(CLASSES), before=0)] = 150
    local_share: Annotated[float, replace(stage_share(CLASSES), before=0.0)] = 0.1
    pseudo: Annotated[
        float,
        Setting(
            "Weight of pseudo-labels that have earned all of it; 0: none are made.",
            min=0,
        ),
    ] = 1.0
    evidence: Annotated[
        float,
        Setting(
            "Labelled slices at which pseudo-labels have earned half of their weight.",
            min=0,
            unit="slices",
        ),
    ] = 12.0
    evidence_from: Annotated[
        int,
        Setting(
            "Labelled slices from which on pseudo-labels are made at all.",
            min=0,
            unit="slices",
        ),
    ] = 12
    evidence_until: Annotated[
        int,
        Setting(
            "Labelled slices from which on no pseudo-labels are made: there is less to "
            "gain, and a step takes longer with them.",
            min=0,
            unit="slices",
            before=10**9,
        ),
    ] = 24
    ramp: Annotated[float, RAMP] = 0.5
    confidence: Annotated[
        float, Setting("Highest threshold of a pseudo-label.", min=0, max=1)
    ] = 0.95
    cut_mix: Annotated[
        float,
        Setting(
            "Probability that a box of another slice is pasted into an unlabelled one.",
            min=0,
            max=1,
        ),
    ] = 0.5
    contrast: Annotated[
        float,
        Setting(
            "Weight of the exact local contrast beside the supervised term; 0: none.",
            min=0,
        ),
    ] = 0.0


def plan(settings: Settings) -> Plan:
    """Volume structure, then labels and what can be concluded from them."""
    from napari_contrastseg.learning.terms.local_contrast import LocalContrast  # noqa: PLC0415  loads torch
    from napari_contrastseg.learning.terms.position_contrast import PartitionContrast  # noqa: PLC0415  loads torch
    from napari_contrastseg.learning.terms.pseudo_labels import TeacherLabels  # noqa: PLC0415  loads torch

    s = settings
    volume_structure = partial(
        PartitionContrast,
        strategy="GD",
        partitions=s.partitions,
        temperature=s.global_temperature,
    )
    by_structure = Stage(
        "global contrast",
        "pretrain",
        View(
            "all",
            s.global_volumes * s.partitions,
            2,
            s.augmentation,
            s.pixels,
            s.partitions,
        ),
        (Term("global contrast GD", volume_structure),),
        rate(s, s.global_lr),
        s.global_steps,
        s.global_share,
        trains=("encoder",),
        least_steps=s.global_steps // 2,
    )
    local_contrast = partial(
        LocalContrast,
        tap=s.network.last_tap,
        temperature=0.1,
        sampling="exact",
        negatives_per_anchor=1.0,
        foreground_limit=1024,
    )
    by_classes = Stage(
        "local contrast",
        "pretrain",
        labelled(s),
        (Term("local contrast", local_contrast), supervised_term()),
        rate(s, s.lr),
        s.local_steps,
        s.local_share,
        least_steps=s.local_steps // 5,
        needs_labels=True,
    )
    terms = [supervised_term()]
    changes: dict[str, Any] = {
        "steps_per_slice": s.steps_per_slice,
        "most_steps": s.most_steps,
        "continued_rate": s.continued_rate,
    }
    if s.pseudo:
        labels = partial(TeacherLabels, most=s.confidence, half_weight_at=s.evidence)
        terms.append(Term("pseudo-labels", labels, s.pseudo, s.ramp))
        changes |= {
            "unlabelled_view": replace(
                unlabelled(s), augmentation=replace(s.augmentation, cut_mix=s.cut_mix)
            ),
            "min_labelled": s.evidence_from,
            "max_labelled": s.evidence_until,
            "least_unlabelled_steps": ENOUGH_TO_GUESS,
            "teacher": "ema",
        }
    if s.contrast:
        terms.append(Term("local contrast", local_contrast, s.contrast))
    return make_plan(s, by_structure, by_classes, fine_tuning(s, terms, **changes))


RECIPE = Recipe(
    name="recommended",
    title="Recommended",
    summary=(
        "Pretrains by where slices lie and by classes, then learns the labels, along "
        "every axis where voxels are nearly cubes; joined with interpolation."
    ),
    presets={"sound": Settings(), "literal": Settings()},
    plan=plan,
)
