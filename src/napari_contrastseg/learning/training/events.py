"""Events of training: stage started, step done, stage finished, memory short."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class StageStarted:
    """A stage begins."""

    stage: str
    purpose: str


@dataclass(frozen=True)
class StepDone:
    """One step is done.

    Attributes
    ----------
    stage : str
    step : int
        From 1.
    fraction : float
        Of the stage that is done, 0 to 1.
    loss : float
    dice : float
        On the batch's known voxels; NaN where the stage has no segmentation term.
    """

    stage: str
    step: int
    fraction: float
    loss: float
    dice: float


@dataclass(frozen=True)
class StageFinished:
    """A stage has ended, after `steps` steps and `seconds` seconds."""

    stage: str
    steps: int
    seconds: float
    loss: tuple[float, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class MemoryShort:
    """The device's memory ran short; the batch is in `parts` parts from now on."""

    stage: str
    parts: int


RunnerEvent = StageStarted | StepDone | StageFinished | MemoryShort
