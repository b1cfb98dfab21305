"""Signed distances of labelled slices, and interpolation of them along an axis."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Fields = NDArray[np.float32]
Kind = Literal["linear", "cubic"]

# Distance, in pixels, to a class that a slice does not have at all
EMPTY = 15.0


def signed_distance(mask: NDArray[np.bool_]) -> Fields:
    """Distance of each pixel to the mask's border, positive inside.

    Parameters
    ----------
    mask : (y, x) bool

    Returns
    -------
    (y, x) float32, pixels
        Half a pixel inside and outside along the border, never 0; `-EMPTY` everywhere
        for an empty mask, `EMPTY` for a full one.
    """
    if not mask.any():
        return np.full(mask.shape, -EMPTY, np.float32)
    if mask.all():
        return np.full(mask.shape, EMPTY, np.float32)
    inside = scipy.ndimage.distance_transform_edt(mask)
    outside = scipy.ndimage.distance_transform_edt(~mask)
    distance: Fields = np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)
    return distance


def class_fields(labels: NDArray[np.integer], classes: Sequence[int]) -> Fields:
    """Signed distances of a fully labelled slice: background first, then each class.

    Parameters
    ----------
    labels : (y, x) int
        0 background, else a class id.

    Returns
    -------
    (1 + classes, y, x) float32, pixels
    """
    return np.stack([signed_distance(labels == value) for value in (0, *classes)])


class Interpolation:
    """Fields between labelled slices, worked out one slice at a time.

    Parameters
    ----------
    positions : sequence of int
        Numbers of the labelled slices, rising.
    fields : callable of an index into `positions` to that slice's fields
        Called when a slice near it is asked for; what is in use is kept.
    kind : {"linear", "cubic"}
        A blend of the two neighbours, or a shape-preserving cubic through all labelled
        slices (`scipy.interpolate.PchipInterpolator`); linear where there are only two.
    """

    def __init__(
        self,
        positions: Sequence[int],
        fields: Callable[[int], Fields],
        kind: Kind = "cubic",
    ) -> None:
        if not positions:
            raise ValueError("Interpolation needs at least one labelled slice.")
        self.positions = tuple(positions)
        self.kind = kind if len(self.positions) > 2 else "linear"  # noqa: PLR2004
        self._fields = fields
        self._slopes = lru_cache(maxsize=4)(self._slopes_at)

    def at(self, index: float) -> Fields:
        """Give the fields of one slice; beyond the outermost ones, theirs."""
        last = len(self.positions) - 1
        right = int(np.searchsorted(self.positions, index))
        if right > last:
            return self._fields(last)
        if right == 0 or self.positions[right] == index:
            return self._fields(right)
        left = right - 1
        step = self.positions[right] - self.positions[left]
        t = (index - self.positions[left]) / step
        before, after = self._fields(left), self._fields(right)
        if self.kind == "linear":
            return before + np.float32(t) * (after - before)
        return _hermite(
            before, after, self._slopes(left) * step, self._slopes(right) * step, t
        )

    def without(self, number: int) -> Interpolation:
        """Leave one labelled slice out, by its place in `positions`."""
        kept = [k for k in range(len(self.positions)) if k != number]
        return Interpolation(
            [self.positions[k] for k in kept],
            lambda k: self._fields(kept[k]),
            self.kind,
        )

    def _slopes_at(self, number: int) -> Fields:
        last = len(self.positions) - 1
        if number == 0:
            return _end_slope(self._secant(0), self._secant(1), *self._steps(0, 1))
        if number == last:
            near, far = self._secant(last - 1), self._secant(last - 2)
            return _end_slope(near, far, *self._steps(last - 1, last - 2))
        return _inner_slope(
            self._secant(number - 1),
            self._secant(number),
            *self._steps(number - 1, number),
        )

    def _steps(self, *gaps: int) -> tuple[float, ...]:
        return tuple(
            float(self.positions[gap + 1] - self.positions[gap]) for gap in gaps
        )

    def _secant(self, gap: int) -> Fields:
        (step,) = self._steps(gap)
        return (self._fields(gap + 1) - self._fields(gap)) / np.float32(step)


def _hermite(
    before: Fields, after: Fields, leaving: Fields, arriving: Fields, t: float
) -> Fields:
    """Cubic from `before` to `after` with the given slopes (per whole gap)."""
    late = np.float32(t * t * (3 - 2 * t))
    value = before + late * (after - before)
    value += np.float32(t * (1 - t) ** 2) * leaving
    value -= np.float32(t * t * (1 - t)) * arriving
    return value


def _inner_slope(before: Fields, after: Fields, left: float, right: float) -> Fields:
    """Weighted harmonic mean of two secants, 0 at a turning point."""
    heavy, light = np.float32(2 * right + left), np.float32(right + 2 * left)
    product = before * after
    mean = heavy * after + light * before
    same = product > 0
    slope = np.zeros_like(product)
    np.divide((heavy + light) * product, mean, out=slope, where=same)
    return slope


def _end_slope(near: Fields, far: Fields, step: float, next_step: float) -> Fields:
    """Slope at an outermost slice: three-point rule, kept from overshooting."""
    slope = ((2 * step + next_step) * near - step * far) / (step + next_step)
    slope[slope * near <= 0] = 0
    steep = (near * far < 0) & (np.abs(slope) > 3 * np.abs(near))
    slope[steep] = 3 * near[steep]
    return slope.astype(np.float32, copy=False)
