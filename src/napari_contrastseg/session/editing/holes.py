"""Fill holes of a class in a slice, where nothing is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import scipy

from napari_contrastseg.session.classes import NOTHING
from napari_contrastseg.session.editing.plane import box_around

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.session.editing.plane import Plane


def fill_holes(plane: Plane, class_id: int) -> NDArray[np.uint8]:
    """Fill what a class encloses; other classes in there, and background, stay.

    Returns
    -------
    (rows, columns) uint8
        The slice's ink afterwards.
    """
    changed = plane.ink.copy()
    mask = plane.ink == class_id
    box = box_around(mask, (0, 0))
    if box is not None:
        enclosed = scipy.ndimage.binary_fill_holes(mask[box])
        changed[box][enclosed & (plane.ink[box] == NOTHING)] = class_id
    return changed
