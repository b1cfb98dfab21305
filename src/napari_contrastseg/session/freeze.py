"""Training targets of a session: a copy, so that annotating goes on meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from napari_contrastseg.io.blocks import blocks
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.data.targets import REJECTED, UNKNOWN, TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.session.rounds import evidence
from napari_contrastseg.session.targets import (
    PseudoLabels,
    Status,
    earned_weight,
    pseudo_labels,
    targets,
    truth,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.io.blocks import Key
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord


def frozen_classes(session: Session) -> tuple[ModelClass, ...]:
    """Give the session's classes as a model will know them."""
    return tuple(ModelClass(c.id, c.name, c.colour) for c in session.classes)


class FrozenVolumes(Sequence[TrainingVolume]):
    """All that training may see: truth plus earned pseudo-labels.

    The session is copied at once, which is quick; what follows from it is worked out
    when first asked for, which takes a while on large volumes: in the task's thread.

    Parameters
    ----------
    session : Session
    closed : bool
        Whether those of its cases that are closed are among them.

    Raises
    ------
    InputError
        There is no volume or no class yet.
    """

    def __init__(self, session: Session, *, closed: bool = True) -> None:
        if not session.records:
            raise InputError(
                "There is no image in the session; add one in step Data first."
            )
        if not session.classes:
            raise InputError("There are no classes yet; add one in step Data first.")
        latest = session.rounds.current
        proposals = dict(latest.proposals) if latest is not None else {}
        records = session.all_records if closed else session.records
        self._frozen = _Frozen(
            {name: record.frozen() for name, record in records.items()},
            {n: p for n, p in proposals.items() if n in session.records},
            latest.info.settled if latest is not None else {},
            dict(session.all_thresholds()),
        )
        self._names = tuple(records)
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Be a list elsewhere; each volume is worked out when it is written."""
        return list, (), None, iter(self)


def labelled_slices(session: Session) -> int:
    """How many slices have any truth."""
    return sum(
        int((r.status != Status.UNTOUCHED).sum()) for r in session.all_records.values()
    )


def settled_slices(session: Session) -> dict[str, list[int]]:
    """Slice numbers that are done, for each volume."""
    return {
        name: np.flatnonzero(record.status == Status.DONE).tolist()
        for name, record in session.all_records.items()
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
        if record.is_aside:
            record.take_up()  # the copy alone
        earned = self.earned if proposal is not None else {}
        guesses = proposal is not None and any(earned.values())
        target = zeros(record.volume.shape, np.int16)
        weight = zeros(record.volume.shape, np.float32) if guesses else None
        anything = guesses
        for part in blocks(target.shape):
            status = record.status[part[record.axis]]
            known = truth(record.ink[part], status, record.axis)
            refused = record.rejected[part] > 0
            anything = anything or bool((known != UNKNOWN).any())
            if weight is not None and proposal is not None:
                pseudo = _pseudo(proposal, part, known, self.thresholds, earned)
                known, weight[part] = targets(known, pseudo, refused)
            known[(known == UNKNOWN) & refused] = REJECTED  # nothing is guessed there
            target[part] = known
        record.ink, record.rejected = record.ink[:0].copy(), record.rejected[:0].copy()
        return TrainingVolume(record.volume, target if anything else None, weight)


def _pseudo(
    proposal: Proposal,
    part: Key,
    known: NDArray[np.int16],
    thresholds: Mapping[int, float],
    earned: Mapping[int, float],
) -> PseudoLabels:
    """Pseudo-labels of a part of a volume, with the weight each class has earned."""
    guess, confidence = proposal.prediction[part], proposal.confidence[part]
    labels = pseudo_labels(guess, confidence, thresholds)
    weight = np.zeros(labels.shape, np.float32)
    for class_id, threshold in thresholds.items():
        here = (labels == class_id) & (known == UNKNOWN)
        margin = (confidence[here].astype(np.float32) - threshold) / max(
            1 - threshold, 1e-3
        )
        weight[here] = earned[class_id] * np.clip(0.5 + 0.5 * margin, 0, 1)
    return PseudoLabels(labels, weight)
