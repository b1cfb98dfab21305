"""Self-training: label the unlabelled slices, train from scratch on all, repeat.

The oldest of the baselines: every pseudo-label counts in full, or where the teacher is
certain: by softmax, MC dropout (Gal and Ghahramani 2016) or Self-Loop (Li et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from napari_contrastseg.io.errors import InputError
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
    uncertainty: Annotated[
        Literal["none", "softmax", "dropout", "self-loop"],
        Setting(
            "Which pseudo-labels count. none: all of them; the others: where the "
            "teacher's entropy is low, of one prediction, of the mean of several with "
            "dropout, or of several between which its encoder solves puzzles."
        ),
    ] = "none"
    most_uncertain: Annotated[
        float,
        Setting(
            "Largest entropy of a pseudo-label, in that of a guess among all classes.",
            min=0,
            max=1,
        ),
    ] = 0.5
    passes: Annotated[
        int, Setting("Predictions in the mean of dropout and self-loop.", min=2, max=64)
    ] = 8


def _pseudo_labels(settings: Settings) -> Term:
    """Learn from the teacher's labels, all of them or the certain ones."""
    from napari_contrastseg.learning.terms.pseudo_labels import TeacherLabels  # noqa: PLC0415  loads torch
    from napari_contrastseg.learning.terms.uncertain_labels import UncertainLabels  # noqa: PLC0415  loads torch

    s = settings
    if s.uncertainty == "none":
        return Term("pseudo-labels", partial(TeacherLabels, most=0.0))
    if s.uncertainty == "dropout" and not s.network.dropout:
        raise InputError(
            "uncertainty: dropout asks a network that drops features at random; give "
            "one that does, with --set 'network={\"dropout\": 0.2}'."
        )
    certain = partial(
        UncertainLabels, kind=s.uncertainty, most=s.most_uncertain, passes=s.passes
    )
    return Term("certain pseudo-labels", certain)


def plan(settings: Settings) -> Plan:
    """Train once, then `rounds` times from scratch with the one before as teacher."""
    s = settings
    first = fine_tuning(s, [supervised_term()], "first labels")
    guesses = _pseudo_labels(s)
    again = [
        fine_tuning(
            s,
            [supervised_term(), guesses],
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
