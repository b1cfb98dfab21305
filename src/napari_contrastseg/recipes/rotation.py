"""Rotation: tell which of four right-angle turns a slice was given; then fine-tuning.

Gidaris, Singh, Komodakis: Unsupervised representation learning by predicting image
rotations, ICLR 2018; a baseline of Chaitanya et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.learning.stage import (
    INTENSITY_ONLY,
    Augmentation,
    Recipe,
    Stage,
    View,
)
from napari_contrastseg.learning.supervision import (
    AS_CHAITANYA,
    Supervision,
    fine_tuning,
    put_together,
    rate,
)

if TYPE_CHECKING:
    from napari_contrastseg.learning.stage import Plan


@dataclass(frozen=True)
class Settings(Supervision):
    """What can be chosen; the defaults are the ``sound`` preset."""

    pretext_batch: int = 16
    pretext_lr: float = 5e-4
    pretext_steps: int = 200
    pretext_share: float = 0.12
    pretext_augmentation: Augmentation = INTENSITY_ONLY


def plan(settings: Settings) -> Plan:
    """Train the pretext task on all slices, then fine-tune."""
    from napari_contrastseg.learning import pretext, terms  # noqa: PLC0415

    s = settings
    task = Stage(
        "rotation",
        "pretrain",
        View(
            "all", s.pretext_batch, augmentation=s.pretext_augmentation, pixels=s.pixels
        ),
        (pretext.rotation(),),
        rate(s, s.pretext_lr),
        s.pretext_steps,
        s.pretext_share,
        trains=("encoder",),
    )
    return put_together(s, task, fine_tuning(s, [terms.supervised()]))


LITERAL = Settings(
    **AS_CHAITANYA,
    pretext_batch=20,
    pretext_lr=1e-3,
    pretext_steps=10_000,
    pretext_share=1.0,
)

RECIPE = Recipe(
    name="rotation",
    title="Rotation",
    paper=(
        "Gidaris, Singh, Komodakis: Unsupervised representation learning by predicting "
        "image rotations, ICLR 2018"
    ),
    summary="Pretrains the encoder to tell how a slice was turned, then fine-tunes.",
    presets={"sound": Settings(), "literal": LITERAL},
    plan=plan,
)
