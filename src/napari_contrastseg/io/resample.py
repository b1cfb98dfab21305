"""Resample tilted or unevenly spaced slices to an even, upright grid."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from napari_contrastseg.io.choice import NotUprightError
from napari_contrastseg.io.lazy_image import check_image
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.io.slice_places import usual_least
from napari_contrastseg.io.volume import MAX_SHEAR_COSINE, Volume, canonical, skew

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Source


def placed(
    name: str,
    channels: Sequence[NDArray[Any]],
    affine: NDArray[np.float64],
    names: Sequence[str],
    source: Source,
    *,
    upright: bool = False,
) -> Volume:
    """Make a volume of arrays in their file's order, which know their place.

    Raises
    ------
    NotUprightError
        The affine is sheared, and `upright` is false.
    """
    worst = skew(affine)
    if worst > MAX_SHEAR_COSINE:
        if not upright:
            raise NotUprightError(
                f"{name}: its affine is sheared (two voxel axes are "
                f"{np.degrees(np.arccos(min(worst, 1.0))):.1f} degrees apart, not 90)"
            )
        origins = affine[:3, 3] + np.outer(
            np.arange(channels[0].shape[2]), affine[:3, 2]
        )
        channels, affine = resample_slices(name, channels, affine[:3, :2].T, origins)
    volume = Volume(name, tuple(channels), affine, tuple(names), source)
    return canonical(volume)


def resample_slices(
    name: object,
    channels: Sequence[NDArray[Any]],
    steps: NDArray[np.float64],
    origins: NDArray[np.float64],
    *,
    labels: bool = False,
) -> tuple[list[NDArray[Any]], NDArray[np.float64]]:
    """Interpolate slices linearly on an even grid whose axes are at right angles.

    The last axis runs along the slices' origins (the table of a CT scanner, whatever
    the tilt of its gantry), in steps of the smallest distance that comes
    more than once; the others are as near to the slices' rows and columns as may be,
    with their spacing. Beyond the slices
    there is the smallest value of the image.

    Parameters
    ----------
    name : object
        For messages.
    channels : sequence of (i, j, k) array
    steps : (2, 3) float, mm
        From one pixel to the next along i and j.
    origins : (k, 3) float, mm
        Of the first pixel of each slice; along one line and in order.
    labels : bool
        Whether the values are labels: the nearest is taken, and 0 beyond the slices.

    Returns
    -------
    channels : list of (i, j, k) array
        In the type they had, rounded where that holds whole numbers.
    affine : (4, 4) float
    """
    along = origins[-1] - origins[0]
    along = along / np.linalg.norm(along)
    at = (origins - origins[0]) @ along
    axes = _right_angled(steps, along)
    size = np.r_[np.linalg.norm(steps, axis=1), usual_least(np.diff(at))]
    first, shape = _bounds(channels[0].shape[:2], steps, origins, axes, size)
    check_size(name, (4, *shape[:2]), np.float64)
    for channel in channels:
        check_image(name, shape, channel.dtype)
    affine = np.eye(4)
    affine[:3, :3] = axes.T * size
    affine[:3, 3] = first
    slicewise = np.linalg.inv(np.column_stack([*steps, along]))
    channels = [np.asarray(channel) for channel in channels]
    made = [zeros(shape, channel.dtype) for channel in channels]
    lowest = [0.0 if labels else float(channel.min()) for channel in channels]
    plane = np.stack(np.meshgrid(*map(np.arange, shape[:2]), indexing="ij"))
    for k in range(shape[2]):
        index = np.concatenate([plane, np.full((1, *plane.shape[1:]), k)])
        world = np.tensordot(affine[:3, :3], index, 1) + affine[:3, 3, None, None]
        # rounded, for what lies on the edge must not fall outside
        i, j, where = np.tensordot(
            slicewise, world - origins[0][:, None, None], 1
        ).round(5)
        inside = np.interp(where, at.round(5), np.arange(len(at)), -9, len(at) + 9)
        place = np.stack([i, j, inside])
        for channel, result, least in zip(channels, made, lowest, strict=True):
            result[:, :, k] = _values(channel, place, least, order=int(not labels))
    return made, affine


def _right_angled(
    steps: NDArray[np.float64], along: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give unit axes, rows, the last `along`, the others nearest to the slices' own."""
    flat = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    flat = flat - np.outer(flat @ along, along)
    left, _, right = np.linalg.svd(flat, full_matrices=False)
    return np.vstack([left @ right, along])


def _bounds(
    pixels: Sequence[int],
    steps: NDArray[np.float64],
    origins: NDArray[np.float64],
    axes: NDArray[np.float64],
    size: NDArray[np.float64],
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Find first voxel and shape of the grid that holds all slices."""
    ends = product((0, pixels[0] - 1), (0, pixels[1] - 1), (origins[0], origins[-1]))
    corners = np.array([i * steps[0] + j * steps[1] + o for i, j, o in ends])
    inside = corners @ axes.T
    low, high = inside.min(axis=0), inside.max(axis=0)
    shape = np.floor((high - low) / size + 1e-3).astype(int) + 1
    return low @ axes, tuple(int(n) for n in shape)


def _values(
    channel: NDArray[Any], where: NDArray[np.float64], beyond: float, order: int
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = scipy.ndimage.map_coordinates(
        channel, where, np.float64, order=order, mode="constant", cval=beyond
    )
    return np.rint(found) if channel.dtype.kind in "iu" else found


def lps_affine(
    directions: NDArray[np.float64], origin: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Affine to RAS+ of steps, (n, 3) rows, and an origin in LPS, as ITK counts."""
    affine = np.eye(4)
    affine[:3, :3] = directions.T
    affine[:3, 3] = origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
