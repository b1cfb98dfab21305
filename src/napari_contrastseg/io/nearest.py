"""Bring a mask onto another grid: nearest neighbour, by the position in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.geometry import SAME_PLACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Decimals of a voxel that count: what lies on an edge must not fall outside.
_DECIMALS: Final = 6


@dataclass(frozen=True, eq=False)
class OnGrid:
    """A mask on another grid than its own.

    Attributes
    ----------
    labels : array of the other grid's shape
        0 where the mask's grid does not reach.
    known : array of bool
        Where it does reach.
    overlap : float
        Part of the mask's labelled voxels, or of all where none is labelled, whose
        centres lie within the other grid.
    """

    labels: NDArray[Any]
    known: NDArray[np.bool_]
    overlap: float


def onto_grid(
    mask: NDArray[Any],
    affine: NDArray[np.float64],
    shape: Sequence[int],
    other: NDArray[np.float64],
) -> OnGrid:
    """Bring a mask onto another grid.

    Parameters
    ----------
    mask : (a, b, c) array
    affine : (4, 4) float
        The mask's voxel index to world.
    shape, other : 3 int and (4, 4) float
        The other grid's.
    """
    labels = np.zeros(tuple(shape), mask.dtype)
    known = np.zeros(tuple(shape), np.bool_)
    there = np.asarray(np.linalg.inv(affine) @ other, np.float64)
    _, rows, columns = (np.arange(n) for n in shape)
    in_plane = (
        there[:3, 1, None, None] * rows[:, None]
        + there[:3, 2, None, None] * columns
        + there[:3, 3, None, None]
    )
    for index in range(shape[0]):
        place = (in_plane + (there[:3, 0] * index)[:, None, None]).round(_DECIMALS)
        within = _within(place, mask.shape)
        nearest = np.floor(place[:, within] + 0.5).astype(np.int64)
        nearest = np.clip(nearest, 0, np.array(mask.shape)[:, None] - 1)
        labels[index][within] = mask[tuple(nearest)]
        known[index] = within
    return OnGrid(
        labels,
        known,
        _overlap(mask, np.asarray(np.linalg.inv(there), np.float64), shape),
    )


def _within(place: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Whether places, (3, ...) voxel indices, lie within a grid's outer faces."""
    bounds = np.array(shape).reshape(3, *(1,) * (place.ndim - 1)) - 0.5
    inside = (place >= -0.5 - SAME_PLACE) & (place <= bounds + SAME_PLACE)
    return np.asarray(inside.all(axis=0))


def _overlap(
    mask: NDArray[Any], there: NDArray[np.float64], shape: Sequence[int]
) -> float:
    labelled, inside = 0, 0
    everything = not mask.any()
    for index, plane in enumerate(mask):
        rows, columns = np.nonzero(np.ones_like(plane) if everything else plane)
        ends = np.stack([np.full(len(rows), index), rows, columns])
        place = (there[:3, :3] @ ends + there[:3, 3:]).round(_DECIMALS)
        labelled += len(rows)
        inside += int(_within(place, shape).sum())
    return inside / max(labelled, 1)
