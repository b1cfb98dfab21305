"""Self-training: label the unlabelled slices, train from scratch on all, repeat.

The oldest of the baselines: every pseudo-label counts in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.learning.plan.shared_settings import (
    HU2021_TRAINING,
    SemiSupervision,
    fine_tuning,
    make_plan,
    supervised_term,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe
from napari_contrastseg.learning.terms.term import Term

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(SemiSupervision):
    """What can be chosen; the defaults are the ``sound`` preset."""

    rounds: Annotated[
        int,
        Setting(
            "How often the unlabelled slices are labelled and a network is trained "
            "from the start.",
            min=0,
        ),
    ] = 3
    steps: Annotated[int, Setting("Length of each training.", min=0, unit="steps")] = (
        1000
    )
    unlabelled_batch: int = 16


def plan(settings: Settings) -> Plan:
    """Train once, then `rounds` times from scratch with the one before as teacher."""
    from napari_contrastseg.learning.terms.pseudo_labels import TeacherLabels  # noqa: PLC0415  loads torch

    s = settings
    first = fine_tuning(s, [supervised_term()], "first labels")
    every_label = Term("pseudo-labels", partial(TeacherLabels, most=0.0))
    again = [
        fine_tuning(
            s,
            [supervised_term(), every_label],
            f"again {number}",
            unlabelled_view=unlabelled(s),
            teacher="snapshot",
            reinitialise=True,
        )
        for number in range(1, s.rounds + 1)
    ]
    return make_plan(s, first, *again)


RECIPE = Recipe(
    name="self_training",
    title="Self-training",
    summary="Trains, labels the other slices, trains from scratch on all; three times.",
    presets={
        "sound": Settings(),
        "literal": Settings(**HU2021_TRAINING, unlabelled_batch=8),
    },
    plan=plan,
    pretrains=False,
)
