"""Slice features: what each slice of a volume looks like, for comparing slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Rows and columns of the grid of means that describes a slice.
GRID: Final = 16
#: Pixels along a side that are read for it.
MOST_SIDE: Final = 128


def slice_features(volume: Volume, axis: int) -> NDArray[np.float64]:
    """Describe each slice along an axis by its mean intensities on a coarse grid.

    Parameters
    ----------
    volume : Volume
    axis : int
        Slice axis.

    Returns
    -------
    (slices, channels * rows * columns) float
        Centred, with unit standard deviation over the volume and channel. Values that
        are not finite count as 0.
    """
    parts = [_of_channel(volume, number, axis) for number in range(len(volume.data))]
    return np.concatenate(parts, axis=1)


def _of_channel(volume: Volume, number: int, axis: int) -> NDArray[np.float64]:
    key: list[Any] = [slice(None, None, max(1, n // MOST_SIDE)) for n in volume.shape]
    rows = []
    for index in range(volume.shape[axis]):
        key[axis] = index
        plane = np.nan_to_num(volume.part(number, tuple(key), np.float64))
        for side in (0, 1):
            count = min(GRID, plane.shape[side])
            starts = np.arange(count) * plane.shape[side] // count
            sums = np.add.reduceat(plane, starts, axis=side)
            sizes = np.diff([*starts, plane.shape[side]])
            plane = sums / (sizes[:, None] if side == 0 else sizes)
        rows.append(plane.reshape(-1))
    found = np.stack(rows)
    return np.asarray((found - found.mean()) / (found.std() or 1.0))
