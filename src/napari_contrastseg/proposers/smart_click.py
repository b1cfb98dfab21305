"""Clicks: the structure that was clicked, up to the edges of the image around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.coarser import coarsened, factor_for, finer
from napari_contrastseg.proposers.walker import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Place = tuple[int, int]

#: Pixels of a window that is looked at as it is; a larger one gets larger pixels.
MOST_PIXELS: Final = 2**13
# Chosen on clicks in la_01 to la_03 and twelve hippocampi: radius of what a click
# points at, and width of the Gaussian that the image is smoothed with, pixels
_RADIUS, _SMOOTH = 1.5, 0.5
# Two walks have their say: how fast a link fades with the difference of grey values in
# one that mostly sees how far it is to the edge of the window, and in one that mostly
# sees edges; and the pixels of a window in which both count the same. The edge of a
# small one says more of how large the structure is.
_FAINT, _SHARP = 0.25, 16.0
_EVEN: Final = 3500
#: What a pixel that nobody clicked weighs for itself: next to nothing.
_STRENGTH: Final = 1e-6
# Width of the Gaussian that the answer is smoothed with, pixels at least, and in parts
# of the radius of a disc as large: it takes off what has leaked through gaps of an edge
_LEAST_ROUND, _ROUND = 1.0, 0.06
#: Holes up to this part of what was found are filled.
_HOLE: Final = 0.1


def find_at(
    image: NDArray[np.float32],
    inside: Sequence[Place],
    outside: Sequence[Place],
    closed: Mask,
    against: Mask | None = None,
) -> Mask:
    """Find the structure that clicks point at.

    A random walk decides: what reaches a click inside sooner than one outside, what is
    closed or the edge of the window belongs to the structure.

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
    others = _discs(closed.shape, outside)
    seeds = _discs(closed.shape, inside) & ~closed & ~others
    if not seeds.any():
        return seeds
    grey = np.stack([scipy.ndimage.gaussian_filter(plane, _SMOOTH) for plane in image])
    if against is not None:
        others |= _like_most(grey, against, seeds)
    shut = (closed | others | _rim(closed.shape)) & ~seeds
    prior = np.stack([~seeds, seeds]).astype(np.float32)
    strength = np.full(closed.shape, _STRENGTH, np.float32)
    faint, sharp = (
        walk(grey, ~(seeds | shut), prior, strength, fading=fading)[1]
        for fading in (_FAINT, _SHARP)
    )
    share = 1 / (1 + (closed.size / _EVEN) ** 2)
    sure = share * faint + (1 - share) * sharp
    return _rounded(sure > 0.5, seeds, closed | others)  # noqa: PLR2004  likelier


def _discs(shape: tuple[int, ...], places: Sequence[Place]) -> Mask:
    """Pixels that clicks point at."""
    found = np.zeros(shape, np.bool_)
    rows, columns = np.indices(shape)
    for row, column in places:
        found |= (rows - row) ** 2 + (columns - column) ** 2 <= _RADIUS**2
    return found


def _rim(shape: tuple[int, ...]) -> Mask:
    """Mark the edge of a window: what is clicked ends within it."""
    found = np.ones(shape, np.bool_)
    found[1:-1, 1:-1] = False
    return found


def _like_most(grey: NDArray[np.float32], region: Mask, seeds: Mask) -> Mask:
    """Give the part of a region that looks like most of it, away from some seeds."""
    rest = region & (scipy.ndimage.distance_transform_edt(~seeds) > 2 * _RADIUS)
    if not rest.any():
        return np.asarray(rest)
    middle = np.median(grey[:, rest], axis=1)[:, None, None]
    apart = np.mean((grey - middle) ** 2, axis=0)
    return np.asarray(rest & (apart <= np.median(apart[rest])))


def _rounded(found: Mask, seeds: Mask, other: Mask) -> Mask:
    """Keep what hangs together with the clicks, smooth it, and fill small holes."""
    width = max(_LEAST_ROUND, _ROUND * float(np.sqrt(found.sum() / np.pi)))
    smooth = scipy.ndimage.gaussian_filter(found.astype(np.float32), width) > 0.5  # noqa: PLR2004
    pieces, _ = scipy.ndimage.label((smooth | seeds) & ~other)
    kept = np.isin(pieces, np.unique(pieces[seeds & ~other]))
    holes, _ = scipy.ndimage.label(scipy.ndimage.binary_fill_holes(kept) & ~kept)
    small = np.bincount(holes.ravel()) <= _HOLE * kept.sum()
    small[0] = False
    small[np.unique(holes[other])] = False
    return np.asarray(kept | small[holes])
