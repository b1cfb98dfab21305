"""The default: what helped, put together (see docs/recipes/recommended.md).

One stage. Labelled slices teach by Dice and cross-entropy; on all others the averaged
weights are a teacher, whose labels count where it is sure of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_contrastseg.learning.stage import Recipe, View
from napari_contrastseg.learning.supervision import (
    Supervision,
    fine_tuning,
    put_together,
)

if TYPE_CHECKING:
    from napari_contrastseg.learning.stage import Plan


@dataclass(frozen=True)
class Settings(Supervision):
    """What can be chosen.

    Attributes
    ----------
    unlabelled_batch : int
        Slices without labels in a batch.
    pseudo : float
        Weight of pseudo-labels when it has risen.
    ramp : float
        Part of the training over which it rises.
    confidence : float
        Highest threshold of a pseudo-label.
    cut_mix : float
        Probability that a box of another slice is pasted into an unlabelled one.
    contrast : float
        Weight of the exact local contrast.
    """

    unlabelled_batch: int = 8
    pseudo: float = 1.0
    ramp: float = 0.3
    confidence: float = 0.95
    cut_mix: float = 0.5
    contrast: float = 0.0
    trust: float = 1.0
    reach: float = 0.0


def plan(settings: Settings) -> Plan:
    """One stage of supervision, pseudo-labels and local contrast."""
    from napari_contrastseg.learning import agreement, terms  # noqa: PLC0415

    s = settings
    parts = [terms.supervised()]
    changes: dict[str, Any] = {}
    if s.pseudo:
        parts.append(
            agreement.PseudoLabels(
                s.pseudo, s.ramp, s.confidence, s.trust, s.reach
            ).term()
        )
        changes["teacher"] = "ema"
        changes["beside"] = View(
            "unlabelled",
            s.unlabelled_batch,
            augmentation=replace(s.augmentation, cut_mix=s.cut_mix),
            pixels=s.pixels,
        )
    if s.contrast:
        local = terms.LocalContrast(
            tap=s.last_tap,
            temperature=0.1,
            sampling="exact",
            pairs="label",
            negatives_per_anchor=1.0,
            foreground_limit=1024,
        )
        parts.append(local.term(s.contrast))
    return put_together(s, fine_tuning(s, parts, **changes))


RECIPE = Recipe(
    name="recommended",
    title="Recommended",
    summary="Our best combination.",
    presets={"sound": Settings(), "literal": Settings()},
    plan=plan,
    pretrains=False,
)
