"""Smart brush: a stroke that snaps to the edges of the image around its outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.coarser import coarsened, factor_for, finer
from napari_contrastseg.proposers.walker import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Snapping:
    """How a stroke is drawn to edges; chosen on strokes in la_01 to la_03.

    Attributes
    ----------
    core : float
        Part of the brush's radius from which on a painted pixel lies so deep in the
        stroke that it stays painted, if it looks like the rest there.
    reach : float
        Part of the brush's radius that the region may grow beyond the stroke.
    slope : float
        How fast the stroke's own outline counts less with the distance from it; the
        distance is in parts of the brush's radius.
    looks : float
        What it counts that a pixel looks like the stroke's core.
    tolerance : float
        How many spreads of the core's grey values a pixel may differ.
    strength : float
        What outline and looks weigh against one link between neighbours.
    smoothing : float
        Width of the Gaussian that the image is smoothed with, pixels.
    rounding : float
        Width of the Gaussian that the answer is smoothed with, in parts of the
        brush's radius: borders without corners of a pixel.
    """

    core: float = 0.3
    reach: float = 1.0
    slope: float = 3.5
    looks: float = 3.0
    tolerance: float = 2.5
    strength: float = 0.01
    smoothing: float = 0.5
    rounding: float = 0.1


#: Brushes of a smaller radius, in pixels, are taken for one of this size.
LEAST_RADIUS: Final = 3.0
#: Pixels of a window that is looked at as it is; a larger one gets larger pixels.
MOST_PIXELS: Final = 2**14
_MOST_LOGIT: Final = 4.0
#: Least spread of a core's grey values: one step of a picture of 8 bits.
_LEAST_SPREAD: Final = 1 / 255
#: Grey values count as so many spreads from the core's at most: air beside two organs
#: must not make these alike.
_SATURATED: Final = 6.0
#: Of what looks otherwise around a stroke, this part is nearer to it than its contrast.
_NEAREST: Final = 0.25
_TINY: Final = 1e-6
#: Holes up to this part of the brush's area are filled.
_HOLE: Final = 0.25


def snap(
    image: NDArray[np.float32],
    stroke: NDArray[np.bool_],
    own: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    radius: float,
    pixel: Sequence[float] = (1.0, 1.0),
    how: Snapping = Snapping(),
) -> NDArray[np.bool_]:
    """Give the region that a stroke means: what looks like it, up to edges near it.

    A random walk decides between the stroke's core, with what was painted with the
    same class before, and what lies further outside than the brush reaches, with what
    is closed.

    Parameters
    ----------
    image : (channels, y, x) float32
        A window of the slice, wider than the stroke by `reach_of` at least where the
        slice goes on.
    stroke : (y, x) bool
        What was painted just now.
    own, closed : (y, x) bool
        What was painted with the same class before, and what is not to be painted.
    radius : float
        Of the brush, pixels.
    pixel : (2,) float
        Height and width of a pixel.
    how : Snapping, optional

    Returns
    -------
    (y, x) bool
        Without what is closed, and within the window.
    """
    fresh = stroke & ~closed
    if not fresh.any():
        return fresh
    radius = max(radius, LEAST_RADIUS)
    factor = factor_for(fresh.shape, MOST_PIXELS)
    planes = [coarsened(mask, factor) > 0.5 for mask in (fresh, own, closed)]  # noqa: PLR2004  most of a block
    if not planes[0].any():
        factor, planes = 1, [fresh, own, closed]
    sides = np.asarray(pixel, np.float64) / min(pixel)
    sure = _walked(coarsened(image, factor), planes, radius / factor, sides, how)
    found = finer(sure, factor, fresh.shape) > 0.5  # noqa: PLR2004  likelier than not
    found = _rounded(found & ~closed, how.rounding * radius / sides)
    return _tidy(found & ~closed, fresh, radius) & ~closed


def _walked(
    image: NDArray[np.float32],
    planes: Sequence[NDArray[np.bool_]],
    radius: float,
    sides: NDArray[np.float64],
    how: Snapping,
) -> NDArray[np.float32]:
    """Probability, (y, x), that a pixel belongs to what a stroke means."""
    fresh, own, closed = planes
    grey = np.stack(
        [scipy.ndimage.gaussian_filter(plane, how.smoothing / sides) for plane in image]
    )
    body = (fresh | own) & ~closed
    depth, away = distance_to_border(body, sides), distance_to_border(~body, sides)
    deep = body & (depth >= _least_depth(depth[fresh], how.core * radius))
    grey = from_core(grey, deep)
    around = (away > 0) & (away <= how.reach * radius) & ~closed
    grey = grey / _scale(far_from_core(grey)[around], how.tolerance)
    apart = far_from_core(grey)
    grey = np.clip(grey, -_SATURATED, _SATURATED)
    alike = apart < how.tolerance
    inside, outside = (deep & fresh & alike) | own, (away > how.reach * radius) | closed
    beyond = (away > how.reach * radius / 2) & ~closed
    no_edge = _share_near(alike, beyond, radius / 2 / sides)
    looks = how.looks * (1 - np.minimum(apart / how.tolerance, 2) ** 2)
    score = how.slope * (depth - away) / radius
    score += np.where(alike, looks * (1 - no_edge), looks)
    prior = 1 / (1 + np.exp(-np.clip(score, -_MOST_LOGIT, _MOST_LOGIT)))
    prior[inside], prior[outside] = 1, 0
    both = np.stack([1 - prior, prior]).astype(np.float32)
    spread = np.maximum(grey.std(axis=(1, 2), keepdims=True), _TINY)
    strength = np.full(prior.shape, how.strength, np.float32)
    found = walk(grey / spread, ~(inside | outside), both, strength)
    return np.asarray(found[1])


def reach_of(radius: float, how: Snapping = Snapping()) -> int:
    """Pixels that a region may grow beyond its stroke, and one of rim."""
    return int(np.ceil(how.reach * max(radius, LEAST_RADIUS))) + 2


def distance_to_border(
    inside: NDArray[np.bool_], sides: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance to the nearest pixel that is not inside, 0 outside."""
    if inside.all():
        return np.full(inside.shape, np.inf)
    return np.asarray(scipy.ndimage.distance_transform_edt(inside, sides))


