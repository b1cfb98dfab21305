"""Clicks: the structure that was clicked, up to the edges that set it off best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    binary_fill_holes,
    distance_transform_edt,
    gaussian_filter,
    gaussian_gradient_magnitude,
    label,
)
from skimage.graph import MCP_Geometric

from napari_contrastseg.proposers.coarser import coarsened, factor_for, finer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Place = tuple[int, int]

#: Pixels of a window that is looked at as it is; a larger one gets larger pixels.
MOST_PIXELS: Final = 2**14
# Chosen on clicks in la_01 to la_03, five hearts and eight hippocampi: radius of what a
# click points at, and width of the Gaussian that the image is smoothed with, pixels
_RADIUS, _SMOOTH = 2.5, 1.0
# What a step costs: anyway, across an edge as strong as the usual one, and for each
# square of how much a pixel looks otherwise than what was clicked
_STEP, _EDGE, _LOOKS = 0.05, 0.1, 0.05
# Spreads that looks count at most
_SATURATED: Final = 6.0
# Sizes of the region that are tried, the least one in pixels, and how much more a
# larger one counts than its edge
_SIZES, _LEAST, _LARGER = 40, 30, 0.15
# Width of the Gaussian that the answer is smoothed with, in parts of the radius of a
# disc as large; it takes off what has leaked through gaps of an edge
_ROUND: Final = 0.06
#: Holes up to this part of what was found are filled.
_HOLE: Final = 0.1
_TINY: Final = 1e-6


def find_at(
    image: NDArray[np.float32],
    inside: Sequence[Place],
    outside: Sequence[Place],
    closed: Mask,
    against: Mask | None = None,
) -> Mask:
    """Find the structure that clicks point at.

    Places are ordered by how far they are from the clicks, across edges and unlike grey
    values; of all regions that begin there the one is taken whose border lies on the
    strongest edges. What is nearer to a click outside is left out.

    Parameters
    ----------
    image : (channels, y, x) float32
        A window of the slice, grey values of about 0 to 1.
    inside, outside : sequence of (row, column)
        Places in the window that are the structure, and that are not.
    closed : (y, x) bool
        What is something else.
    against : (y, x) bool, optional
        A region that what is pointed at is cut out of: what looks like most of it, away
        from the clicks, is left out, too.

    Returns
    -------
    (y, x) bool
        Nothing where no place lies inside, or only on what is closed.
    """
    if not inside:
        return np.zeros(closed.shape, np.bool_)
    factor = factor_for(closed.shape, MOST_PIXELS)
    near, other = (
        [(row // factor, column // factor) for row, column in places]
        for places in (inside, outside)
    )
    shut = coarsened(closed, factor) > 0.5  # noqa: PLR2004  most of a block
    rest = None if against is None else coarsened(against, factor) > 0.5  # noqa: PLR2004
    found = _found(coarsened(image, factor), near, other, shut, rest)
    whole = finer(found.astype(np.float32), factor, closed.shape) > 0.5  # noqa: PLR2004
    return np.asarray(whole & ~closed)


def _found(
    image: NDArray[np.float32],
    inside: Sequence[Place],
    outside: Sequence[Place],
    closed: Mask,
    against: Mask | None,
) -> Mask:
    mine, others = ([_discs(closed.shape, [p]) for p in c] for c in (inside, outside))
    seeds = np.any(mine, axis=0) & ~closed
    if others:
        seeds &= ~np.any(others, axis=0)
    if not seeds.any():
        return np.asarray(seeds)
    steep = [gaussian_gradient_magnitude(plane, _SMOOTH) for plane in image]
    edges = np.sqrt(np.mean(np.square(steep), axis=0))
    grey = np.stack([gaussian_filter(plane, _SMOOTH) for plane in image])
    grey /= _spread(image, grey)
    usual = edges / max(float(np.median(edges)), _TINY)
    if against is not None:
        others.append(_like_most(grey, against, seeds))
    others = [one for one in others if one.any()]
    far, nearer, shut = _way(usual, grey, mine), ~closed, closed
    if others:
        shut = closed | np.any(others, axis=0)
        nearer = ~shut & (far < _way(usual, grey, others))
    return _rounded(_best(far, nearer, edges, closed), seeds, shut)


def _like_most(grey: NDArray[np.float32], region: Mask, seeds: Mask) -> Mask:
    """Give the part of a region that looks like most of it, away from some seeds."""
    rest = region & (distance_transform_edt(~seeds) > 2 * _RADIUS)
    if not rest.any():
        return np.asarray(rest)
    apart = _apart(grey, rest)
    return np.asarray(rest & (apart <= np.median(apart[rest])))


def _discs(shape: tuple[int, ...], places: Sequence[Place]) -> Mask:
    """Pixels that clicks point at."""
    found = np.zeros(shape, np.bool_)
    rows, columns = np.indices(shape)
    for row, column in places:
        found |= (rows - row) ** 2 + (columns - column) ** 2 <= _RADIUS**2
    return found


def _spread(
    image: NDArray[np.float32], grey: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How much grey values differ within a few pixels, a channel each."""
    wide = np.stack([gaussian_filter(plane, 4 * _SMOOTH) for plane in image])
    near = np.median(np.abs(grey - wide), axis=(1, 2), keepdims=True)
    return np.asarray(1.5 * near + 1 / 255, np.float32)


