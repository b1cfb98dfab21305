"""Keep known labels in an answer; hide some of them to test an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_contrastseg.proposers.truth_by_slice import TruthBySlice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import LabelledVolume

_UNKNOWN = -1


def with_known(
    values: NDArray[np.float32], volume: LabelledVolume, index: int
) -> NDArray[np.float32]:
    """Answer what is known of a slice with certainty, in place.

    Parameters
    ----------
    values : (1 + classes, y, x) float32
        Probabilities; 1 for the known class afterwards, 0 for the others.
    """
    truth = volume.truth[index]
    known = truth >= 0
    if known.any():
        values[:, known] = 0
        for channel, value in enumerate((0, *volume.classes)):
            values[channel, truth == value] = 1
    return values


def without(volume: LabelledVolume, index: int) -> LabelledVolume:
    """Hide what is known of one slice, to see what a source would say of it."""
    hidden = volume.truth[index].copy()
    hidden[hidden >= 0] = _UNKNOWN
    planes = dict(volume.known_planes()) | {index: hidden}
    truth: Any = TruthBySlice(volume.truth.shape, planes)
    return replace(volume, truth=truth)
