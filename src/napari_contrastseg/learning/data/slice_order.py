"""Slice order: how a volume's slices are turned to lie as a network learned them.

A network's `Frame` says where in the world the slices, rows and columns that it learned
from ran. The rows and columns of another volume are exchanged and mirrored as brings
them nearest to that, so that it depends on no line that a patient may lie across.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.array_order import directions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_contrastseg.io.volume import Volume

    #: Unit vectors in the world, RAS+: along slices, rows and columns; () where nothing
    #: knows its place.
    Frame = tuple[tuple[float, float, float], ...]

#: Cosine by which another order must lie nearer, so that rounding decides nothing.
LEAST: Final = 1e-6


@dataclass(frozen=True)
class SliceOrder:
    """Which axis slices lie along, and how each is turned for the network.

    Attributes
    ----------
    axis, rows, columns : int
        Array axes that slices, and the network's rows and columns, lie along.
    mirrored : tuple of int
        -2 where the network's rows run the other way, -1 where its columns do.
    backwards : bool
        Whether its slices do.
    """

    axis: int
    rows: int
    columns: int
    mirrored: tuple[int, ...] = ()
    backwards: bool = False

    @property
    def transposed(self) -> bool:
        """Whether rows and columns are exchanged."""
        return self.rows > self.columns

    def of_slice(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Pick the network's rows and columns from what each array axis has, (2,)."""
        return np.asarray(values)[[self.rows, self.columns]]

    def turned(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Turn a slice, (..., h, w), to lie as the network's do."""
        if self.transposed:
            plane = plane.swapaxes(-1, -2)
        return np.flip(plane, self.mirrored) if self.mirrored else plane

    def key(
        self, index: int, rows: slice, columns: slice, shape: tuple[int, int]
    ) -> tuple[int | slice, ...]:
        """Find what to read for a part of slice `index`, in the network's order.

        Parameters
        ----------
        shape : (int, int)
            Of the whole slice, in that order.
        """
        found: list[int | slice] = [index] * 3
        parts = zip((self.rows, self.columns), (-2, -1), (rows, columns), strict=True)
        for (axis, side, part), size in zip(parts, shape, strict=True):
            flipped = slice(size - part.stop, size - part.start)
            found[axis] = flipped if side in self.mirrored else part
        return tuple(found)

    def turned_back(self, plane: Tensor) -> Tensor:
        """Undo `turned` of what a network gave."""
        plane = plane.flip(self.mirrored) if self.mirrored else plane
        return plane.transpose(-1, -2) if self.transposed else plane

    def places(
        self, position: NDArray[np.int64], shape: Sequence[int]
    ) -> NDArray[np.int64]:
        """Turn voxels of a volume, (n, 3), to rows and columns of slices, (n, 2)."""
        found = position[:, [self.rows, self.columns]]
        for side in self.mirrored:
            found[:, side] = self.of_slice(shape)[side] - 1 - found[:, side]
        return found


def frame_of(volumes: Iterable[Volume], plane: int) -> Frame:
    """Give the first volume's directions that knows its place."""
    for volume in volumes:
        if volume.anatomical:
            found = _directions(volume, plane).T.tolist()
            return tuple((float(x), float(y), float(z)) for x, y, z in found)
    return ()


def slice_order(volume: Volume, plane: int, frame: Frame) -> SliceOrder:
    """Choose the order that brings a volume's slices nearest to a frame.

    Parameters
    ----------
    plane : int
        0 for slices along the slice axis, 1 and 2 for the others; see
        `Volume.axis_of`.
    """
    axis, rows, columns = _axes(volume, plane)
    if not frame or not volume.anatomical:
        return SliceOrder(axis, rows, columns)
    cosines = np.asarray(frame) @ _directions(volume, plane)
    (here, there), (back, forth) = cosines[1:, 1:]
    if abs(there) + abs(back) > abs(here) + abs(forth) + LEAST:
        rows, columns, here, forth = columns, rows, there, back
    mirrored = tuple(
        side for side, cosine in ((-2, here), (-1, forth)) if cosine < -LEAST
    )
    return SliceOrder(axis, rows, columns, mirrored, bool(cosines[0, 0] < -LEAST))


def _axes(volume: Volume, plane: int) -> tuple[int, int, int]:
    axis = volume.axis_of(plane)
    rows, columns = (other for other in range(3) if other != axis)
    return axis, rows, columns


def _directions(volume: Volume, plane: int) -> NDArray[np.float64]:
    """Give directions of slices, rows and columns, as columns."""
    return directions_of(volume.affine)[:, _axes(volume, plane)]
