"""Freezing the session for training: the annotator may go on painting."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    from napari_contrastseg.session.session import Session


def frozen_classes(session: Session) -> tuple[ModelClass, ...]:
    """Give the session's classes as a model will know them."""
    return tuple(ModelClass(c.id, c.name, c.colour) for c in session.classes)


def frozen_truth(session: Session) -> dict[str, NDArray[np.int16]]:
    """Copy the truth of every volume."""
    return {name: record.truth for name, record in session.records.items()}


def frozen_targets(session: Session) -> tuple[TrainingVolume, ...]:
    """Copy all that training may see: truth plus earned pseudo-labels.

    Raises
    ------
    InputError
        There is no volume or no class yet.
    """
    if not session.records:
        raise InputError(
            "There is no image in the session; add one in step Data first."
        )
    if not session.classes:
        raise InputError("There are no classes yet; add one in step Data first.")
    known = frozen_truth(session)
    pseudo = _pseudo(session, known)
    volumes = []
    for name, record in session.records.items():
        rejected = record.rejected > 0
        target, weight = targets(known[name], pseudo.get(name), rejected)
        volumes.append(TrainingVolume(record.volume, target, weight))
    return tuple(volumes)


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


def _pseudo(
    session: Session, known: dict[str, NDArray[np.int16]]
) -> dict[str, PseudoLabels]:
    """Pseudo-labels of the current round with the weight each class has earned."""
    latest = session.current
    if latest is None:
        return {}
    thresholds = session.all_thresholds()
    sure = {
        name: pseudo_labels(p.prediction, p.confidence, thresholds)
        for name, p in latest.proposals.items()
        if name in session.records
    }
    count = labelled_slices(session)
    earned = {}
    for class_id in thresholds:
        proof = evidence(session.records, latest, sure, class_id)
        earned[class_id] = earned_weight(count, proof.precision, proof.checked)
    result = {}
    for name, labels in sure.items():
        weight = np.zeros(labels.shape, np.float32)
        confidence = latest.proposals[name].confidence
        for class_id, threshold in thresholds.items():
            here = (labels == class_id) & (known[name] == UNKNOWN)
            margin = (confidence[here].astype(np.float32) - threshold) / max(
                1 - threshold, 1e-3
            )
            weight[here] = earned[class_id] * np.clip(0.5 + 0.5 * margin, 0, 1)
        result[name] = PseudoLabels(labels, weight)
    return result
