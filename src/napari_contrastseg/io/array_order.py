"""Array order: one volume's axes brought into the order of another's, by direction."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.lazy_image import LazyImage
from napari_contrastseg.io.volume import spacing_of, turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

_ORDERS: Final = tuple(permutations(range(3)))


def directions_of(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give unit vectors in the world along each array axis of an affine, as columns."""
    return np.asarray(affine[:3, :3] / spacing_of(affine))


def nearest_axes(cosines: NDArray[np.float64]) -> tuple[int, ...]:
    """Assign to each column the row that it is nearest to, each row once.

    Of two assignments that are as near the first in the columns' own order wins.
    """
    size = np.abs(cosines)
    columns = range(len(cosines))
    orders = [order for order in _ORDERS if len(order) == len(cosines)]
    return max(orders, key=lambda rows: round(float(size[rows, columns].sum()), 6))


def in_order_of(volume: Volume, other: Volume) -> Volume:
    """Give a volume with its axes in the order and direction of another's.

    Two files of one place may be read in different orders: where an axis lies near the
    diagonal between two of the body's, a hair in the header decides. Without copying;
    a volume that does not know its place, or meets one that does not, stays as it is.
    """
    if not (volume.anatomical and other.anatomical):
        return volume
    cosines = directions_of(other.affine).T @ directions_of(volume.affine)
    rows = nearest_axes(cosines)
    turn = [(row, np.sign(cosines[row, axis]) or 1) for axis, row in enumerate(rows)]
    if all(turn[axis] == (axis, 1) for axis in range(3)):
        return volume
    import nibabel as nib  # noqa: PLC0415  slow to load

    ornt = np.asarray(turn, dtype=float)
    here = np.asarray(volume.source.orientation, dtype=float)
    orientation = tuple(
        (int(ornt[int(axis), 0]), int(flip * ornt[int(axis), 1])) for axis, flip in here
    )
    return replace(
        volume,
        data=tuple(
            turned(channel if isinstance(channel, LazyImage) else volume.part(n), ornt)
            for n, channel in enumerate(volume.data)
        ),
        affine=volume.affine @ nib.orientations.inv_ornt_aff(ornt, volume.shape),
        source=replace(volume.source, orientation=orientation),
        axis=rows[volume.axis],
    )
