"""Filters of a slice at several scales: grey values, edges, ridges, texture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Gaussians, pixels; those whose curvatures and whose scatter of grey values are looked
#: at, too.
SIGMAS: Final = (1, 2, 4, 8, 16)
CURVED: Final = (1, 2, 4, 8)
SCATTERED: Final = (2, 4)
#: Where a Gaussian is cut off, in its own width.
CUT: Final = 3.0


def pixel_filters(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Filter a slice at several scales.

    Parameters
    ----------
    image : (channels, y, x) float32

    Returns
    -------
    (features, y, x) float32
        For each channel the grey value, and for each scale the smoothed one, the
        strength of edges, both curvatures and the scatter.
    """
    return np.stack([found for plane in image for found in _of_channel(plane)])


def _of_channel(plane: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    yield plane
    for sigma in SIGMAS:
        smooth = scipy.ndimage.gaussian_filter(plane, sigma, truncate=CUT)
        yield smooth
        if min(plane.shape) < 2:  # noqa: PLR2004  a line has no gradient across it
            continue
        down, across = np.gradient(smooth)
        yield np.hypot(down, across) * sigma
        if sigma in CURVED:
            yield from _curvatures(down, across, sigma)
        if sigma in SCATTERED:
            squares = scipy.ndimage.gaussian_filter(plane * plane, sigma, truncate=CUT)
            yield np.sqrt(np.maximum(squares - smooth * smooth, 0))


def _curvatures(
    down: NDArray[np.float32], across: NDArray[np.float32], sigma: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Eigenvalues of the second derivatives, in units of the scale."""
    twice_down, mixed = np.gradient(down)
    twice_across = np.gradient(across, axis=1)
    middle = (twice_down + twice_across) / 2
    half = np.hypot((twice_down - twice_across) / 2, mixed)
    first, second = (middle + half) * sigma**2, (middle - half) * sigma**2
    return first.astype(np.float32), second.astype(np.float32)