def _apart(grey: NDArray[np.float32], mask: Mask) -> NDArray[np.float32]:
    """How many spreads each pixel's grey values are from the middle of a mask's."""
    middle = np.median(grey[:, mask], axis=1)
    return np.asarray(np.sqrt(np.mean((grey - middle[:, None, None]) ** 2, axis=0)))


def _way(
    edges: NDArray[np.float64], grey: NDArray[np.float32], seeds: Sequence[Mask]
) -> NDArray[np.float64]:
    """How far each pixel is from some masks, across edges and what looks otherwise."""
    unlike = np.minimum(np.min([_apart(grey, s) for s in seeds], axis=0), _SATURATED)
    costs = _STEP + _EDGE * edges + _LOOKS * unlike**2
    begin = np.argwhere(np.any(seeds, axis=0))
    found, _ = MCP_Geometric(costs).find_costs(begin)
    return np.asarray(found)


def _best(
    far: NDArray[np.float64], mine: Mask, edges: NDArray[np.float64], closed: Mask
) -> Mask:
    """Of all regions up to some way the one whose border lies on the best edges."""
    ways = np.sort(far[mine])
    if len(ways) <= _LEAST:
        return mine
    sizes = np.geomspace(_LEAST, len(ways) - 1, _SIZES).astype(int)
    regions = [mine & (far <= ways[size]) for size in sorted(set(sizes.tolist()))]
    return max(regions, key=lambda one: _worth(one, edges, closed))


def _worth(region: Mask, edges: NDArray[np.float64], closed: Mask) -> float:
    """Say how well a region is set off; the edge of the window is none."""
    ring = (region & ~binary_erosion(region, border_value=1)) | (
        binary_dilation(region) & ~region & ~closed
    )
    if not ring.any():
        return 0.0
    sides = (region[0], region[-1], region[:, 0], region[:, -1])
    cut = sum(int(side.sum()) for side in sides)
    whole = 1 - min(1.0, 4 * cut / float(ring.sum()))
    return float(edges[ring].mean() * region.sum() ** _LARGER * whole)


def _rounded(found: Mask, seeds: Mask, other: Mask) -> Mask:
    """Keep what hangs together with the clicks, smooth it, and fill small holes."""
    width = max(_SMOOTH, _ROUND * float(np.sqrt(found.sum() / np.pi)))
    smooth = gaussian_filter(found.astype(np.float32), width) > 0.5  # noqa: PLR2004
    pieces, _ = label((smooth | seeds) & ~other)
    kept = np.isin(pieces, np.unique(pieces[seeds & ~other]))
    holes, _ = label(binary_fill_holes(kept) & ~kept)
    small = np.bincount(holes.ravel()) <= _HOLE * kept.sum()
    small[0] = False
    small[np.unique(holes[other])] = False
    return np.asarray(kept | small[holes])
