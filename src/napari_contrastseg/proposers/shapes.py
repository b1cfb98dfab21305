"""Shapes between labelled slices: signed distances that move and shrink with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import scipy

from napari_contrastseg.proposers.signed_distance import (
    EMPTY,
    Interpolation,
    class_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.knot import Knot
    from napari_contrastseg.proposers.motion import Motion
    from napari_contrastseg.proposers.signed_distance import Fields

# Chosen on la_01 to la_03 and twelve hippocampi: a shape's centre is half motion, half
# a change of its outline; beyond the last slice that has it, it goes on a bit slower.
_FOLLOWED = 0.5
_BEYOND = 0.7
#: The image's motion is lost between labelled slices that lie further apart.
FAR = 64
# Space around all labelled structures, in pixels, and the most pixels worked with
_MARGIN = 16
_PIXELS = 256 * 256


class Window:
    """The part of a slice that is worked with, coarser where it is large."""

    def __init__(self, knots: Sequence[Knot], pixels: int = _PIXELS) -> None:
        self.shape = knots[0].labels.shape
        self.rows, self.columns = _box([knot.labels > 0 for knot in knots])
        area = (self.rows.stop - self.rows.start) * (
            self.columns.stop - self.columns.start
        )
        self.step = ceil((area / pixels) ** 0.5)

    def cut(self, labels: NDArray[np.integer]) -> NDArray[np.integer]:
        """Take the window's pixels of a slice."""
        return labels[self.rows, self.columns][:: self.step, :: self.step]

    def paste(self, fields: Fields, shift: NDArray[np.float64]) -> Fields:
        """Bring fields of the window to the whole slice, moved by a shift in pixels."""
        rows = (np.arange(self.shape[0]) - self.rows.start - shift[0]) / self.step
        columns = (np.arange(self.shape[1]) - self.columns.start - shift[1]) / self.step
        return resample(fields, rows, columns)

    def places(self, shift: NDArray[np.float64]) -> NDArray[np.float32]:
        """Rows and columns of the whole slice, (2, y, x), of the window's pixels.

        Of a slice that was moved by a shift in pixels, as `inside` takes it off.
        """
        rows = np.arange(self.rows.start, self.rows.stop, self.step) + shift[0]
        columns = np.arange(self.columns.start, self.columns.stop, self.step) + shift[1]
        places = np.stack(np.meshgrid(rows, columns, indexing="ij"))
        return places.astype(np.float32)

    def inside(
        self, places: NDArray[np.float32], shift: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Give places of the whole slice as places between the window's pixels."""
        corner = np.array([self.rows.start, self.columns.start]) + shift
        found: NDArray[np.float32] = (
            (places - corner[:, None, None]) / self.step
        ).astype(np.float32)
        return found

    def move(self, fields: Fields, shift: NDArray[np.float64]) -> Fields:
        """Move fields of the window by a shift in pixels."""
        rows = np.arange(fields.shape[1]) - shift[0] / self.step
        columns = np.arange(fields.shape[2]) - shift[1] / self.step
        return resample(fields, rows, columns)


@dataclass(frozen=True)
class Followed:
    """How much of the motion that an image shows shapes follow, 0 to 1 each.

    Attributes
    ----------
    between : float
        Outlines between two labelled slices with structures.
    ends : float
        Outlines where the structures end.
    classes : float
        Borders of classes with each other.
    """

    between: float = 0.0
    ends: float = 0.0
    classes: float = 0.0


class Shapes:
    """Signed distances of all classes on any slice, from some labelled ones.

    Between slices the outlines follow the structure's centre. On a slice that lacks a
    class, that class has shrunk to nothing since the labelled slice next to it.

    Parameters
    ----------
    knots : sequence of Knot
        In order, at least one.
    classes : sequence of int
        Class ids; none of them for the background's field alone.
    window : Window, optional
        What is worked with; all structures and some space around them.
    raw : callable of a place in `knots` to its fields, optional
        Where these are known already.
    motion : Motion, optional
        What the image shows of how structures move.
    followed : Followed
        How much of that motion they follow.
    """

    def __init__(
        self,
        knots: Sequence[Knot],
        classes: Sequence[int],
        window: Window | None = None,
        raw: Callable[[int], Fields] | None = None,
        motion: Motion | None = None,
        followed: Followed | None = None,
    ) -> None:
        self.knots = tuple(knots)
        self.classes = tuple(classes)
        self.window = window or Window(knots)
        self._raw = raw or lru_cache(maxsize=None)(self._raw_fields)
        self.path = _path(self.knots)
        self.followed = followed or Followed()
        self._motion = motion
        self._still = lru_cache(maxsize=None)(self._fields)
        self._between = Interpolation([knot.index for knot in self.knots], self._still)

    def at(self, index: int) -> Fields:
        """Fields of one slice, background first, (1 + classes, y, x) in pixels."""
        return self.window.paste(self._at(index), self.path(index))

    def in_window(self, index: int) -> Fields:
        """Fields of one slice in the window alone, which is faster."""
        return self.window.move(self._at(index), self.path(index))

    def following(self, followed: Followed) -> Shapes:
        """Let the outlines follow the image's motion to another part."""
        return Shapes(
            self.knots,
            self.classes,
            self.window,
            self._raw,
            self._motion,
            followed,
        )

    def shown(self, number: int) -> bool:
        """Whether a labelled slice has any structure."""
        return bool((self.knots[number].labels > 0).any())

    def without(self, number: int) -> Shapes:
        """Leave out one labelled slice, by its place in `knots`."""
        kept = [k for k in range(len(self.knots)) if k != number]
        return Shapes(
            [self.knots[k] for k in kept],
            self.classes,
            self.window,
            lambda k: self._raw(kept[k]),
            self._motion,
            self.followed,
        )

    def _at(self, index: int) -> Fields:
        """Fields in the window of one slice, where the path of the centre is out."""
        still = self._between.at(index)
        moved = None if self.followed == Followed() else self._moved(index)
        if moved is None:
            return still
        ends = any(not self.shown(k) for k in self._beside(index))
        moved -= still
        moved[0] *= np.float32(self.followed.ends if ends else self.followed.between)
        moved[1:] *= np.float32(self.followed.classes)
        moved += still
        return moved

    def _moved(self, index: int) -> Fields | None:
        """Fields where the nearest outlines have gone as what the image shows."""
        positions, beside = self._between.positions, self._beside(index)
        if self._motion is None or not beside:
            return None
        left, right = beside
        if positions[right] - positions[left] > FAR:
            return None
        near = range(max(left - 1, 0), min(right + 2, len(positions)))
        fields = [
            self._carried(k, index) if k in beside else self._still(k) for k in near
        ]
        return Interpolation([positions[k] for k in near], fields.__getitem__).at(index)

    def _beside(self, index: int) -> tuple[int, ...]:
        """Labelled slices on both sides of one that is not labelled; else none."""
        positions = self._between.positions
        right = int(np.searchsorted(positions, index))
        if right in (0, len(positions)) or positions[right] == index:
            return ()
        return right - 1, right

    def _carried(self, number: int, index: int) -> Fields:
        """Fields of a labelled slice, carried to another one by the image's motion."""
        assert self._motion is not None
        window, there = self.window, self.knots[number].index
        here = window.places(self.path(index))
        places = self._motion.carried(here, index, there)
        found = [
            scipy.ndimage.map_coordinates(
                field,
                window.inside(places, self.path(there)),
                order=1,
                mode="nearest",
            )
            for field in self._still(number)
        ]
        return np.stack(found)

    def _raw_fields(self, number: int) -> Fields:
        labels = self.window.cut(self.knots[number].labels)
        fields = class_fields(labels, self.classes)
        fields *= self.window.step
        return fields

    def _fields(self, number: int) -> Fields:
        """Fields of a labelled slice where the path of the centre is taken out."""
        fields = self.window.move(
            self._raw(number), -self.path(self.knots[number].index)
        )
        for channel in np.flatnonzero(~self._present(number)).tolist():
            sign = 1 if channel else -1
            fields[channel] = sign * self._vanished(number, channel, sign)
        return fields

    def _vanished(self, number: int, channel: int, sign: int) -> Fields:
        near = [
            k
            for k in (number - 1, number + 1)
            if 0 <= k < len(self.knots) and self._present(k)[channel]
        ]
        if not near:
            return np.full(self._raw(number)[channel].shape, -EMPTY, np.float32)
        # A structure that ends has moved on; a class that ends in others has not
        alone = not self._present(number)[0]
        places = [self.knots[k if alone else number].index for k in near]
        shrunk = [
            self.window.move(
                _shrunk(sign * self._raw(k)[channel])[None], -self.path(place)
            )
            for k, place in zip(near, places, strict=True)
        ]
        largest: Fields = np.max(shrunk, axis=0)[0]
        return largest

    def _present(self, number: int) -> NDArray[np.bool_]:
        """Whether any structure, and each class, is on a labelled slice."""
        raw = self._raw(number)
        return np.append((raw[0] < 0).any(), (raw[1:] > 0).any(axis=(1, 2)))


def resample(
    fields: Fields, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> Fields:
    """Read (channels, y, x) fields at the crossings of rows and columns, linearly.

    Beyond the border the outermost value holds.
    """
    return _along(_along(fields, rows, 1), columns, 2)


def _along(fields: Fields, where: NDArray[np.float64], axis: int) -> Fields:
    last = fields.shape[axis] - 1
    where = np.clip(where, 0, last)
    below = np.minimum(where.astype(np.intp), max(last - 1, 0))
    part = (where - below).astype(np.float32)
    part = part[:, None] if axis == 1 else part
    first: Fields = fields.take(below, axis)
    second: Fields = fields.take(np.minimum(below + 1, last), axis)
    second -= first
    second *= part
    second += first
    return second


def _shrunk(field: Fields) -> Fields:
    """Take off as much as makes a shape vanish."""
    shrunk: Fields = field - (field.max() + np.float32(0.5))
    return shrunk


def _box(masks: Sequence[NDArray[np.bool_]]) -> tuple[slice, slice]:
    anywhere = np.logical_or.reduce(masks)
    spans = []
    for axis in (1, 0):
        used = np.flatnonzero(anywhere.any(axis))
        size = anywhere.shape[1 - axis]
        first, last = (used[0], used[-1]) if used.size else (0, size - 1)
        spans.append(slice(max(first - _MARGIN, 0), min(last + _MARGIN + 1, size)))
    return spans[0], spans[1]


def _path(knots: Sequence[Knot]) -> Callable[[float], NDArray[np.float64]]:
    """How far all structures have moved on a slice, in pixels along y and x."""
    seen = [knot for knot in knots if (knot.labels > 0).any()]
    if len(seen) < 2:  # noqa: PLR2004
        return lambda _index: np.zeros(2)
    index = np.array([knot.index for knot in seen], float)
    centre = np.stack([np.argwhere(knot.labels > 0).mean(0) for knot in seen])
    before, after = knots[0].index, knots[-1].index
    if before < index[0]:
        first = _beyond(index[:2], centre[:2], before)
        index, centre = np.append(before, index), np.vstack([first, centre])
    if after > index[-1]:
        last = _beyond(index[:-3:-1], centre[:-3:-1], after)
        index, centre = np.append(index, after), np.vstack([centre, last])
    return _curve(index, _FOLLOWED * (centre - centre.mean(0)))


def _beyond(
    index: NDArray[np.float64], centre: NDArray[np.float64], at: float
) -> NDArray[np.float64]:
    """Go on from the outermost of two centres, which comes first."""
    speed = (centre[0] - centre[1]) / (index[0] - index[1])
    place: NDArray[np.float64] = centre[0] + _BEYOND * speed * (at - index[0])
    return place


def _curve(
    index: NDArray[np.float64], centre: NDArray[np.float64]
) -> Callable[[float], NDArray[np.float64]]:
    """Go through centres smoothly, and stay at the outermost ones beyond them."""
    straight = len(index) == 2  # noqa: PLR2004
    curve = (
        scipy.interpolate.make_interp_spline(index, centre, k=1)
        if straight
        else scipy.interpolate.PchipInterpolator(index, centre)
    )

    def along(at: float) -> NDArray[np.float64]:
        place: NDArray[np.float64] = curve(np.clip(at, index[0], index[-1]))
        return place

    return along
