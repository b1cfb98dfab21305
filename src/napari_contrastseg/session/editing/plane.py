"""What an editing tool works on: labels of one slice, and the size of its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Pixels that share a corner are of one piece.
TOGETHER: Final = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice as a person labelled it; nobody changes it.

    Attributes
    ----------
    ink : (rows, columns) uint8
        0 nothing, 255 background painted on purpose, else a class id.
    spacing : (2,) float
        Size of a pixel, mm, or pixels where no size is known.
    done : bool
        Whether unpainted voxels are background; else they are unknown.
    """

    ink: NDArray[np.uint8]
    spacing: tuple[float, float]
    done: bool

    def pixels(self, distance: float) -> tuple[int, int]:
        """Pixels along rows and columns that a distance reaches at most."""
        down, right = (math.ceil(distance / side) for side in self.spacing)
        return down, right


def box_around(
    mask: NDArray[np.bool_], margin: Sequence[int]
) -> tuple[slice, slice] | None:
    """Give the box that holds a mask and a margin, within the slice; None: empty."""
    found = []
    for axis, more in enumerate(margin):
        there = np.flatnonzero(mask.any(axis=1 - axis))
        if not len(there):
            return None
        low, high = max(0, int(there[0]) - more), int(there[-1]) + 1 + more
        found.append(slice(low, min(high, mask.shape[axis])))
    rows, columns = found
    return rows, columns
