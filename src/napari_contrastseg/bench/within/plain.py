"""Plain interpolation between labelled slices: the rival of every method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.proposers.signed_distance import Interpolation, class_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.signed_distance import Kind

#: Names of the plain ways, as methods.
PLAIN: Final[tuple[Kind, ...]] = ("linear", "cubic")


class PlainInterpolation:
    """Signed distances of the labelled slices, interpolated along the slice axis.

    On a slice where not everything is known each pixel first takes the class of the
    nearest one that is.

    Parameters
    ----------
    truth : (z, y, x) int
        Negative where nothing is known, 0 background, else a class id.
    classes : sequence of int
    kind : {"linear", "cubic"}

    Raises
    ------
    InputError
        Nothing is labelled.
    """

    def __init__(self, truth: NDArray[Any], classes: Sequence[int], kind: Kind) -> None:
        known = np.flatnonzero((truth >= 0).any(axis=(1, 2)))
        if not len(known):
            raise InputError(f"{kind}: no slice is labelled; label one first.")
        self._ids = np.array([0, *classes], np.uint8)
        fields = [class_fields(completed(truth[i]), classes) for i in known]
        self._between = Interpolation(known.tolist(), fields.__getitem__, kind)

    def labels(self, index: int) -> NDArray[np.uint8]:
        """Give the class ids of one slice."""
        fields = self._between.at(index)
        return np.asarray(self._ids[fields.argmax(axis=0)])


def completed(plane: NDArray[Any]) -> NDArray[Any]:
    """Give each unknown pixel of a slice the class of the nearest known one."""
    unknown = plane < 0
    if not unknown.any():
        return plane
    nearest = distance_transform_edt(
        unknown, return_distances=False, return_indices=True
    )
    return np.asarray(plane[tuple(nearest)])
