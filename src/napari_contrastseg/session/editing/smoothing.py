"""Smooth the outlines of all classes of a slice together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.editing.plane import TOGETHER, box_around

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.editing.plane import Plane

#: Standard deviations after which a Gaussian ends.
TRUNCATE: Final = 3.0
# What a pixel's own label is ahead of another that is as near: rounding decides nothing
_AHEAD: Final = np.float32(1e-5)


def smooth(plane: Plane, distance: float) -> NDArray[np.uint8]:
    """Give each pixel the label of which there is most around it, by a Gaussian.

    Classes that touch go on touching: neither a gap nor an overlap comes between them.
    A piece that would vanish stays as it is.

    Parameters
    ----------
    distance : float
        Standard deviation of the Gaussian, in the unit of the slice's spacing.

    Returns
    -------
    (rows, columns) uint8
        The slice's ink afterwards.
    """
    changed = plane.ink.copy()
    reach = plane.pixels(TRUNCATE * distance)
    # twice as far: what may change, and what that depends on
    box = box_around(_is_class(plane.ink), (2 * reach[0] + 1, 2 * reach[1] + 1))
    if box is not None:
        before = plane.ink[box]
        labels = before
        if plane.done:
            labels = np.where(before == BACKGROUND, np.uint8(NOTHING), before)
        found = _most_around(labels, [distance / side for side in plane.spacing])
        _bring_back_lost(labels, found)
        outlines = _is_class(before) | _is_class(found)
        changed[box][outlines] = found[outlines]
    return changed


def _is_class(ink: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((ink != NOTHING) & (ink != BACKGROUND))


def _most_around(labels: NDArray[np.uint8], sigma: list[float]) -> NDArray[np.uint8]:
    """Find the label with the largest part of each pixel's surroundings."""
    most = np.full(labels.shape, -1, np.float32)
    found = labels.copy()
    for value in np.unique(labels):
        here = (labels == value).astype(np.float32)
        part = scipy.ndimage.gaussian_filter(
            here, sigma, mode="nearest", truncate=TRUNCATE
        )
        part += _AHEAD * here
        larger = part > most
        most[larger], found[larger] = part[larger], value
    return found


def _bring_back_lost(before: NDArray[np.uint8], found: NDArray[np.uint8]) -> None:
    """Put back the pieces of classes of which nothing is left."""
    for value in np.unique(before[_is_class(before)]):
        pieces, count = scipy.ndimage.label(before == value, TOGETHER)
        lost = np.ones(count + 1, bool)
        lost[pieces[found == value]] = False
        lost[0] = False
        if lost.any():
            found[lost[pieces]] = value
