"""Pace of a computer: how long training steps and predictions take. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.spec import NetworkSpec
    from napari_contrastseg.learning.plan.stage import Stage

#: Part of a step's time where the decoder does not learn.
ENCODER_ALONE: Final = 0.65
#: What a pixel without labels costs, in one with: a teacher looks at it as well.
WITH_TEACHER: Final = 4 / 3


@dataclass(frozen=True)
class Workload:
    """One training step: a network, and the slices of a batch.

    Attributes
    ----------
    network : NetworkSpec
    planes, classes : int
        Channels that come in, and classes without background.
    batch, rows, columns : int
        Slices, and their size in the network's pixels.
    """

    network: NetworkSpec
    planes: int
    classes: int
    batch: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Pace:
    """Pixels a second, in training steps of the whole network and in prediction."""

    training: float
    prediction: float


#: What is assumed of a computer until it was measured.
GUESS_FOR_CPU: Final = Pace(15e6 / 60, 45e6 / 60)
GUESS_FOR_GPU: Final = Pace(120e6 / 60, 360e6 / 60)


def step_pixels(stage: Stage, rows: int, columns: int, labelled: int) -> float:
    """Count the pixels of a step, in those that pass through the whole network."""
    pixels = float(stage.view.batch_for(rows, columns) * stage.view.copies)
    enough = stage.min_labelled <= labelled < stage.max_labelled
    if stage.unlabelled_view is not None and enough:
        pixels += WITH_TEACHER * stage.unlabelled_view.batch_for(rows, columns)
    if "decoder" not in stage.trains:
        pixels *= ENCODER_ALONE
    return pixels * rows * columns
