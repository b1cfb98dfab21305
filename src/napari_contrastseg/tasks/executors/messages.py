"""Messages between the window's process and the one in which a task runs.

::

    parent: Begin ------------> child
    child:  Happened ---------> parent     an event; the child waits for its answer
    parent: Answer -----------> child      go on, or end; what the person does now
    child:  Ended ------------> parent     the outcome, and the models' last weights
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.drive import Outcome


@dataclass(frozen=True)
class Ready:
    """The child has loaded what tasks need."""


@dataclass(frozen=True)
class Begin:
    """A task shall run; the job itself follows, packed.

    Attributes
    ----------
    folder : str
        For large arrays; whoever is left alone deletes it.
    side : str
        Begins the names of the child's files in it.
    again : bool
        Whether the job's place was lost before.
    kept : str or None
        Stands for the job's folder where that lies on another computer.
    """

    folder: str
    side: str
    again: bool
    answer: Answer
    kept: str | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What the parent says after each event.

    Attributes
    ----------
    cancelled : bool
    now : object
        What the task may look at.
    idle : float
        Seconds since the person at the window did something.
    """

    cancelled: bool
    now: Any
    idle: float


@dataclass(frozen=True, eq=False)
class Happened:
    """An event of the task."""

    event: Any


@dataclass(frozen=True, eq=False)
class Ended:
    """The task has ended.

    Attributes
    ----------
    outcome : Outcome
    models : tuple of Model
        Those of its events, with the weights that it leaves.
    used_gpu : bool
        Whether this process holds memory of a GPU as long as it lives.
    """

    outcome: Outcome
    models: tuple[Model, ...]
    used_gpu: bool
