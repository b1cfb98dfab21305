"""Freezing the session for training: the annotator may go on painting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.card import ModelClass
from napari_contrastseg.learning.labels import UNKNOWN, TrainingVolume
from napari_contrastseg.session.rounds import evidence
from napari_contrastseg.session.truth import (
    PseudoLabels,
    Status,
    earned_weight,
    pseudo_labels,
    targets,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.record import Proposal, VolumeRecord
    from napari_contrastseg.session.session import Session


def frozen_classes(session: Session) -> tuple[ModelClass, ...]:
    """Give the session's classes as a model will know them."""
    return tuple(ModelClass(c.id, c.name, c.colour) for c in session.classes)


def frozen_truth(session: Session) -> dict[str, NDArray[np.int16]]:
    """Copy the truth of every volume."""
    return {name: record.truth for name, record in session.records.items()}


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
        latest = session.current
        self._frozen: _Frozen | None = _Frozen(
            {name: record.frozen() for name, record in session.records.items()},
            dict(latest.proposals) if latest is not None else {},
            latest.info.settled if latest is not None else {},
            dict(session.all_thresholds()),
        )
        self._count = len(session.records)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> TrainingVolume: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[TrainingVolume, ...]: ...

    def __getitem__(
        self, index: int | slice
    ) -> TrainingVolume | tuple[TrainingVolume, ...]:
        return self._derived[index]

    @cached_property
    def _derived(self) -> tuple[TrainingVolume, ...]:
        assert self._frozen is not None
        derived = _derive(self._frozen)
        self._frozen = None  # the copies have served
        return derived


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


def _derive(frozen: _Frozen) -> tuple[TrainingVolume, ...]:
    known = {name: record.truth for name, record in frozen.records.items()}
    pseudo = _pseudo(frozen, known)
    volumes = []
    for name, record in frozen.records.items():
        if name in pseudo:
            rejected = record.rejected > 0
            target, weight = targets(known[name], pseudo[name], rejected)
            volumes.append(TrainingVolume(record.volume, target, weight))
        else:
            anything = (known[name] != UNKNOWN).any()
            volumes.append(
                TrainingVolume(record.volume, known[name] if anything else None)
            )
    return tuple(volumes)


def _pseudo(
    frozen: _Frozen, known: dict[str, NDArray[np.int16]]
) -> dict[str, PseudoLabels]:
    """Pseudo-labels of the current round with the weight each class has earned."""
    records, thresholds = frozen.records, frozen.thresholds
    proposals = {n: p for n, p in frozen.proposals.items() if n in records}
    sure = {
        name: pseudo_labels(p.prediction, p.confidence, thresholds)
        for name, p in proposals.items()
    }
    count = sum(int((r.status != Status.UNTOUCHED).sum()) for r in records.values())
    earned = {}
    for class_id in thresholds:
        proof = evidence(records, frozen.settled, sure, class_id)
        earned[class_id] = earned_weight(count, proof.precision, proof.checked)
    if not any(earned.values()):
        return {}
    result = {}
    for name, labels in sure.items():
        weight = np.zeros(labels.shape, np.float32)
        confidence = proposals[name].confidence
        for class_id, threshold in thresholds.items():
            here = (labels == class_id) & (known[name] == UNKNOWN)
            margin = (confidence[here].astype(np.float32) - threshold) / max(
                1 - threshold, 1e-3
            )
            weight[here] = earned[class_id] * np.clip(0.5 + 0.5 * margin, 0, 1)
        result[name] = PseudoLabels(labels, weight)
    return result
