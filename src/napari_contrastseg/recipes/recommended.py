"""The default: what helped in our tables, put together.

docs/recipes/recommended.md says what was tried, with figures. The encoder first learns
where in their volumes slices lie (Chaitanya et al. 2020, GD), where there are volumes;
then labelled slices teach by Dice and cross-entropy. The fewer there are, the more
often they are seen without their neighbours, which a network would learn by heart.
Where voxels are nearly cubes, two more networks learn along the other axes, from what
the ones before make of the slices between where these are not labelled. From one dozen
labelled slices to two the averaged weights label the others as well, and what they are
sure of counts by what it has earned.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_contrastseg.learning.data.view import STRONG, Augmentation, View
from napari_contrastseg.learning.plan.settings import (
    SemiSupervision,
    fine_tuning,
    make_plan,
    rate,
    supervised_term,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe, Stage
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


AUGMENTATION = replace(STRONG, alone=24.0)


@dataclass(frozen=True)
class Settings(SemiSupervision):
    """What can be chosen.

    Attributes
    ----------
    steps : int
        Length of the last stage from few slices.
    steps_per_slice : float
        Steps of the last stage for each labelled slice, where that is more.
    most_steps : int
        Its greatest length.
    global_steps : int
        Length of the pretraining by volume structure.
    global_volumes : int
        Volumes in its batch, with a slice of each of their parts.
    partitions : int
        Parts of a volume along the slice axis.
    pseudo : float
        Weight of pseudo-labels that have earned all of it; 0: none are made.
    evidence : float
        Labelled slices at which they have earned half of it.
    evidence_from : int
        Labelled slices from which on they are made at all.
    evidence_until : int
        Labelled slices from which on none are made: there is less to gain, and a step
        takes longer with them.
    ramp : float
        Part of the training over which their weight rises.
    confidence : float
        Highest threshold of a pseudo-label.
    cut_mix : float
        Probability that a box of another slice is pasted into an unlabelled one.
    contrast : float
        Weight of the exact local contrast beside the supervised term; 0: none.
    """

    steps: int = 1500
    steps_per_slice: float = 4.0
    most_steps: int = 4000
    coarser: float = field(default=0.0, metadata={"before": 1.0})
    every_axis: bool = True
    augmentation: Augmentation = AUGMENTATION
    global_steps: int = 150
    global_share: float = 0.1
    global_volumes: int = 4
    partitions: int = 4
    global_temperature: float = 0.1
    global_lr: float = 5e-4
    pseudo: float = 1.0
    evidence: float = 12.0
    evidence_from: int = 12
    evidence_until: int = field(default=24, metadata={"before": 10**9})
    ramp: float = 0.5
    confidence: float = 0.95
    cut_mix: float = 0.5
    contrast: float = 0.0


def plan(settings: Settings) -> Plan:
    """Volume structure, then labels and what can be concluded from them."""
    from napari_contrastseg.learning.terms.local_contrast import LocalContrast  # noqa: PLC0415  loads torch
    from napari_contrastseg.learning.terms.pseudo_labels import TeacherLabels  # noqa: PLC0415  loads torch
    from napari_contrastseg.learning.terms.structure import PartitionContrast  # noqa: PLC0415  loads torch

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
    )
    terms = [supervised_term()]
    changes: dict[str, Any] = {
        "steps_per_slice": s.steps_per_slice,
        "most_steps": s.most_steps,
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
            "teacher": "ema",
        }
    if s.contrast:
        local_contrast = partial(
            LocalContrast,
            tap=s.network.last_tap,
            temperature=0.1,
            sampling="exact",
            negatives_per_anchor=1.0,
            foreground_limit=1024,
        )
        terms.append(Term("local contrast", local_contrast, s.contrast))
    return make_plan(s, by_structure, fine_tuning(s, terms, **changes))


RECIPE = Recipe(
    name="recommended",
    title="Recommended",
    summary=(
        "Pretrains by where slices lie in their volumes, then learns the labels, along "
        "every axis where voxels are nearly cubes."
    ),
    presets={"sound": Settings(), "literal": Settings()},
    plan=plan,
)
