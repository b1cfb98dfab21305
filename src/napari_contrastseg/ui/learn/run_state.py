"""State machine of a training run: preparing, training, predicting, paused, ended.

::

    stateDiagram-v2
        [*] --> PREPARING: start, resume
        [*] --> PREDICTING: use_model
        PREPARING --> TRAINING: TrainingBegan
        TRAINING --> PREDICTING: Trained, unless it only pretrains
        AT_WORK --> PAUSED: pause
        PAUSED --> AT_WORK: go on, where it was
        AT_WORK --> STOPPING: cancel
        PAUSED --> STOPPING: cancel
        AT_WORK --> ENDED: Finished, Failed
        STOPPING --> ENDED: Cancelled, or one of the others came first
        ENDED --> PREDICTING: predict_now, from the weights of a cancelled training
        ENDED --> [*]: the controller holds no run any more

AT_WORK is PREPARING, TRAINING or PREDICTING. A run stays in ENDED while a mouse button
is down: nothing is changed in the middle of a stroke.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, assert_never

from napari_contrastseg.tasks.drive import Cancelled, Failed, Finished
from napari_contrastseg.tasks.events import (
    Note,
    Progress,
    StageReport,
    TrainingBegan,
    preparing,
)
from napari_contrastseg.tasks.feature_probe import Probed
from napari_contrastseg.tasks.predict import Predicted, PredictedSlices
from napari_contrastseg.tasks.round import (
    TRAINING_SHARE,
    Embedded,
    SlicesScored,
    Trained,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.round import RoundEvent
    from napari_contrastseg.tasks.round_result import RoundResult

#: Until the task says what it does.
_NO_PROGRESS = preparing("loading PyTorch and images")


class RunState(Enum):
    """Where a run is; see the module's diagram."""

    PREPARING = auto()
    TRAINING = auto()
    PREDICTING = auto()
    PAUSED = auto()
    STOPPING = auto()
    ENDED = auto()


class FinishReason(Enum):
    """Why a run's task ended."""

    COMPLETED = auto()
    CANCELLED = auto()
    FAILED = auto()


class Learned(IntEnum):
    """How much of its training a run has done; never less than before.

    SOMETHING is a step of any stage, FROM_LABELS one of fine-tuning.
    """

    NOTHING = auto()
    SOMETHING = auto()
    FROM_LABELS = auto()
    ALL = auto()


class Conclusion(Enum):
    """What becomes of a run that has ended.

    Attributes
    ----------
    ROUND
        Its predictions become a round.
    PRETRAINED
        Pretraining alone was asked for; its weights are kept already.
    PREDICTION
        Cancelled: the weights so far are kept and predict now.
    WEIGHTS
        Cancelled: the weights so far are kept.
    NOTHING_LEARNED
        Cancelled before there was anything to keep.
    NOTHING
        Failed, or there was nothing to predict.
    """

    ROUND = auto()
    PRETRAINED = auto()
    PREDICTION = auto()
    WEIGHTS = auto()
    NOTHING_LEARNED = auto()
    NOTHING = auto()


