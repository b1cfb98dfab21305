"""Confidence from which a fresh proposal counts as sure, so that something does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

#: Where a threshold begins if enough of the class is as sure.
DEFAULT_THRESHOLD: Final = 0.9
#: Part of the voxels proposed as a class that should count as sure.
SURE_SHARE: Final = 0.25
#: Steps of a threshold, and voxels of a volume that are looked at.
STEPS: Final = 100
MOST_VOXELS: Final = 2**22


def first_thresholds(
    proposals: Iterable[tuple[NDArray[np.uint8], NDArray[np.float16]]],
) -> dict[int, float]:
    """Find the highest threshold, up to 0.9, that leaves part of each class sure.

    Parameters
    ----------
    proposals : iterable of (class ids, confidence)
        Voxels with confidence 0 have no answer yet and do not count.

    Returns
    -------
    dict of class id, 0 for background, to threshold
        Only those that begin below 0.9.
    """
    counts = np.zeros((256, STEPS + 1), np.int64)
    steps = _steps_of_bits()
    for prediction, confidence in proposals:
        every = max(1, prediction.size // MOST_VOXELS)
        labels = prediction.reshape(-1)[::every].astype(np.intp)
        sure = steps[confidence.reshape(-1)[::every].view(np.uint16)]
        found = np.bincount(labels * (STEPS + 1) + sure, minlength=counts.size)
        counts += found.reshape(counts.shape)
    counts[:, 0] = 0
    least = {}
    top = round(DEFAULT_THRESHOLD * STEPS)
    for class_id in np.flatnonzero(counts.any(axis=1)).tolist():
        above = np.cumsum(counts[class_id][::-1])[::-1]  # at least as sure
        enough = np.flatnonzero(above >= SURE_SHARE * above[0])[-1]
        if enough < top:
            least[class_id] = float(enough) / STEPS
    return least


def _steps_of_bits() -> NDArray[np.uint8]:
    """Step of a confidence for each bit pattern of a float16, rounded down."""
    values = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    known = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    steps = np.floor(np.clip(known, 0, 1) * STEPS + 5e-5)
    return np.asarray(steps, np.uint8)
