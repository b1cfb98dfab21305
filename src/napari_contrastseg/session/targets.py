"""Truth, pseudo-labels and training targets from ink: pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.session.classes import BACKGROUND, NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Status(IntEnum):
    """How much of a slice counts."""

    UNTOUCHED = 0
    SPARSE = 1
    DONE = 2


class Origin(IntEnum):
    """Where a voxel's ink came from; the numbers are stored."""

    UNTOUCHED = 0
    PAINTED = 1
    CORRECTED = 2
    ACCEPTED = 3  # from a round's network, unless another source is named
    ACCEPTED_INTERPOLATION = 4
    ACCEPTED_LIVE = 5
    ACCEPTED_FUSED = 6


def truth(
    ink: NDArray[np.uint8], status: NDArray[np.uint8], axis: int
) -> NDArray[np.int16]:
    """Give what is known of every voxel.

    Parameters
    ----------
    ink : (s0, s1, s2) uint8
        0 nothing painted, 255 background painted on purpose, else a class id.
    status : (slices,) uint8
        A `Status` for each slice along `axis`.

    Returns
    -------
    (s0, s1, s2) int16
        -1 unknown, 0 background, k class. Painted voxels count on every slice, and
        on slices that are done the unpainted ones are background.
    """
    known = ink.astype(np.int16)
    known[ink == BACKGROUND] = 0
    done = along(status == Status.DONE, axis)
    known[(ink == NOTHING) & ~done] = UNKNOWN
    return known


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """Predictions that are sure enough to learn from.

    Attributes
    ----------
    labels : (s0, s1, s2) int16
        -1 unknown, 0 background, k class.
    weight : (s0, s1, s2) float32 in [0, 1]
    """

    labels: NDArray[np.int16]
    weight: NDArray[np.float32]


def pseudo_labels(
    prediction: NDArray[np.uint8],
    confidence: NDArray[np.floating[Any]],
    thresholds: Mapping[int, float],
) -> NDArray[np.int16]:
    """Predictions at or above their class's confidence threshold; below: -1.

    Parameters
    ----------
    prediction : uint8
        0 background, else a class id.
    confidence : float in [0, 1]
    thresholds : mapping of class id (0 for background) to threshold
    """
    labels = prediction.astype(np.int16)
    least = least_confidence(thresholds)
    labels[confidence.astype(np.float32) < least[prediction]] = UNKNOWN
    return labels


def least_confidence(thresholds: Mapping[int, float]) -> NDArray[np.float32]:
    """Confidence from which each number, (256,), counts as sure; 1 for no class."""
    least = np.ones(256, np.float32)
    for class_id, threshold in thresholds.items():
        least[class_id] = threshold
    return np.asarray(least - np.float32(1e-6))


def targets(
    known: NDArray[np.int16],
    pseudo: PseudoLabels | None,
    rejected: NDArray[np.bool_],
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Class and weight of every voxel: all that supervised terms see.

    Truth has weight 1; pseudo-labels have the weight they earned, where the truth is
    unknown and nobody rejected them; everything else is unknown with weight 0.
    """
    target = known.copy()
    weight = (known >= 0).astype(np.float32)
    if pseudo is not None:
        usable = (known < 0) & (pseudo.labels >= 0) & ~rejected & (pseudo.weight > 0)
        target[usable] = pseudo.labels[usable]
        weight[usable] = pseudo.weight[usable]
    return target, weight


#: Labelled slices up to which pseudo-labels weigh nothing, and from which they may
#: weigh all that they have proved.
FEW_SLICES, MANY_SLICES = 8, 32
#: Slices that must have been checked, and the Dice on them from which they weigh.
CHECKED, PROVEN = 3, 0.9


def earned_weight(labelled_slices: int, dice: float | None, checked: int) -> float:
    """Weight that a class's pseudo-labels have earned, within 0 and 1.

    A network that learns from its own mistakes repeats them: with half the weight of
    truth, and nothing but confidence to show for it, pseudo-labels made networks far
    worse at 12, 24 and 48 labelled slices. So they weigh nothing until slices that a
    human has settled since show that they are right, and that they miss little.

    Parameters
    ----------
    labelled_slices : int
    dice : float or None
        Of the last round's pseudo-labels of this class, on the slices settled since.
    checked : int
        How many these are.
    """
    if dice is None or checked < CHECKED:
        return 0.0
    span = MANY_SLICES - FEW_SLICES
    claim = min(max((labelled_slices - FEW_SLICES) / span, 0.0), 1.0)
    proven = min(max((dice - PROVEN) / (1 - PROVEN), 0.0), 1.0)
    return claim * proven * checked / (checked + 4.0)


def along(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Shape per-slice values to broadcast along `axis` of a volume."""
    shape = [1, 1, 1]
    shape[axis] = len(values)
    return values.reshape(shape)
