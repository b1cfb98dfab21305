"""Features of a volume's slices: worked out when asked for, kept in bounded memory."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.proposers.pixel_filters import pixel_filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

#: Memory for the features of slices of one volume.
CACHE_BYTES: Final = 128 * 2**20
#: Pixels of a slice that are looked at; larger slices are looked at coarsely.
MOST_PIXELS: Final = 2**18


class FeatureCache:
    """Features of a volume's slices; those used last stay in memory.

    Parameters
    ----------
    image : callable of a slice number to (channels, y, x) float32
    shape : (int, int)
        Pixels of a slice.
    features : callable of (channels, y, x) to (features, y, x) float32
    """

    def __init__(
        self,
        image: Callable[[int], NDArray[np.float32]],
        shape: tuple[int, int],
        features: Callable[[NDArray[np.float32]], NDArray[np.float32]] = pixel_filters,
    ) -> None:
        self._image, self._features = image, features
        self.shape = shape
        self.step = max(1, math.ceil((math.prod(shape) / MOST_PIXELS) ** 0.5))
        self._kept: OrderedDict[int, NDArray[np.float32]] = OrderedDict()

    def at(self, index: int) -> NDArray[np.float32]:
        """Features of one slice, (features, y, x), every `step` pixels."""
        found = self._kept.pop(index, None)
        if found is None:
            found = self._features(self.image(index))
        self._kept[index] = found
        while self.nbytes > CACHE_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return found

    def once(self, index: int) -> NDArray[np.float32]:
        """As `at`, of a slice that will not be asked for soon again: it is not kept."""
        if index in self._kept:
            return self.at(index)
        return self._features(self.image(index))

    def image(self, index: int) -> NDArray[np.float32]:
        """Read one slice, (channels, y, x), every `step` pixels, for numbers alone."""
        image = np.nan_to_num(self._image(index), posinf=0, neginf=0)
        return coarse_image(image, self.step)

    @property
    def nbytes(self) -> int:
        """Memory that they take."""
        return sum(found.nbytes for found in self._kept.values())


def coarse_image(image: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Mean of blocks of `step` x `step` pixels; those at the ends may be smaller."""
    if step == 1:
        return image
    for axis in (1, 2):
        starts = np.arange(0, image.shape[axis], step)
        sizes = np.diff([*starts, image.shape[axis]]).astype(np.float32)
        sums = np.add.reduceat(image, starts, axis=axis)
        mean = sums / (sizes[:, None] if axis == 1 else sizes)
        image = mean.astype(np.float32, copy=False)
    return image


def coarse_labels(labels: NDArray[np.integer], step: int) -> NDArray[np.integer]:
    """Largest label of blocks of pixels: -1 unknown gives way to whatever is known."""
    if step == 1:
        return labels
    for axis in (0, 1):
        starts = np.arange(0, labels.shape[axis], step)
        labels = np.maximum.reduceat(labels, starts, axis=axis)
    return labels


def fine(
    scores: NDArray[np.float32], step: int, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Bring (classes, y, x) scores of blocks back to all pixels."""
    if step == 1:
        return scores
    return scores.repeat(step, 1).repeat(step, 2)[:, : shape[0], : shape[1]]