@dataclass(eq=False)
class RunInProgress:
    """A run, from its request until its end has been dealt with.

    Attributes
    ----------
    request : TrainRequest
    collected : RoundResult
        What has come of it.
    proposes : bool
        Whether prediction follows training.
    state : RunState
    finish : FinishReason or None
        None until the task ends.
    failure : Failed or None
    learned : Learned
    progress : Progress
        The last one.
    device : str
        What it runs on, with the memory that was free when it began.
    cut_short : bool
        Whether it was cancelled and predicts from the weights that it had.
    begun : float
        Seconds of `time.perf_counter`.
    """

    request: TrainRequest
    collected: RoundResult
    proposes: bool = True
    state: RunState = RunState.PREPARING
    finish: FinishReason | None = None
    failure: Failed | None = None
    learned: Learned = Learned.NOTHING
    progress: Progress = _NO_PROGRESS
    device: str = ""
    cut_short: bool = False
    begun: float = field(default_factory=time.perf_counter)
    _work: RunState = field(init=False)  # what the task does, also while PAUSED

    def __post_init__(self) -> None:
        self._work = self.state

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return round(time.perf_counter() - self.begun, 2)

    def is_complete(self, present: Collection[str]) -> bool:
        """Whether there is nothing to go on with; `present` is as in `conclusion`.

        Who cancels once all is predicted has the round, and wants no map.
        """
        if self.cut_short or self.finish is FinishReason.FAILED:
            return False
        done = self.finish is FinishReason.COMPLETED
        return done or self.conclusion(present) is Conclusion.ROUND

    def pause(self, paused: bool) -> bool:
        """Pause or go on; False where it stops or has ended."""
        if self.state in (RunState.STOPPING, RunState.ENDED):
            return False
        self.state = RunState.PAUSED if paused else self._work
        return True

    def cancel(self) -> bool:
        """Begin to stop; False where it has ended."""
        if self.state is RunState.ENDED:
            return False
        self.state = RunState.STOPPING
        return True

    def apply(self, event: RoundEvent) -> None:
        """Take in what the task reports."""
        collected = self.collected
        match event:
            case Progress():
                self.progress = event
                self.learned = max(self.learned, _learned_by_step(event))
            case TrainingBegan():
                collected.model, self.device = event.model, event.about
                self._turn_to(RunState.TRAINING)
            case StageReport():
                self.learned = max(self.learned, _learned_by_stage(event))
            case Trained():
                self.learned = Learned.ALL
                if self.proposes:
                    self._turn_to(RunState.PREDICTING)
            case Predicted():
                collected.take(event)
            case SlicesScored():
                collected.slices[event.volume_id] = event.scores
            case Embedded():
                collected.embedding = event
            case Probed() | Note() | PredictedSlices():
                pass  # for the controller alone
            case _:
                assert_never(event)

    def end(self, outcome: Outcome) -> None:
        """Take in how the task ended."""
        self.state = RunState.ENDED
        match outcome:
            case Finished():
                self.finish = FinishReason.COMPLETED
            case Cancelled():
                self.finish = FinishReason.CANCELLED
            case Failed():
                self.finish, self.failure = FinishReason.FAILED, outcome

    def conclusion(self, present: Collection[str]) -> Conclusion:
        """Say what becomes of it.

        Parameters
        ----------
        present : volume ids
            Volumes that the session still holds.
        """
        done = self.finish is FinishReason.COMPLETED
        if done and not self.proposes:
            return Conclusion.PRETRAINED
        if self.collected.predictions and (done or self._all_predicted(present)):
            return Conclusion.ROUND  # where it is not done the map alone is missing
        if self.finish is not FinishReason.CANCELLED:
            return Conclusion.NOTHING
        if self.collected.model is None or self.learned is Learned.NOTHING:
            return Conclusion.NOTHING_LEARNED
        if self.learned is Learned.FROM_LABELS:
            return Conclusion.PREDICTION
        return Conclusion.WEIGHTS

    def predict_now(self) -> None:
        """Go on after a cancel: its weights count as trained and predict."""
        self.state = self._work = RunState.PREDICTING
        self.finish, self.cut_short = None, True
        self.learned = Learned.ALL
        self.progress = Progress("predict", TRAINING_SHARE)

    def _turn_to(self, work: RunState) -> None:
        """Do something else, now or when it goes on."""
        if self.state is self._work:
            self.state = work
        self._work = work

    def _all_predicted(self, present: Collection[str]) -> bool:
        """Whether each volume of the run that is still there has been predicted."""
        asked = {entry.volume.id for entry in self.request.volumes}
        return asked & set(present) <= set(self.collected.predictions)


def _learned_by_step(event: Progress) -> Learned:
    """Only a step of fine-tuning has a Dice, only a step of training a loss."""
    if event.dice is not None:
        return Learned.FROM_LABELS
    return Learned.NOTHING if event.loss is None else Learned.SOMETHING


def _learned_by_stage(event: StageReport) -> Learned:
    """Stages before a checkpoint are reported by a run that goes on from there."""
    if not event.steps:
        return Learned.NOTHING
    tuned = event.purpose == "fine-tune"
    return Learned.FROM_LABELS if tuned else Learned.SOMETHING
