"""Training targets of a session: a copy, so that annotating goes on meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.targets import REJECTED, UNKNOWN, TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.session.rounds import evidence
from napari_contrastseg.session.targets import (
    PseudoLabels,
    Status,
    earned_weight,
    pseudo_labels,
    targets,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord


def frozen_classes(session: Session) -> tuple[ModelClass, ...]:
    """Give the session's classes as a model will know them."""
    return tuple(ModelClass(c.id, c.name, c.colour) for c in session.classes)


class FrozenVolumes(Sequence[TrainingVolume]):
    """All that training may see: truth plus earned pseudo-labels.

    The session is copied at once, which is quick; what follows from it is worked out
    when first asked for, which takes a while on large volumes: in the task's thread.

    Raises
    ------
    InputError
        There is no volume or no class yet.
    """

    def __init__(self, session: Session) -> None:
        if not session.records:
            raise InputError(
                "There is no image in the session; add one in step Data first."
            )
        if not session.classes:
            raise InputError("There are no classes yet; add one in step Data first.")
        latest = session.rounds.current
        proposals = dict(latest.proposals) if latest is not None else {}
        self._frozen = _Frozen(
            {name: record.frozen() for name, record in session.records.items()},
            {n: p for n, p in proposals.items() if n in session.records},
            latest.info.settled if latest is not None else {},
            dict(session.all_thresholds()),
        )
        self._names = tuple(session.records)
        self._made: dict[str, TrainingVolume] = {}

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> TrainingVolume: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[TrainingVolume, ...]: ...

    def __getitem__(
        self, index: int | slice
    ) -> TrainingVolume | tuple[TrainingVolume, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        name = self._names[index]
        if name not in self._made:
            self._made[name] = self._frozen.derive(name)
        return self._made[name]


def labelled_slices(session: Session) -> int:
    """How many slices have any truth."""
    return sum(
        int((r.status != Status.UNTOUCHED).sum()) for r in session.records.values()
    )


def settled_slices(session: Session) -> dict[str, list[int]]:
    """Slice numbers that are done, for each volume."""
    return {
        name: np.flatnonzero(record.status == Status.DONE).tolist()
        for name, record in session.records.items()
    }


@dataclass(frozen=True, eq=False)
class _Frozen:
    """Copies of what the human did, and what the current round proposed."""

    records: dict[str, VolumeRecord]
    proposals: dict[str, Proposal]
    settled: dict[str, list[int]]
    thresholds: dict[int, float]

    @cached_property
    def earned(self) -> dict[int, float]:
        """Weight that each class's pseudo-labels have earned."""
        statuses = (record.status for record in self.records.values())
        count = sum(int((status != Status.UNTOUCHED).sum()) for status in statuses)
        found = evidence(self.records, self.proposals, self.settled, self.thresholds)
        return {k: earned_weight(count, e.dice, e.checked) for k, e in found.items()}

    def derive(self, name: str) -> TrainingVolume:
        """Make a volume's targets; the copies of it have served then."""
        record, proposal = self.records[name], self.proposals.get(name)
        earned = self.earned if proposal is not None else {}
        known, rejected = record.truth, record.rejected
        anything = (known != UNKNOWN).any()
        record.ink, record.rejected = record.ink[:0].copy(), rejected[:0].copy()
        if proposal is not None and any(earned.values()):
            pseudo = _pseudo(proposal, known, self.thresholds, earned)
            target, weight = targets(known, pseudo, rejected > 0)
            return TrainingVolume(record.volume, _without(target, rejected), weight)
        known = _without(known, rejected)
        return TrainingVolume(record.volume, known if anything else None)


def _without(
    target: NDArray[np.int16], rejected: NDArray[np.uint16]
) -> NDArray[np.int16]:
    """Note where nothing is to be guessed, in place."""
    for plane, refused in zip(target, rejected, strict=True):
        if refused.any():
            plane[(plane == UNKNOWN) & (refused > 0)] = REJECTED
    return target


def _pseudo(
    proposal: Proposal,
    known: NDArray[np.int16],
    thresholds: Mapping[int, float],
    earned: Mapping[int, float],
) -> PseudoLabels:
    """Pseudo-labels of a volume with the weight each class has earned."""
    labels = pseudo_labels(proposal.prediction, proposal.confidence, thresholds)
    weight = np.zeros(labels.shape, np.float32)
    for class_id, threshold in thresholds.items():
        here = (labels == class_id) & (known == UNKNOWN)
        margin = (proposal.confidence[here].astype(np.float32) - threshold) / max(
            1 - threshold, 1e-3
        )
        weight[here] = earned[class_id] * np.clip(0.5 + 0.5 * margin, 0, 1)
    return PseudoLabels(labels, weight)
