"""Weak labels: interpolated slices and completed scribbles that a network learns from.

::

    what a person labelled --> guided interpolation --+--> pretraining: all of it counts
                           --> completed scribbles ---+--> fine-tuning: what it earned

A label nobody painted counts by how sure it is. In fine-tuning those of interpolated
slices count less the more is labelled: from a few small outlines a network learns
little by itself, from large ones it soon knows more than interpolation does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import numpy as np

from napari_contrastseg.learning.data.targets import UNKNOWN, TrainingVolume
from napari_contrastseg.proposers import weak_labels
from napari_contrastseg.tasks.interpolation import (
    interpolated,
    interpolates_most,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import LabelledVolume
    from napari_contrastseg.tasks.interpolation import Interpolated
    from napari_contrastseg.tasks.requests import TrainRequest

#: Labelled pixels of a class, in all slices, at which interpolated labels have lost
#: half of their weight in fine-tuning. Learned on la_01 to la_03 and two hippocampi.
HALF_TRUST: Final = 250.0
#: Weight of a weak label at most: 1 is what a person labelled.
SUREST: Final = 0.99
#: Largest volume whose unlabelled slices are learned from, in voxels.
MOST_VOXELS: Final = 2**26


@dataclass(frozen=True, eq=False)
class Taught:
    """Volumes with weak labels beside those of a person.

    Attributes
    ----------
    volumes, pretraining : sequence of TrainingVolume
        As fine-tuning and as pretraining learn from them.
    """

    volumes: Sequence[TrainingVolume]
    pretraining: Sequence[TrainingVolume]


#: What was worked out ahead, for a training that has not begun yet.
_AHEAD: WeakKeyDictionary[TrainRequest, Taught | None] = WeakKeyDictionary()


def teach_ahead(request: TrainRequest) -> None:
    """Work out now what `taught` will give when training begins."""
    _AHEAD[request] = _taught(request)


def taught(request: TrainRequest) -> Taught | None:
    """Add weak labels to the volumes of a request; None where there are none.

    They are for work within a volume or a few: where most volumes have no label, these
    are what is to be learned.
    """
    if request in _AHEAD:
        return _AHEAD.pop(request)  # large, and asked for once
    return _taught(request)


def _taught(request: TrainRequest) -> Taught | None:
    if not interpolates_most(request):
        return None
    helped = {found.entry.volume.id: found for found in interpolated(request)}
    if not helped:
        return None
    volumes, pretraining = [], []
    for entry in request.volumes:
        found = helped.get(entry.volume.id)
        both = entry, entry
        if found is not None and np.prod(entry.volume.shape) <= MOST_VOXELS:
            both = _with_weak_labels(found)
        volumes.append(both[0])
        pretraining.append(both[1])
    return Taught(volumes, pretraining)


def _with_weak_labels(found: Interpolated) -> tuple[TrainingVolume, TrainingVolume]:
    """Label a volume for fine-tuning and for pretraining."""
    entry, known, axis = found.entry, found.known, found.entry.volume.axis
    target, weight = weak_labels.weak_labels(known)
    _keep_earned(entry, target, weight)
    between = np.zeros(len(target), bool)
    for index, plane in enumerate(target):
        open_ = plane == UNKNOWN
        if (plane >= 0).any() or not open_.any():
            continue
        said = found.keep(index)  # once more with the network's answer
        plane[open_] = np.array([0, *known.classes])[said.argmax(axis=0)][open_]
        weight[index][open_] = np.maximum(2 * said.max(axis=0) - 1, 0)[open_]
        between[index] = True
    unknown = np.asarray(known.truth) < 0
    weight[unknown] = np.minimum(weight[unknown], SUREST)
    earned = weight.copy()
    earned[between] *= trust_in_interpolation(known)
    back = np.moveaxis(target, 0, axis)
    return (
        TrainingVolume(entry.volume, back, np.moveaxis(earned, 0, axis)),
        TrainingVolume(entry.volume, back, np.moveaxis(weight, 0, axis)),
    )


def _keep_earned(
    entry: TrainingVolume,
    target: NDArray[np.int16],
    weight: NDArray[np.float32],
) -> None:
    """Let pseudo-labels of a round stay as they are, in place."""
    if entry.weight is None or entry.target is None:
        return
    labels, mine = (
        np.moveaxis(array, entry.volume.axis, 0)
        for array in (entry.target, entry.weight)
    )
    stays = (labels >= 0) & (mine > 0)
    target[stays], weight[stays] = labels[stays], mine[stays]


def trust_in_interpolation(known: LabelledVolume) -> float:
    """Weigh interpolated labels in fine-tuning, 0 to 1."""
    labelled = int((np.asarray(known.truth) > 0).sum()) / max(len(known.classes), 1)
    return HALF_TRUST**2 / (HALF_TRUST**2 + labelled**2)
