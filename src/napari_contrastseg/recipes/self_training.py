"""Self-training: label the unlabelled slices, train anew on all of them, repeat.

The oldest of the baselines (methods.md, section 6): every pseudo-label counts in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.plan.settings import (
    HU2021_TRAINING,
    SemiSupervision,
    fine_tuning,
    make_plan,
    unlabelled,
)
from napari_contrastseg.learning.plan.stage import Recipe

if TYPE_CHECKING:
    from napari_contrastseg.learning.plan.stage import Plan


@dataclass(frozen=True)
class Settings(SemiSupervision):
    """What can be chosen; the defaults are the ``sound`` preset.

    Attributes
    ----------
    rounds : int
        How often the unlabelled slices are labelled and a network is trained anew.
    steps : int
        Of each training.
    """

    rounds: int = 3
    unlabelled_batch: int = 16


def plan(settings: Settings) -> Plan:
    """Train once, then `rounds` times from scratch with the one before as teacher."""
    from napari_contrastseg.learning.terms import (  # noqa: PLC0415
        consistency as agreement,
    )
    from napari_contrastseg.learning.terms import (  # noqa: PLC0415
        supervised as terms,
    )

    s = settings
    first = fine_tuning(s, [terms.supervised()], "first labels")
    naive = agreement.TeacherLabels(most=0.0).term()
    again = [
        fine_tuning(
            s,
            [terms.supervised(), naive],
            f"again {number}",
            beside=unlabelled(s),
            teacher="snapshot",
            reinitialise=True,
        )
        for number in range(1, s.rounds + 1)
    ]
    return make_plan(s, first, *again)


RECIPE = Recipe(
    name="self_training",
    title="Self-training",
    summary="Trains, labels the other slices, and trains anew on all, three times.",
    presets={
        "sound": Settings(),
        "literal": Settings(**HU2021_TRAINING, unlabelled_batch=8),
    },
    plan=plan,
    pretrains=False,
)
