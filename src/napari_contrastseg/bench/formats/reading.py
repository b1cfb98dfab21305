"""What a library reads of a file, and how far two of them are apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_contrastseg.io.volume import array_affine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

    Unit = Literal["mm", "pixel"]

#: Order of axes, their signs, and rotations about two axes in degrees.
Place = tuple[tuple[int, int, int], tuple[int, int, int], tuple[float, float]]
PLACES: dict[str, Place] = {
    "upright": ((0, 1, 2), (1, 1, 1), (0, 0)),
    "flipped": ((0, 1, 2), (-1, 1, -1), (0, 0)),
    "permuted": ((2, 0, 1), (1, -1, 1), (0, 0)),
    "oblique": ((0, 1, 2), (-1, -1, 1), (20, -10)),
    "oblique, permuted": ((1, 2, 0), (-1, 1, 1), (35, 15)),
}
#: Voxel size in mm along i, j, k, and place of the first voxel, LPS.
SPACING = np.array([0.7, 1.5, 3.0])
ORIGIN = np.array([-31.0, 12.5, 7.0])


@dataclass(frozen=True)
class Reading:
    """An image as one library reads it.

    Attributes
    ----------
    values : (i, j, k, channels) array
    affine : (4, 4) float
        Voxel index to world, RAS+.
    unit : {"mm", "pixel"}
        Of the world; ``pixel`` where no length is known.
    """

    values: NDArray[Any]
    affine: NDArray[np.float64]
    unit: Unit = "mm"

    @classmethod
    def of_volume(cls, volume: Volume) -> Reading:
        """As our reader gives it."""
        values = np.stack([np.asarray(channel) for channel in volume.data], -1)
        return cls(values, volume.affine, volume.source.unit)

    @classmethod
    def of_array(
        cls,
        stack: NDArray[Any],
        sizes: NDArray[np.float64],
        length: float | None,
        origin: NDArray[np.float64] | None = None,
    ) -> Reading:
        """Of an array (z, y, x, channels), with its voxel size in units of a length.

        Parameters
        ----------
        stack : (z, y, x, channels) array
        sizes, origin : (3,) float
            Of z, y, x; z grows towards superior, y posterior, x left.
        length : float, mm, or None
            Of the unit; None where there is none.
        """
        factor = 1.0 if length is None else length
        first = None if origin is None else origin * factor
        affine = array_affine(sizes * factor, first)
        return cls(stack, affine, "pixel" if length is None else "mm")

    @classmethod
    def of_itk(cls, image: Any, values: NDArray[Any], unit: float = 1.0) -> Reading:
        """As ITK gives it; `values` with k first, channels last where there are any."""
        size = (*image.GetSize(), 1)[:3]
        several = image.GetNumberOfComponentsPerPixel()
        ordered = values.reshape(*size[::-1], several).transpose(2, 1, 0, 3)
        n = image.GetDimension()
        direction = np.array(image.GetDirection()).reshape(n, n)
        affine = np.eye(4)
        affine[:n, :n] = direction * np.array(image.GetSpacing())
        affine[:n, 3] = image.GetOrigin()
        scale = np.diag([-unit, -unit, unit, 1.0])
        return cls(ordered, scale @ affine)


@dataclass(frozen=True)
class Difference:
    """How far a reading is from another one."""

    corner_voxels: float
    corner_mm: float
    values_equal: bool
    units_equal: bool


def direction_of(place: Place) -> NDArray[np.float64]:
    """Direction cosines, columns, of the axes of a place."""
    order, signs, (first, second) = place
    a, b = np.radians([first, second])
    about_z = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    axes = np.eye(3)[:, list(order)] * np.array(signs)
    return np.asarray(np.array(about_z) @ np.array(about_x) @ axes)


def known(stack: NDArray[Any], place: Place, unit: float = 1.0) -> Reading:
    """Give what is to be read of an array (i, j, k, channels) at a place."""
    affine = np.eye(4)
    affine[:3, :3] = direction_of(place) * SPACING
    affine[:3, 3] = ORIGIN
    return Reading(stack, np.diag([-unit, -unit, unit, 1.0]) @ affine)


def difference(wanted: Reading, found: Reading) -> Difference:
    """Compare every voxel's value, and the place of the eight corners.

    Each corner of `wanted` is looked for among the corners of `found`.
    """
    shape = wanted.values.shape[:3]
    back = np.linalg.inv(found.affine) @ wanted.affine
    corners = np.array([(*c, 1) for c in product(*((0, n - 1) for n in shape))])
    there = (corners @ back.T)[:, :3]
    last = np.array(found.values.shape[:3]) - 1
    nearest = np.where(there > last / 2, last, 0)
    off = there - nearest
    world = off @ found.affine[:3, :3].T
    grid = np.indices(shape).reshape(3, -1).T
    where = (np.c_[grid, np.ones(len(grid))] @ back.T)[:, :3].round().astype(int)
    inside = ((where >= 0) & (where <= last)).all()
    equal = False
    if inside and wanted.values.size == found.values.size:
        theirs = found.values[tuple(where.T)]
        equal = bool(np.array_equal(theirs, wanted.values[tuple(grid.T)]))
    return Difference(
        float(np.linalg.norm(off, axis=1).max()),
        float(np.linalg.norm(world, axis=1).max()),
        equal,
        wanted.unit == found.unit,
    )


def upright(reading: Reading) -> Reading:
    """Give what is left in a file that holds voxel sizes alone: an array (z, y, x).

    The axes are those nearest to superior, posterior and left, as the pages say.
    """
    sizes = np.linalg.norm(reading.affine[:3, :3], axis=0)
    steps = reading.affine[:3, :3] / sizes
    axes = [int(np.abs(steps[world]).argmax()) for world in (2, 1, 0)]
    values = reading.values.transpose(*axes, 3)
    for axis, (world, sign) in enumerate(zip((2, 1, 0), (1, -1, -1), strict=True)):
        if steps[world, axes[axis]] * sign < 0:
            values = np.flip(values, axis)
    return Reading(values, array_affine(sizes[axes]), reading.unit)
