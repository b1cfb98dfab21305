"""Surface area of a mask, by Crofton's formula in thirteen directions."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import scipy

if TYPE_CHECKING:
    from numpy.typing import NDArray


def surface_area(mask: NDArray[np.bool_], spacing: NDArray[np.float64]) -> float:
    """Estimate the area of a body's surface from how often lines cross it.

    A body's surface is twice the mean, over all directions, of how many times the
    lines of a direction cross it, by the area that they cover (Crofton). The thirteen
    directions of a voxel's neighbours stand for all, each for the part of the sphere
    that is nearest to it (Lehmann and Legland 2012, "Efficient N-dimensional surface
    estimation using Crofton formula and run-length encoding"). A mesh around the
    voxels would be some 10 % too large, and more so the flatter the voxels.

    Parameters
    ----------
    mask : (s0, s1, s2) bool
    spacing : (3,) float

    Returns
    -------
    float
        In the square of the spacing's unit.
    """
    steps = np.array([d for d in product((-1, 0, 1), repeat=3) if d > (0, 0, 0)])
    lengths = np.linalg.norm(steps * spacing, axis=1)
    padded = np.pad(mask, 1)
    crossings = np.array([_crossings(padded, step) for step in steps])
    between = np.prod(spacing) / lengths  # area for each line of a direction
    return float(2 * (_weights(steps * spacing) * crossings * between).sum())


def _crossings(mask: NDArray[np.bool_], step: NDArray[np.int64]) -> int:
    """Count the steps that lead into the body or out of it."""
    here = mask[tuple(slice(max(-d, 0), min(-d, 0) or None) for d in step)]
    there = mask[tuple(slice(max(d, 0), min(d, 0) or None) for d in step)]
    return int(np.count_nonzero(here != there))


def _weights(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part of the sphere that is nearest to each direction, or its opposite."""
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    areas = scipy.spatial.SphericalVoronoi(
        np.concatenate([unit, -unit])
    ).calculate_areas()
    return np.asarray(areas[: len(unit)] * 2 / areas.sum())
