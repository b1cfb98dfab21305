"""Events that tasks yield: progress, notes, stage reports. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.plan.stage import Purpose

Found = TypeVar("Found")
#: With this the stage of a `Progress` begins until there is a part of the whole.
PREPARING: Final = "preparing"


@dataclass(frozen=True)
class TrainingBegan:
    """The model that is being trained, in place.

    Whenever the task ends, its network holds the best weights so far.

    Attributes
    ----------
    device, about : str
        Where it is trained, and that in words, with the memory that is free.
    """

    model: Model
    device: str
    about: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a task is.

    Attributes
    ----------
    stage : str
    fraction : float
        Of the whole task, 0 to 1.
    eta : float or None
        Seconds that are left, estimated.
    loss, dice : float or None
    """

    stage: str
    fraction: float
    eta: float | None = None
    loss: float | None = None
    dice: float | None = None


def preparing(what: str) -> Progress:
    """Say what is done before the first step; nobody knows how long it takes."""
    return Progress(f"{PREPARING}: {what}", 0.0)


@dataclass(frozen=True)
class Note:
    """Something a person should know; the task goes on."""

    text: str


@dataclass(frozen=True)
class StageReport:
    """A stage that is over."""

    name: str
    steps: int
    seconds: float
    loss: tuple[float, ...]
    axis: int | None = None
    purpose: Purpose | None = None


def saying(
    steps: Generator[object, None, Found], event: Progress
) -> Generator[Progress, None, Found]:
    """Say the same after each of some steps, so that a task can be stopped there."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Found = end.value
            return found
        yield event
