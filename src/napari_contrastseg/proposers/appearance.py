"""What each class looks like: softmax regression of ink on filters of its slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Chosen on la_01 to la_03 and twelve hippocampi: widths of the Gaussians and of the
# edges that are looked at, in pixels, and how freely the regression may bend
_SMOOTHED: Final = (0.7, 1.5, 3.0, 6.0)
_EDGES: Final = (0.7, 1.5, 3.0)
_FREEDOM: Final = 0.1
#: Pixels learned from, of each class and slice
MOST_PIXELS: Final = 2000


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
        How many features, the first ones, come with their squares and products.
    """

    def __init__(
        self, rows: NDArray[np.float32], answers: NDArray[np.integer], bent: int
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        self._bent = bent
        self._middle, self._spread = rows.mean(axis=0), rows.std(axis=0)
        self._spread[self._spread < 1e-6] = 1  # noqa: PLR2004  a constant feature
        curved = self._curved(rows)
        self._model = LogisticRegression(
            C=_FREEDOM, class_weight="balanced", max_iter=200
        ).fit(curved, answers)
        self.channels: NDArray[np.intp] = self._model.classes_

    def chances(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, (channels, y, x), of a slice's (features, y, x)."""
        rows = self._curved(maps.reshape(len(maps), -1).T)
        found = self._model.predict_proba(rows).T
        return found.reshape(-1, *maps.shape[1:]).astype(np.float32)

    def _curved(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        plain = (rows - self._middle) / self._spread
        first, second = np.triu_indices(self._bent)
        return np.hstack([plain, plain[:, first] * plain[:, second]])


def filters(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey values, their Gaussians, edges and blobs of a slice.

    Parameters
    ----------
    image : (channels, y, x) float32

    Returns
    -------
    (features, y, x) float32
    """
    found: list[NDArray[np.float32]] = []
    for plane in image:
        smooth = [gaussian_filter(plane, width) for width in _SMOOTHED]
        edges = [gaussian_gradient_magnitude(plane, width) for width in _EDGES]
        blobs = [smooth[0] - smooth[2], smooth[1] - smooth[3]]
        found += [plane, *smooth, *edges, *blobs]
    return np.stack(found).astype(np.float32, copy=False)


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
