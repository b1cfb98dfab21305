"""What each class looks like: softmax regression of ink on filters of its slices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.one_thread import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Chosen on la_01 to la_03 and twelve hippocampi: widths of the Gaussians and of the
# edges that are looked at, in pixels, and the pull of slopes towards 0
_SMOOTHED: Final = (0.7, 1.5, 3.0, 6.0)
_EDGES: Final = (0.7, 1.5, 3.0)
_STIFFNESS: Final = 0.01
_STIFFNESS_OF_ONE: Final = 1e-4
_MOST_STEPS: Final = 12
_SMALL: Final = 1e-4
#: Numbers that are fitted at once: Newton's step takes the third power of it
MOST_UNKNOWNS: Final = 1000
#: Pixels that are judged together: what is worked out for them stays in the cache
_TOGETHER: Final = 2**14
#: Pixels learned from, of each class and slice
MOST_PIXELS: Final = 1000


class Appearance:
    """Softmax regression from a pixel's surroundings to its class.

    Quadratic in the filters of a slice, linear in features that come from elsewhere; a
    class with few pixels weighs as much as one with many.

    Parameters
    ----------
    rows : (pixels, features) float32
        Some pixels' `filters`, and features from elsewhere after them.
    answers : (pixels,) int
        Channel of each one's class.
    bent : int
        How many features, the first ones, come with their squares and products; fewer
        do where there are many classes.
    """

    def __init__(
        self, rows: NDArray[np.float32], answers: NDArray[np.integer], bent: int
    ) -> None:
        self._middle, self._spread = rows.mean(axis=0), rows.std(axis=0)
        self._spread[self._spread < 1e-6] = 1  # noqa: PLR2004  a constant feature
        self.channels, target = np.unique(answers, return_inverse=True)
        self._bent = min(bent, _most_bent(rows.shape[1], len(self.channels)))
        self._slopes = _fitted(self._curved(rows), target)

    def chances(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, (channels, y, x), of a slice's (features, y, x)."""
        every = maps.reshape(len(maps), -1)
        found = np.empty((len(self.channels), every.shape[1]), np.float32)
        with one_blas_thread():
            for start in range(0, every.shape[1], _TOGETHER):
                part = slice(start, start + _TOGETHER)
                found[:, part] = self._of_pixels(every[:, part])
        return found.reshape(-1, *maps.shape[1:])

    def _of_pixels(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, (channels, pixels), without writing the products down."""
        plain = (maps - self._middle[:, None]) / self._spread[:, None]
        linear, products, one = np.split(self._slopes.T, (len(maps), -1), axis=1)
        scores: NDArray[np.float32] = linear @ plain + one
        bent = plain[: self._bent]
        pairs = np.zeros((self._bent, self._bent), np.float32)
        for channel, slopes in enumerate(products):
            pairs[np.triu_indices(self._bent)] = slopes
            scores[channel] += ((pairs.T @ bent) * bent).sum(axis=0)
        scores -= scores.max(axis=0)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=0)
        return scores

    def _curved(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        plain = (rows - self._middle) / self._spread
        first, second = np.triu_indices(self._bent)
        one = np.ones((len(rows), 1), np.float32)
        return np.hstack([plain, plain[:, first] * plain[:, second], one])


def _most_bent(features: int, classes: int) -> int:
    """How many features may come with their products for a fit that ends soon."""
    products = max(MOST_UNKNOWNS // classes - features - 1, 0)
    return (math.isqrt(8 * products + 1) - 1) // 2


@one_blas_thread()
def _fitted(rows: NDArray[np.float32], target: NDArray[np.intp]) -> NDArray[np.float32]:
    """Slopes of each class, (features, classes), by Newton's method."""
    counts = np.bincount(target)
    weight = (1 / (len(counts) * counts[target])).astype(np.float32)
    wanted = (target[:, None] == np.arange(len(counts))).astype(np.float32)
    pull = np.full(rows.shape[1], _STIFFNESS)
    pull[-1] = _STIFFNESS_OF_ONE

    def loss(slopes: NDArray[np.float64]) -> float:
        right = (_softmax(rows, slopes) * wanted).sum(axis=1)
        fit = -weight @ np.log(np.maximum(right, 1e-12))
        return float(fit + pull @ (slopes**2).sum(axis=1) / 2)

    slopes = np.zeros((rows.shape[1], len(counts)))
    before = loss(slopes)
    for _ in range(_MOST_STEPS):
        step = _newton_step(rows, weight, wanted, slopes, pull)
        after = loss(slopes - step)
        while after > before and np.abs(step).max() > _SMALL:
            step /= 2
            after = loss(slopes - step)
        slopes -= step
        if before - after < _SMALL:
            break
        before = after
    return slopes.astype(np.float32)


def _newton_step(
    rows: NDArray[np.float32],
    weight: NDArray[np.float32],
    wanted: NDArray[np.float32],
    slopes: NDArray[np.float64],
    pull: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Inverse curvature times slope of the loss."""
    chances = _softmax(rows, slopes)
    gradient = rows.T @ (weight[:, None] * (chances - wanted)) + pull[:, None] * slopes
    features, classes = slopes.shape
    curvature = np.empty((classes, features, classes, features))
    for one, other in zip(*np.triu_indices(classes), strict=True):
        shared = weight * chances[:, one] * ((one == other) - chances[:, other])
        both = rows.T @ (shared[:, None] * rows)
        curvature[one, :, other], curvature[other, :, one] = both, both
    matrix = curvature.reshape(features * classes, -1) + np.diag(np.tile(pull, classes))
    step = np.linalg.solve(matrix, gradient.T.reshape(-1))
    return np.asarray(step.reshape(classes, features).T, np.float64)


def _softmax(
    rows: NDArray[np.float32], slopes: NDArray[np.floating]
) -> NDArray[np.float32]:
    scores = rows @ slopes.astype(np.float32)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def filters(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey values, their Gaussians, edges and blobs of a slice, the channels in turn.

    Parameters
    ----------
    image : (channels, y, x) float32

    Returns
    -------
    (features, y, x) float32
    """
    found = zip(*(_of_channel(plane) for plane in image), strict=True)
    flat = [plane for kind in found for plane in kind]
    return np.stack(flat).astype(np.float32, copy=False)


def _of_channel(plane: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    smooth = [scipy.ndimage.gaussian_filter(plane, width) for width in _SMOOTHED]
    edges = [
        scipy.ndimage.gaussian_gradient_magnitude(plane, width) for width in _EDGES
    ]
    blobs = [smooth[0] - smooth[2], smooth[1] - smooth[3]]
    return [plane, *smooth, *edges, *blobs]


def drawn(
    labels: NDArray[np.integer], ids: Sequence[int], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw known pixels of a slice: their places, and the channels of their ids."""
    places, channels = [], []
    for channel, value in enumerate(ids):
        where = np.flatnonzero(labels == value)
        if len(where) > MOST_PIXELS:
            where = np.sort(rng.choice(where, MOST_PIXELS, replace=False))
        places.append(where)
        channels.append(np.full(len(where), channel))
    return np.concatenate(places), np.concatenate(channels)
