"""Grow or shrink a class in a slice by a distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import scipy

from napari_contrastseg.session.classes import NOTHING
from napari_contrastseg.session.editing.plane import box_around

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.session.editing.plane import Plane

# A pixel as far away as the distance counts, however the two were rounded
_ROUNDING: Final = 1 + 1e-6


def grow(plane: Plane, class_id: int, distance: float) -> NDArray[np.uint8]:
    """Let a class reach as far as a distance, where nothing is painted.

    Parameters
    ----------
    distance : float
        From the centre of a pixel to that of the class's nearest, in the unit of the
        slice's spacing.

    Returns
    -------
    (rows, columns) uint8
        The slice's ink afterwards.
    """
    changed = plane.ink.copy()
    mask = plane.ink == class_id
    box = box_around(mask, plane.pixels(distance))
    if box is not None:
        away = scipy.ndimage.distance_transform_edt(~mask[box], sampling=plane.spacing)
        free = plane.ink[box] == NOTHING
        changed[box][free & (away <= distance * _ROUNDING)] = class_id
    return changed


def shrink(plane: Plane, class_id: int, distance: float) -> NDArray[np.uint8]:
    """Erase the rim of a class; the edge of the slice is not one.

    Parameters
    ----------
    distance : float
        From the centre of a pixel to that of the nearest of anything else, in the unit
        of the slice's spacing.

    Returns
    -------
    (rows, columns) uint8
        The slice's ink afterwards.
    """
    changed = plane.ink.copy()
    mask = plane.ink == class_id
    box = box_around(mask, (1, 1))
    if box is not None and not mask[box].all():
        away = scipy.ndimage.distance_transform_edt(mask[box], sampling=plane.spacing)
        changed[box][mask[box] & (away <= distance * _ROUNDING)] = NOTHING
    return changed
