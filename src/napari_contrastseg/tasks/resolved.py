"""What a training request will do: stages, one run a slice axis, notes, seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from napari_contrastseg.learning.data.slice_axes import ENOUGH, Obstacle
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.fingerprint import fingerprint

if TYPE_CHECKING:
    from napari_contrastseg.learning.data.input_spec import InputSpec
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.plan.stage import Budget, Plan, Stage
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.time_plan import StageLeftOut


class LabelSource(StrEnum):
    """Where the labels that a network learns from come from."""

    PERSON = "labelled by a person"
    FIRST_NETWORK = "completed by the first network"


@dataclass(frozen=True, eq=False)
class AxisRun:
    """The training of one network, of slices along one axis.

    Attributes
    ----------
    axis : int
        0 for slices along each volume's slice axis, 1 and 2 for the others.
    share : float
        Part that this network has of the length of all.
    labels : LabelSource
    labelled_slices : int
        How many a person labelled; stages are as long as that many deserve.
    budget : Budget
        With this network's part of the minutes.
    inputs : InputSpec
        Channels and pixel size of the network.
    start : Model, optional
        Weights that training continues; without, the network begins from random ones.
    stages : tuple of Stage
        Those that are run, each with its length.
    notes : tuple of str
        What a person should know when this training begins.
    learned : tuple of int
        Ids of the classes that its model will know: those that are labelled, and what
        `start` knew.
    left_out : tuple of StageLeftOut
        Stages that the minutes hold too few steps of; they take no time.
    steps : int or None
        How many steps the minutes hold, where the pace was measured.
    """

    axis: int
    share: float
    labels: LabelSource
    labelled_slices: int
    budget: Budget
    inputs: InputSpec
    start: Model | None
    stages: tuple[Stage, ...]
    notes: tuple[str, ...]
    learned: tuple[int, ...]
    left_out: tuple[StageLeftOut, ...] = ()
    steps: int | None = None


@dataclass(frozen=True, eq=False)
class ResolvedTraining:
    """What a request will do.

    Attributes
    ----------
    request : TrainRequest
    settings : object
        The recipe's, with the pixel size (`coarser`) chosen.
    plan : Plan
        Of these settings.
    stages : tuple of Stage
        The plan's that were asked for; each network's own are in `AxisRun.stages`.
    axes : tuple of AxisRun
        One a network, the slice axis first.
    left_out : Obstacle, optional
        Why the networks of other axes that the recipe wants are not trained.
    enough : int
        Labelled slices from which on there are networks of other axes.
    minutes_for_all : float, optional
        Minutes from which on there is a network of every axis, where time decides.
    notes : tuple of str
        What a person should know before all begins.
    training_seconds, prediction_seconds : float
        Estimated, by the pace of this computer where it was measured.
    """

    request: TrainRequest
    settings: Any
    plan: Plan
    stages: tuple[Stage, ...]
    axes: tuple[AxisRun, ...]
    left_out: Obstacle | None = None
    enough: int = ENOUGH
    minutes_for_all: float | None = None
    notes: tuple[str, ...] = ()
    training_seconds: float = 0.0
    prediction_seconds: float = 0.0

    @cached_property
    def identity(self) -> str:
        """Fingerprint of what was asked for, before anything is chosen.

        The choices depend on the device. It reads images and labels, which takes a
        while: a run needs it, a look at what will be done does not.
        """
        return fingerprint(self.request, settings_asked(self.request), self.stages)


def settings_asked(request: TrainRequest) -> Any:
    """Find the settings that are asked for, as they were before any choice."""
    return request.settings or settings_of(recipe_named(request.recipe), request.preset)
