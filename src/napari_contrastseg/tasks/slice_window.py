"""A rectangle of a slice along any axis of a volume: its grey values and places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord

    Sides = tuple[int, int]
    Place = tuple[int, int]

#: Grey values of a window between these percentiles become 0 to 1.
_LOW, _HIGH = 1.0, 99.0


@dataclass(frozen=True)
class SliceWindow:
    """A rectangle of a slice along any axis of a volume."""

    record: VolumeRecord
    axis: int
    index: int
    rows: Sides
    columns: Sides

    @property
    def key(self) -> tuple[slice | int, ...]:
        """Where it lies in the volume's arrays."""
        found: list[slice | int] = [slice(*self.rows), slice(*self.columns)]
        found.insert(self.axis, self.index)
        return tuple(found)

    @property
    def pixel(self) -> NDArray[np.float64]:
        """Height and width of a pixel."""
        return np.delete(self.record.volume.spacing, self.axis)

    def image(self) -> NDArray[np.float32]:
        """Read grey values of about 0 to 1, (channels, y, x)."""
        volume, found = self.record.volume, []
        for channel in range(len(volume.data)):
            values = volume.part(channel, self.key, np.float64)
            finite = values[np.isfinite(values)]
            low, high = np.percentile(finite, (_LOW, _HIGH)) if finite.size else (0, 1)
            grey = (values - low) / (high - low if high > low else 1)
            found.append(np.clip(np.nan_to_num(grey, nan=0.0), -0.5, 1.5))
        return np.stack(found).astype(np.float32)

    def inner(self, places: Sequence[Place]) -> list[Place]:
        """Give places of the slice as rows and columns of the window, if in it."""
        (top, bottom), (left, right) = self.rows, self.columns
        return [
            (row - top, column - left)
            for row, column in places
            if top <= row < bottom and left <= column < right
        ]

    def flat(self, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Flat indices in the volume, ascending, of places in the window."""
        return np.ravel_multi_index(self._places(where), self.record.volume.shape)

    def _places(self, where: NDArray[np.bool_]) -> tuple[NDArray[np.intp], ...]:
        rows, columns = np.nonzero(where)
        found = [rows + self.rows[0], columns + self.columns[0]]
        found.insert(self.axis, np.full(len(rows), self.index))
        return tuple(found)

    def voxels(self, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Give the indices in the volume, (n, 3), of places in the window."""
        return np.stack(self._places(where), axis=1).astype(np.int64)


def around(
    record: VolumeRecord, flat: NDArray[np.int64], reach: int
) -> SliceWindow | None:
    """Give the window around places of one slice; None where they lie in several."""
    if not len(flat):
        return None
    shape = record.volume.shape
    places = np.unravel_index(flat, shape)
    ends = [(int(p.min()), int(p.max()) + 1) for p in places]
    for axis in (record.axis, *range(3)):
        if ends[axis][1] - ends[axis][0] == 1:
            others = [a for a in range(3) if a != axis]
            box = [ends[a] for a in others]
            sides = grown(box, reach, [shape[a] for a in others])
            return SliceWindow(record, axis, ends[axis][0], *sides)
    return None


def holds(box: tuple[Sides, Sides], place: Place) -> bool:
    """Whether a place lies in a box."""
    sides = zip(box, place, strict=True)
    return all(low <= at < high for (low, high), at in sides)


def grown(box: Sequence[Sides], by: int, sides: Sequence[int]) -> tuple[Sides, Sides]:
    """Give a box that is larger by some pixels, as far as the slice goes."""
    (top, bottom), (left, right) = box
    rows, columns = sides
    return (
        (max(0, top - by), min(rows, bottom + by)),
        (max(0, left - by), min(columns, right + by)),
    )
