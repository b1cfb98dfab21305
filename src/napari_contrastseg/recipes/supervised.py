"""A plain U-Net on the labelled slices: the baseline of every table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_contrastseg.learning.stage import (
    PIXELS_PER_BATCH,
    STRONG,
    Augmentation,
    NetworkSpec,
    Optimiser,
    Plan,
    Stage,
    View,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings:
    """What can be chosen; `pixels` bounds the pixels of a batch."""

    batch: int = 16
    pixels: int | None = PIXELS_PER_BATCH
    lr: float = 2e-3
    weight_decay: float = 1e-4
    steps: int = 1000
    neighbours: int = 2
    ema: float | None = 0.99
    mirror_at_test: bool = True
    augmentation: Augmentation = STRONG
    network: NetworkSpec = field(default_factory=NetworkSpec)


#: Random initialisation as in Hu et al. 2021: fine-tuning alone, their constants.
LITERAL = Settings(
    batch=8,
    pixels=None,
    lr=5e-4,
    weight_decay=0.0,
    steps=4000,
    neighbours=0,
    ema=None,
    mirror_at_test=False,
    augmentation=Augmentation(
        mirror=True, elastic=0.03, rotation=5.7, scale=(0.5, 1.9), chance=0.5
    ),
    network=NetworkSpec((64, 128, 256, 512, 1024), "instance", "none"),
)


@dataclass(frozen=True)
class Supervised:
    """Cross-entropy plus soft Dice on what is labelled."""

    name: str = "supervised"
    title: str = "Supervised U-Net"
    paper: str = ""
    summary: str = "A U-Net with strong augmentation, trained on the labels alone."
    pretrains: bool = False

    @property
    def presets(self) -> Mapping[str, Settings]:
        """``sound`` is ours, ``literal`` the random-initialisation row of Hu 2021."""
        return {"sound": Settings(), "literal": LITERAL}

    def plan(self, settings: Settings) -> Plan:
        """One stage: Dice + cross-entropy."""
        from napari_contrastseg.learning import terms  # noqa: PLC0415  loads torch

        stage = Stage(
            "fine-tune",
            "fine-tune",
            View(
                "labelled",
                settings.batch,
                augmentation=settings.augmentation,
                pixels=settings.pixels,
            ),
            (terms.supervised(),),
            Optimiser(settings.lr, settings.weight_decay, warm_up=0.02),
            settings.steps,
            ema=settings.ema,
        )
        return Plan(
            (stage,), settings.network, settings.neighbours, settings.mirror_at_test
        )


RECIPE = Supervised()
