"""Random walker on a grid: voxels that look alike agree, and a prior has its say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

#: How fast a link fades with the difference of grey values; chosen on la_01 to la_03
#: and twelve hippocampi, and so is what is left of every link.
FADING: Final = 4.0
_LEAST_LINK: Final = 1e-4
_TOLERANCE: Final = 1e-3
_MOST_STEPS: Final = 200
_TINY: Final = 1e-300


def walk(
    grey: NDArray[np.float32],
    free: NDArray[np.bool_],
    prior: NDArray[np.float32],
    strength: NDArray[np.float32],
    closeness: Sequence[float] | None = None,
    fading: float = FADING,
) -> NDArray[np.float32]:
    """Draw a prior's borders to edges of an image.

    Minimises the sum over neighbours of link * (difference of probabilities)^2 plus the
    sum over voxels of strength * (probability - prior)^2. A link is near 1 between
    voxels that look alike.

    Parameters
    ----------
    grey : (channels, ...) float32
        The image on a grid of any dimension.
    free : (...) bool
        Voxels to find; the others keep their prior.
    prior : (1 + classes, ...) float32
        Probabilities, background first.
    strength : (...) float32
        What the prior weighs against one link.
    closeness : sequence of float, optional
        Factor of the links along each axis of the grid; 1.
    fading : float
        How fast a link fades with the difference of grey values, in parts of the mean.

    Returns
    -------
    (1 + classes, ...) float32
    """
    found = prior.reshape(len(prior), -1).copy()
    places = np.flatnonzero(free)
    if not places.size:
        return prior
    number = np.full(free.size, -1)
    number[places] = np.arange(places.size)
    pull = np.broadcast_to(strength, free.shape).reshape(-1)[places].astype(np.float64)
    factors = closeness or [1.0] * free.ndim
    first, second, link = _links(grey, free, factors, fading)
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    rows, others, twice = number[ends[0]], ends[1], np.tile(link, 2)
    asked = rows >= 0
    rows, others, twice = rows[asked], others[asked], twice[asked]
    degree = pull + np.bincount(rows, twice, places.size)
    inner = number[others] >= 0
    matrix = scipy.sparse.diags_array(degree).tocsr() - scipy.sparse.coo_array(
        (twice[inner], (rows[inner], number[others[inner]])),
        shape=(places.size, places.size),
    )
    start = found[1:, places].astype(np.float64)
    sources = pull * start
    for row, values in enumerate(found[1:, others[~inner]]):
        sources[row] += np.bincount(rows[~inner], twice[~inner] * values, places.size)
    solved = _solved(matrix, degree, sources, start)
    found[1:, places] = np.clip(solved, 0, 1)
    rest = 1 - found[1:, places].sum(0)
    found[0, places] = np.maximum(rest, 0)
    found[:, places] /= found[:, places].sum(0)
    return found.reshape(prior.shape)


def _solved(
    matrix: csr_array,
    diagonal: NDArray[np.float64],
    sources: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Conjugate gradients for several rows at once, divided by the diagonal.

    Sums are numpy's own: BLAS would call its threads together hundreds of times, which
    is slow where other programs use the cores.
    """
    found = start.copy()
    rest = sources - _times(matrix, found)
    enough = _TOLERANCE**2 * _over_pixels(sources, sources)
    heading = scaled = rest / diagonal
    energy = _over_pixels(rest, scaled)
    for _ in range(_MOST_STEPS):
        if (_over_pixels(rest, rest) <= enough).all():
            break
        turned = _times(matrix, heading)
        length = energy / np.maximum(_over_pixels(heading, turned), _TINY)
        found += length * heading
        rest -= length * turned
        scaled = rest / diagonal
        before, energy = energy, _over_pixels(rest, scaled)
        heading = scaled + energy / np.maximum(before, _TINY) * heading
    return found


def _over_pixels(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray((first * second).sum(axis=1, keepdims=True))


def _times(matrix: csr_array, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([matrix @ row for row in rows])


def _links(
    grey: NDArray[np.float32],
    free: NDArray[np.bool_],
    closeness: Sequence[float],
    fading: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Links with at least one free end: both ends and the strength of each."""
    flat = grey.reshape(len(grey), -1)
    pairs = list(_pairs(free))
    apart = [
        np.square(flat[:, one] - flat[:, other]).sum(0, dtype=np.float64)
        for one, other in pairs
    ]
    mean = max(float(np.concatenate(apart).mean()), 1e-12)
    links = [
        factor * (np.exp(-fading * far / mean) + _LEAST_LINK)
        for far, factor in zip(apart, closeness, strict=True)
    ]
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return first, second, np.concatenate(links)


def _pairs(
    free: NDArray[np.bool_],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Neighbours along each axis of which at least one is free."""
    number = np.arange(free.size).reshape(free.shape)
    for axis, size in enumerate(free.shape):
        one = number.take(range(size - 1), axis).reshape(-1)
        other = number.take(range(1, size), axis).reshape(-1)
        asked = free.reshape(-1)[one] | free.reshape(-1)[other]
        yield one[asked], other[asked]
