"""Coarser window of a slice: fewer, larger pixels, so that answers are quick."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

if TYPE_CHECKING:
    from numpy.typing import NDArray


def factor_for(shape: tuple[int, ...], most: int) -> int:
    """How many pixels become one along both axes, so that at most `most` are left."""
    return max(1, math.ceil(math.sqrt(math.prod(shape[-2:]) / most)))


def coarsened(planes: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Give means of blocks of `factor` x `factor` pixels, (..., y, x)."""
    if factor == 1:
        return planes.astype(np.float32)
    rows, columns = planes.shape[-2:]
    missing = [(0, -rows % factor), (0, -columns % factor)]
    full = np.pad(planes, [(0, 0)] * (planes.ndim - 2) + missing, mode="edge")
    sides = (full.shape[-2] // factor, factor, full.shape[-1] // factor, factor)
    blocks = full.reshape(*planes.shape[:-2], *sides)
    return np.asarray(blocks.mean(axis=(-3, -1), dtype=np.float32))


def finer(
    values: NDArray[np.float32], factor: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Give one value a pixel of a window, (y, x), from those of its blocks."""
    if factor == 1:
        return values
    rows, columns = shape[-2:]
    found = scipy.ndimage.zoom(values, factor, order=1, mode="nearest", grid_mode=True)
    return np.asarray(found[:rows, :columns], np.float32)
