"""Same place: the largest distance of two voxel grids' corners, in voxels."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Voxels that the corners of two grids in the same place may be apart: headers are
#: rounded (float32, quaternions), and a tenth of a voxel changes no voxel's class.
SAME_PLACE: Final = 0.1


def corner_distance(
    shape: Sequence[int], affine: NDArray[np.float64], other: NDArray[np.float64]
) -> float:
    """Largest distance of the corners of two grids of one shape, in voxels.

    Parameters
    ----------
    shape : n int
        Voxels along each axis; the corners are the outer ones of the outermost voxels,
        so that a single slice has its thickness.
    affine, other : (n + 1, n + 1) float
        Voxel index to world. The distance is in voxels of `affine`, along its axes:
        half a slice counts as half a voxel, however thick the slices are.

    Returns
    -------
    float
        Infinite where it cannot be said: a singular affine, or one that is not finite.
    """
    n = len(shape)
    corners = np.array([(*c, 1.0) for c in product(*((-0.5, k - 0.5) for k in shape))])
    moved = (corners @ (other - affine).T)[:, :n]
    try:
        steps = np.linalg.solve(affine[:n, :n], moved.T)
    except np.linalg.LinAlgError:
        return float("inf")
    distance = float(np.sqrt((steps**2).sum(axis=0)).max())
    return distance if np.isfinite(distance) else float("inf")


def same_place(
    shape: Sequence[int], affine: NDArray[np.float64], other: NDArray[np.float64]
) -> bool:
    """Whether no corner of two grids is more than `SAME_PLACE` voxels off."""
    return corner_distance(shape, affine, other) <= SAME_PLACE
