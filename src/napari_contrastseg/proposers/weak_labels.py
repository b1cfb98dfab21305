"""Weak labels for training: ink, and slices completed from it with less weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.proposers.complete_slice import completed_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.proposers.complete_slice import Features
    from napari_contrastseg.proposers.proposer import LabelledVolume


def weak_labels(
    volume: LabelledVolume, features: Features | None = None
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Complete the scribbled slices of a volume, to learn from.

    Both arrays have the slice axis first. A network is trained on them as on any
    labels, once the axis is back in its place::

        target, weight = weak_labels(known)
        TrainingVolume(
            volume, np.moveaxis(target, 0, axis), np.moveaxis(weight, 0, axis)
        )

    Ask again after each new stroke; keep the ink's own target for checking.

    Parameters
    ----------
    volume : LabelledVolume
    features : callable of a slice number to (features, y, x) float32, optional
        As in `Completion`.

    Returns
    -------
    target : (z, y, x) int16
        -1 or -2 unknown, 0 background, else a class id.
    weight : (z, y, x) float32
        1 on ink and on wholly known slices; (2 q - 1)^2 where a pixel was completed
        with probability q, 0 below one half and where nothing is known.
    """
    target = np.array(volume.truth, np.int16)
    weight = (target >= 0).astype(np.float32)
    for done in completed_slices(volume, features):
        open_ = target[done.index] == -1
        sure = np.maximum(2 * done.probabilities.max(axis=0) - 1, 0) ** 2
        target[done.index][open_] = done.labels[open_]
        weight[done.index][open_] = sure[open_]
    return target, weight
