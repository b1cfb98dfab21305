"""Box and clicks on a session: what a person points at, as a suggestion to accept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.proposers.smart_box import (
    RIM,
    find_around,
    find_in_box,
    middle_of,
)
from napari_contrastseg.proposers.smart_click import find_at
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.painting import paint_voxels
from napari_contrastseg.tasks.slice_window import SliceWindow, grown, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.tasks.slice_window import Place, Sides

#: A box with a shorter side, in pixels, says nothing.
LEAST_SIDE: Final = 4
#: A ring's hole is painted on this part of a box's middle at least, or is, where it is
#: clicked, this part of what would fill the box: a smaller one is cut out of that, and
#: of a larger one it is all that would fill the box.
_PAINTED, _CLICKED, _ALL = 0.5, 0.25, 0.5
#: How far around clicks is looked: pixels at least, and part of the longer side.
_REACH, _PART = 64, 0.25


@dataclass(frozen=True)
class Pointed:
    """What a person has shown of one structure on a slice.

    Attributes
    ----------
    volume_id : str
    index : int
        Of the slice along the volume's slice axis.
    class_id : int
    box : two of (first pixel, last + 1), optional
        Rows and columns of a box around it.
    inside, outside : tuple of (row, column)
        Places that are the structure, and that are not; beside a box, or further away
        than is looked at, they say nothing.
    """

    volume_id: str
    index: int
    class_id: int
    box: tuple[Sides, Sides] | None = None
    inside: tuple[Place, ...] = ()
    outside: tuple[Place, ...] = ()


def reach_of_clicks(side: int) -> int:
    """Pixels around clicks that are looked at, on a slice of so long a side."""
    return max(_REACH, round(_PART * side))


def suggest(session: Session, pointed: Pointed) -> NDArray[np.bool_]:
    """Find the structure that is pointed at, where nothing is painted.

    Without a box it is what the clicks are on; with one, what the box holds, and what
    clicks add to it and take away.

    Returns
    -------
    (rows, columns) bool
        Of the slice.

    Raises
    ------
    InputError
        The box is too small or elsewhere, or no class is chosen.
    """
    record = session.records[pointed.volume_id]
    if pointed.class_id == BACKGROUND:
        raise InputError(
            "A box or a click is for a class; choose one in step Data first."
        )
    window = _window(record, pointed)
    ink = record.ink[window.key]
    closed = (ink != NOTHING) & (ink != pointed.class_id)
    image = window.image()
    inside, outside = (window.inner(p) for p in (pointed.inside, pointed.outside))
    found = find_at(image, inside, outside, closed)
    if pointed.box is not None:
        there = _inside(window, pointed.box)
        held = _held(image, there, closed, (inside, outside), window.pixel.tolist())
        found = (held | found) & there
    return _on_slice(record, window, found & (ink == NOTHING))


def _held(
    image: NDArray[np.float32],
    box: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    clicks: tuple[Sequence[Place], Sequence[Place]],
    pixel: Sequence[float],
) -> NDArray[np.bool_]:
    """Find what a box holds, without what was clicked away.

    It is a ring where the box's middle is painted, or where a click in the middle
    points at much of what would fill it: that is the hole.
    """
    inside, outside = clicks
    none = np.zeros_like(box)  # so that the same box finds the same again
    held = find_in_box(image, box, none, closed, pixel)
    middle = middle_of(box, pixel)
    if closed[middle].mean() > _PAINTED:
        held = find_around(image, box, closed & box, closed, pixel)
    hole = find_at(image, [p for p in outside if middle[p]], inside, closed | ~box)
    part = (held & hole).sum() / max(1, held.sum())
    if part > _CLICKED:
        whole = held | hole if part > _ALL else hole
        held = find_around(image, box, whole, closed, pixel)
        outside = [place for place in outside if not middle[place]]
    return held & ~find_at(image, outside, inside, closed | ~box, held)


def accept_suggestion(
    session: Session, pointed: Pointed, found: NDArray[np.bool_]
) -> int:
    """Make a suggestion ink, one step of undo; give how many voxels were painted.

    Raises
    ------
    InputError
        The class or the slice is locked.
    """
    record = session.records[pointed.volume_id]
    flat = record.flat_where(pointed.index, found)
    fresh = flat[record.ink.reshape(-1)[flat] == NOTHING]
    places = np.stack(np.unravel_index(fresh, record.volume.shape), axis=1)
    voxels = {pointed.volume_id: places.astype(np.int64)}
    paint_voxels(session, voxels, pointed.class_id, "accept suggestion")
    return len(fresh)


def _window(record: VolumeRecord, pointed: Pointed) -> SliceWindow:
    """Give the part of the slice that is looked at: a box and its rim, or far around.

    Raises
    ------
    InputError
        The box is too small or elsewhere.
    """
    sides = np.delete(record.volume.shape, record.axis).tolist()
    if pointed.box is not None:
        (top, bottom), (left, right) = box = grown(pointed.box, 0, sides)
        if min(bottom - top, right - left) < LEAST_SIDE:
            raise InputError(
                f"The box holds less than {LEAST_SIDE} x {LEAST_SIDE} pixels of the "
                "slice; draw it around all of the structure."
            )
        by = RIM
    else:
        by = reach_of_clicks(max(sides))
        looked_at = grown(_around(pointed.inside or pointed.outside), by, sides)
        near = [place for place in pointed.outside if holds(looked_at, place)]
        box = _around((*pointed.inside, *near))
    return SliceWindow(record, record.axis, pointed.index, *grown(box, by, sides))


def _around(places: Sequence[Place]) -> tuple[Sides, Sides]:
    rows, columns = zip(*places, strict=True)
    return (min(rows), max(rows) + 1), (min(columns), max(columns) + 1)


def _inside(window: SliceWindow, box: tuple[Sides, Sides]) -> NDArray[np.bool_]:
    """Mark a box in a window that is larger."""
    found = np.zeros([high - low for low, high in (window.rows, window.columns)], bool)
    rows, columns = (
        slice(max(0, low - first), high - first)
        for (low, high), (first, _) in zip(
            box, (window.rows, window.columns), strict=True
        )
    )
    found[rows, columns] = True
    return found


def _on_slice(
    record: VolumeRecord, window: SliceWindow, found: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Give the whole slice, with what was found in a window of it."""
    whole = np.zeros(np.delete(record.volume.shape, record.axis), np.bool_)
    whole[slice(*window.rows), slice(*window.columns)] = found
    return whole
