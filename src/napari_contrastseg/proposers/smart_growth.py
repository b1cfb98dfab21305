"""Smart brush: a stroke grows to edges of the image, and not past its own border."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.coarser import coarsened, factor_for, finer
from napari_contrastseg.proposers.smart_stroke import (
    LEAST_RADIUS,
    MOST_PIXELS,
    distance_to_border,
    far_from_core,
    from_core,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Plane = NDArray[np.float32]

# Chosen on strokes in la_01 to la_03 and twelve hippocampi. What grew is believed if
# the image changes so many times as much along the new outline as along the stroke's,
_CLEARER: Final = 1.4
# or if what lies just around the stroke differs from its core by at most this part of
# what lies further out, all round; else only where it does near there
_ALIKE, _ALIKE_NEAR = 0.55, 0.5
# Depth of the core, width of what lies just around, and where further out begins and
# ends, in parts of the brush's radius
_CORE, _AROUND, _OUT, _END = 0.6, 0.35, 0.5, 1.2
#: Width of the Gaussian that the image is smoothed with, pixels.
_SMOOTH: Final = 0.7
_TINY: Final = 1e-6


def without_leaks(
    image: NDArray[np.float32],
    stroke: Mask,
    other: Mask,
    found: Mask,
    radius: float,
    pixel: Sequence[float] = (1.0, 1.0),
) -> Mask:
    """Take away where a stroke has grown past an edge that lies within it.

    A person who paints over a border has reached it already: what lies around the
    stroke does not look like its core, and there is no clearer edge to grow to.

    Parameters
    ----------
    image : (channels, y, x) float32
        The window that was looked at.
    stroke, other : (y, x) bool
        What was painted just now, and what was painted before or is something else.
    found : (y, x) bool
        What the stroke has become.
    radius : float
        Of the brush, pixels.
    pixel : (2,) float
        Height and width of a pixel.
    """
    factor = factor_for(stroke.shape, MOST_PIXELS)
    fresh, before, grown = (
        coarsened(mask, factor) > 0.5  # noqa: PLR2004  most of a block
        for mask in (stroke, other, found)
    )
    sides = np.asarray(pixel, np.float64) / min(pixel)
    reach = max(radius, LEAST_RADIUS) / factor
    leaks = _leaks(coarsened(image, factor), fresh, before, grown, reach, sides)
    there = finer(leaks.astype(np.float32), factor, stroke.shape) > 0.5  # noqa: PLR2004
    return np.asarray(found & (stroke | ~there))


def _leaks(
    image: Plane,
    stroke: Mask,
    other: Mask,
    found: Mask,
    radius: float,
    sides: NDArray[np.float64],
) -> Mask:
    """Mark where a stroke must not have grown to."""
    nowhere = np.zeros_like(stroke)
    depth, away = (distance_to_border(m, sides) for m in (stroke, ~stroke))
    around = (away > 0) & (away <= _AROUND * radius) & ~other
    out = (away > _OUT * radius) & (away <= _END * radius) & ~other
    if not (stroke.any() and around.any() and out.any()):
        return nowhere
    core = stroke & (depth >= min(0.75 * float(depth[stroke].max()), _CORE * radius))
    smooth = [scipy.ndimage.gaussian_filter(plane, _SMOOTH / sides) for plane in image]
    grey = from_core(np.stack(smooth), core)
    apart = far_from_core(grey)
    further = max(float(apart[out].mean()), _TINY)
    if float(apart[around].mean()) <= _ALIKE * further:
        return nowhere
    change = _change(image, sides)
    if _on_outline(change, found) >= _CLEARER * _on_outline(change, stroke):
        return nowhere
    near, far = (_mean_near(apart, zone, radius / sides) for zone in (around, out))
    return np.asarray(near > _ALIKE_NEAR * far)


def _change(image: Plane, sides: NDArray[np.float64]) -> Plane:
    """Length of the image's gradient, over all channels."""
    each = [
        scipy.ndimage.gaussian_gradient_magnitude(plane, _SMOOTH / sides)
        for plane in image
    ]
    return np.asarray(np.sqrt(np.mean(np.square(each), axis=0)))


def _on_outline(change: Plane, region: Mask) -> float:
    """Mean change on both sides of a region's outline."""
    outline = scipy.ndimage.binary_dilation(region) & ~scipy.ndimage.binary_erosion(
        region, border_value=1
    )
    return float(change[outline].mean()) if outline.any() else 0.0


def _mean_near(values: Plane, zone: Mask, widths: NDArray[np.float64]) -> Plane:
    """Mean of a zone's values near each pixel."""
    total = scipy.ndimage.gaussian_filter(values * zone, widths)
    return np.asarray(
        total
        / np.maximum(scipy.ndimage.gaussian_filter(np.float32(zone), widths), _TINY)
    )
