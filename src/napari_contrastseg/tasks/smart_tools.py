"""Smart brush and box on a session: what a stroke or a box means in the slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.proposers.smart_box import RIM, find_in_box
from napari_contrastseg.proposers.smart_stroke import reach_of, snap
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.painting import paint_voxels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

    Sides = tuple[int, int]

#: Grey values of a window between these percentiles become 0 to 1.
_LOW, _HIGH = 1.0, 99.0
#: A box with a shorter side, in pixels, says nothing.
LEAST_SIDE: Final = 4


@dataclass(frozen=True)
class _Window:
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


def refined_stroke(
    record: VolumeRecord,
    flat: NDArray[np.int64],
    values: NDArray[np.uint8],
    radius: float,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Let a stroke of one class in one slice snap to edges; others stay as they are.

    Ink of other classes stays, background that was painted on purpose too.

    Parameters
    ----------
    record : VolumeRecord
        With its ink as it was before the stroke.
    flat, values : (n,)
        Flat indices of the stroke, and what was painted there.
    radius : float
        Of the brush, in pixels of the finer side.

    Raises
    ------
    InputError
        All of the stroke lies on ink of other classes.
    """
    window = _around(record, flat, reach_of(radius))
    if window is None or values[0] == NOTHING or (values != values[0]).any():
        return flat, values
    ink = record.ink[window.key]
    places = np.unravel_index(flat, record.volume.shape)
    rows, columns = (p for axis, p in enumerate(places) if axis != window.axis)
    painted = np.zeros(ink.shape, np.bool_)
    painted[rows - window.rows[0], columns - window.columns[0]] = True
    own, closed = ink == values[0], (ink != NOTHING) & (ink != values[0])
    found = snap(window.image(), painted, own, closed, radius, window.pixel.tolist())
    fresh = window.flat(found & (ink == NOTHING))
    if not len(fresh) and (closed & painted).any() and not (own & painted).any():
        raise InputError(
            "Nothing was painted: the smart brush leaves what is painted already as it "
            "is; turn it off (G) to paint over it."
        )
    return fresh, np.full(len(fresh), values[0])


def _around(
    record: VolumeRecord, flat: NDArray[np.int64], reach: int
) -> _Window | None:
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
            sides = _grown(box, reach, [shape[a] for a in others])
            return _Window(record, axis, ends[axis][0], *sides)
    return None


def _grown(box: Sequence[Sides], by: int, sides: Sequence[int]) -> tuple[Sides, Sides]:
    """Give a box that is larger by some pixels, as far as the slice goes."""
    (top, bottom), (left, right) = box
    rows, columns = sides
    return (
        (max(0, top - by), min(rows, bottom + by)),
        (max(0, left - by), min(columns, right + by)),
    )


def paint_in_box(
    session: Session,
    volume_id: str,
    index: int,
    rows: Sides,
    columns: Sides,
    class_id: int,
) -> int:
    """Paint what a box on a slice holds, where nothing is painted: one step of undo.

    Parameters
    ----------
    session, volume_id
    index : int
        Of the slice along the volume's slice axis.
    rows, columns : (int, int)
        First pixel of the box, and the one after its last.
    class_id : int

    Returns
    -------
    int
        How many voxels were painted.

    Raises
    ------
    InputError
        The box is too small or elsewhere, background was chosen, or all is locked.
    """
    record = session.records[volume_id]
    if class_id == BACKGROUND:
        raise InputError("A box is for a class; choose one in step Data first.")
    sides = np.delete(record.volume.shape, record.axis).tolist()
    box = _grown((rows, columns), 0, sides)
    lengths = [high - low for low, high in box]
    if min(lengths) < LEAST_SIDE:
        raise InputError(
            f"The box holds less than {LEAST_SIDE} x {LEAST_SIDE} pixels of the slice; "
            "draw it around all of the structure."
        )
    wide = _grown(box, RIM, sides)
    window = _Window(record, record.axis, index, *wide)
    ink = record.ink[window.key]
    there = np.zeros(ink.shape, np.bool_)
    (top, bottom), (left, right) = box
    there[
        top - wide[0][0] : bottom - wide[0][0], left - wide[1][0] : right - wide[1][0]
    ] = True
    own, closed = ink == class_id, (ink != NOTHING) & (ink != class_id)
    found = find_in_box(window.image(), there, own, closed, window.pixel.tolist())
    fresh = found & (ink == NOTHING)
    paint_voxels(session, {volume_id: window.voxels(fresh)}, class_id, "box")
    return int(fresh.sum())
