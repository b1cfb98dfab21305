"""From ink to truth, and from truth and pseudo-labels to targets: pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.learning.labels import UNKNOWN
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
    """Where a voxel's ink came from."""

    UNTOUCHED = 0
    PAINTED = 1
    CORRECTED = 2
    ACCEPTED = 3


def truth(
    ink: NDArray[np.uint8], status: NDArray[np.uint8], axis: int
) -> NDArray[np.int16]:
    """Tell what is known of every voxel.

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
    done = _along(status == Status.DONE, axis, ink.ndim)
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
    lut = np.ones(256, np.float32)
    for class_id, threshold in thresholds.items():
        lut[class_id] = threshold
    labels = prediction.astype(np.int16)
    labels[confidence.astype(np.float32) < lut[prediction] - 1e-6] = UNKNOWN
    return labels


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


#: Labelled slices up to which pseudo-labels weigh nothing, and from which they weigh
#: all that a model without evidence may claim.
FEW_SLICES, MANY_SLICES = 8, 32
#: Weight that pseudo-labels reach without anyone having checked them.
UNCHECKED = 0.5
#: Precision on checked slices below which a class's pseudo-labels weigh nothing.
PRECISION_FLOOR = 0.8


def earned_weight(labelled_slices: int, precision: float | None, checked: int) -> float:
    """Weight that a class's pseudo-labels have earned, within 0 and 1.

    Self-training on a handful of slices makes a network worse, on two dozen better,
    so the claim grows with the labelled slices; and the last round's pseudo-labels
    are held against the slices that a human has settled since. A few checked slices
    alone are no claim: on them the network is right where it is sure already.

    Parameters
    ----------
    labelled_slices : int
    precision : float or None
        Share of the last round's pseudo-labels of this class that proved right.
    checked : int
        Slices settled since then, on which that was measured.
    """
    span = MANY_SLICES - FEW_SLICES
    claim = min(max((labelled_slices - FEW_SLICES) / span, 0.0), 1.0)
    if precision is None or not checked:
        return claim * UNCHECKED
    proven = min(max((precision - PRECISION_FLOOR) / (1 - PRECISION_FLOOR), 0.0), 1.0)
    trust = checked / (checked + 4.0)
    return claim * ((1 - trust) * UNCHECKED + trust * proven)


def _along(values: NDArray[Any], axis: int, ndim: int) -> NDArray[Any]:
    """Shape per-slice values to broadcast along `axis`."""
    shape = [1] * ndim
    shape[axis] = len(values)
    return values.reshape(shape)
