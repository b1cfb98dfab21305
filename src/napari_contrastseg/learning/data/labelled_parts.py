"""Parts of slices that a person labelled whole: slices, or rectangles of large ones.

They show how large and how fine structures are; scribbles do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import ndimage

from napari_contrastseg.io.blocks import plane_of
from napari_contrastseg.learning.data.slice_axes import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.data.targets import TrainingVolume

#: Side of the squares, in pixels, of which rectangles are made up.
SQUARE: Final = 32
#: Shortest side of a rectangle, in pixels.
LEAST_SIDE: Final = 144
#: Rectangles that are looked for in a region that is none itself.
_PIECES: Final = 4
#: How many are compared for that, and the part of each that others may share.
_LOOKS: Final = 1000
HALF: Final = 0.5
#: Pixels of a slice that are looked at together.
_TOGETHER: Final = 2**20


@dataclass(frozen=True)
class LabelledPart:
    """A slice, or a rectangle of it, that is labelled whole.

    Attributes
    ----------
    volume, index : int
        Number of the volume, and the slice along its slice axis.
    rows, columns : slice
    is_slice : bool
        Whether it is all of the slice.
    """

    volume: int
    index: int
    rows: slice
    columns: slice
    is_slice: bool

    @property
    def shortest(self) -> int:
        """Shorter side, in pixels."""
        sides = self.rows, self.columns
        return min(int(side.stop - side.start) for side in sides)

    def labels(self, volumes: Sequence[TrainingVolume]) -> NDArray[Any]:
        """Give its labels, (h, w), a view."""
        entry = volumes[self.volume]
        assert entry.target is not None
        plane = plane_of(entry.target, entry.volume.axis, self.index)
        return plane[self.rows, self.columns]


def labelled_parts(
    volumes: Sequence[TrainingVolume],
) -> tuple[dict[int, list[LabelledPart]], set[int]]:
    """Find the parts that each class is on, and all classes.

    Where a class is on no slice that is labelled whole, rectangles count that are: of
    144 pixels a side at least, with another class or the background beside it.
    """
    whole: dict[int, list[LabelledPart]] = {}
    within: dict[int, list[LabelledPart]] = {}
    seen: set[int] = set()
    for number, entry in enumerate(volumes):
        for index, look in enumerate(_looks(entry)):
            ids = look.values - {0}
            seen |= ids
            size = look.rows * look.columns
            if look.labelled >= WHOLE * size:
                every = slice(0, look.rows), slice(0, look.columns)
                for class_id in ids:
                    part = LabelledPart(number, index, *every, is_slice=True)
                    whole.setdefault(class_id, []).append(part)
                continue
            for rows, columns in _rectangles(look.squares):
                part = LabelledPart(number, index, rows, columns, is_slice=False)
                values = set(np.unique(part.labels(volumes)).tolist())
                there = {value for value in values if value >= 0}
                if len(there) > 1:  # else nothing of an outline is in it
                    for class_id in there - {0}:
                        within.setdefault(class_id, []).append(part)
    return {**within, **whole}, seen


@dataclass
class _Look:
    """What a person labelled on a slice."""

    rows: int
    columns: int
    values: set[int]
    labelled: int
    squares: NDArray[np.bool_]


def _looks(entry: TrainingVolume) -> Iterator[_Look]:
    """Look at each slice, some rows at a time."""
    if entry.target is None:
        return
    axis = entry.volume.axis
    for index in range(entry.volume.shape[axis]):
        labels = plane_of(entry.target, axis, index)
        weight = None
        if entry.weight is not None:
            weight = plane_of(entry.weight, axis, index)
        yield _look(labels, weight)


def _look(labels: NDArray[Any], weight: NDArray[Any] | None) -> _Look:
    rows, columns = labels.shape
    squares = np.zeros((rows // SQUARE, columns // SQUARE), np.bool_)
    look = _Look(rows, columns, set(), 0, squares)
    wide = squares.shape[1] * SQUARE
    thick = SQUARE * max(1, _TOGETHER // (SQUARE * columns))
    for start in range(0, rows, thick):
        some = labels[start : start + thick]
        if some.max() < 0:  # as most of a picture is
            continue
        mine = some >= 0
        if weight is not None:
            mine &= weight[start : start + thick] >= 1
        look.labelled += int(np.count_nonzero(mine))
        look.values |= set(np.flatnonzero(np.bincount(some[mine])).tolist())
        high = len(some) // SQUARE
        if high and wide:
            parts = mine[: high * SQUARE, :wide].reshape(high, SQUARE, -1, SQUARE)
            squares[start // SQUARE :][:high] = parts.all(axis=(1, 3))
    return look


def _rectangles(squares: NDArray[np.bool_]) -> Iterator[tuple[slice, slice]]:
    """Give rows and columns of rectangles, in pixels."""
    numbered, _ = ndimage.label(squares)
    for number, window in enumerate(ndimage.find_objects(numbered), start=1):
        mask = numbered[window] == number
        if min(mask.shape) * SQUARE < LEAST_SIDE:
            continue
        is_full = mask.mean() >= WHOLE
        every = slice(0, mask.shape[0]), slice(0, mask.shape[1])
        for part in [every] if is_full else _largest(mask):
            rows, columns = (
                slice(
                    (whole.start + side.start) * SQUARE,
                    (whole.start + side.stop) * SQUARE,
                )
                for whole, side in zip(window, part, strict=True)
            )
            yield rows, columns


def _largest(mask: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Find rectangles within a region, such as those that overlap in it."""
    seen = np.zeros_like(mask)
    found: list[tuple[slice, slice]] = []
    for _, place in nlargest(_LOOKS, _full(mask), key=itemgetter(0)):
        if seen[place].mean() < HALF and len(found) < _PIECES:
            found.append(place)
            seen[place] = True
    return found


def _full(mask: NDArray[np.bool_]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Give area and place of marked rectangles that cannot grow sideways or up."""
    heights = np.zeros(mask.shape[1] + 1, np.int64)  # the last one ends a row
    for row, marked in enumerate(mask, start=1):
        heights[:-1] = (heights[:-1] + 1) * marked
        begun: list[tuple[int, int]] = []
        for column, height in enumerate(heights.tolist()):
            first = column
            while begun and begun[-1][1] >= height:
                first, high = begun.pop()
                if min(high, column - first) * SQUARE >= LEAST_SIDE:
                    place = slice(row - high, row), slice(first, column)
                    yield high * (column - first), place
            begun.append((first, height))
