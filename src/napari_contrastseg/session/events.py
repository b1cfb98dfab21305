"""What a session tells its journal: every change, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.undo import Action
    from napari_contrastseg.session.volume_record import VolumeRecord


@dataclass(frozen=True)
class Did:
    """The person did something."""

    action: Action


@dataclass(frozen=True)
class Undid:
    """The last action was taken back."""

    action: Action


@dataclass(frozen=True)
class Redid:
    """The action that was undone last was done again."""

    action: Action


@dataclass(frozen=True, eq=False)
class VolumeAdded:
    """A volume joined the cohort."""

    record: VolumeRecord


@dataclass(frozen=True)
class VolumeRemoved:
    """A volume left the cohort."""

    volume_id: str


@dataclass(frozen=True)
class AxisChosen:
    """Another slice axis; nothing was painted yet."""

    axis: int


@dataclass(frozen=True)
class ThresholdSet:
    """A class's confidence threshold."""

    class_id: int
    value: float


@dataclass(frozen=True, eq=False)
class RoundAdded:
    """A round is finished; its proposals are the current ones."""

    round: Round


@dataclass(frozen=True, eq=False)
class WeightsKept:
    """Weights newer than the current round's: a pretraining's, a cancelled run's."""

    key: str
    model: Model


Entry = (
    Did
    | Undid
    | Redid
    | VolumeAdded
    | VolumeRemoved
    | AxisChosen
    | ThresholdSet
    | RoundAdded
    | WeightsKept
)