def _least_depth(depths: NDArray[np.float64], least: float) -> float:
    """Give the depth of a stroke's core; in a thin stroke most of the largest one."""
    return min(least, 0.75 * float(depths.max()))


def _share_near(
    alike: NDArray[np.bool_], zone: NDArray[np.bool_], widths: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Share of a zone's pixels near each pixel that look like the stroke's core.

    Where most do, there is no edge that the region could grow to.
    """
    both = np.stack([alike & zone, zone]).astype(np.float32)
    found, total = (scipy.ndimage.gaussian_filter(plane, widths) for plane in both)
    return np.asarray(found / np.maximum(total, _TINY))


def from_core(
    grey: NDArray[np.float32], core: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Grey values as so many spreads of the core's from their middle."""
    middle = np.median(grey[:, core], axis=1)[:, None, None]
    far = np.abs(grey[:, core] - middle[:, 0])
    spread = 1.5 * np.median(far, axis=1)[:, None, None]
    return np.asarray((grey - middle) / np.maximum(spread, _LEAST_SPREAD))


def far_from_core(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance of each pixel's grey values from the core's, over all channels."""
    return np.asarray(np.sqrt(np.mean(grey**2, axis=0)))


def _scale(around: NDArray[np.float32], tolerance: float) -> float:
    """Say how much wider the tolerance is to be: half way to what looks otherwise.

    In an image with next to no noise a pixel on the edge, which is half of either
    side, would not be alike.
    """
    unlike = around[around > tolerance]
    if not unlike.size:
        return 1.0
    return max(1.0, float(np.quantile(unlike, _NEAREST)) / (2 * tolerance))


def _rounded(
    found: NDArray[np.bool_], widths: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Give a region without corners narrower than some pixels."""
    smooth = scipy.ndimage.gaussian_filter(found.astype(np.float32), widths)
    return np.asarray(smooth > 0.5)  # noqa: PLR2004  more inside than outside


def _tidy(
    found: NDArray[np.bool_], fresh: NDArray[np.bool_], radius: float
) -> NDArray[np.bool_]:
    """Keep what hangs together with the stroke, and fill small holes."""
    kept = scipy.ndimage.binary_propagation(found & fresh, mask=found)
    holes, _ = scipy.ndimage.label(scipy.ndimage.binary_fill_holes(kept) & ~kept)
    sizes = np.bincount(holes.ravel())
    small = sizes <= _HOLE * np.pi * radius**2
    small[0] = False
    return np.asarray(kept | small[holes])
