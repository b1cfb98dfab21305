"""The editing tools by name, and how one is used: on a slice, or through a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.blocks import VOXELS
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.editing.distance import grow, shrink
from napari_contrastseg.session.editing.holes import fill_holes
from napari_contrastseg.session.editing.pieces import (
    all_but_largest,
    pieces_through,
    smaller_than,
    without_pieces,
)
from napari_contrastseg.session.editing.plane import Plane
from napari_contrastseg.session.editing.smoothing import smooth
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.session.editing.pieces import Choice
    from napari_contrastseg.session.volume_record import VolumeRecord

    #: Flat indices of voxels, ascending, and what they are painted with.
    Part = tuple[NDArray[np.int64], NDArray[np.uint8]]


@dataclass(frozen=True)
class Asked:
    """What a person asks of a tool.

    Attributes
    ----------
    class_id : int
        The chosen class.
    distance : float
        By which to grow, shrink or smooth: mm, or pixels where no size is known.
    size : int
        Voxels from which on a piece is not small.
    """

    class_id: int
    distance: float = 1.0
    size: int = 20


@dataclass(frozen=True)
class Tool:
    """One editing tool.

    Attributes
    ----------
    name : str
        Of the step in the history.
    of_slice : callable
        From a slice to its ink afterwards.
    of_pieces : callable, optional
        Which pieces of the class go, where these are looked for through all slices;
        other tools go through slice by slice.
    of_class : bool
        Whether it is about the chosen class alone.
    """

    name: str
    of_slice: Callable[[Plane, Asked], NDArray[np.uint8]]
    of_pieces: Callable[[Asked], Choice] | None = None
    of_class: bool = True


FILL_HOLES: Final = Tool("fill holes", lambda p, a: fill_holes(p, a.class_id))
SMOOTH: Final = Tool("smooth", lambda p, a: smooth(p, a.distance), of_class=False)
GROW: Final = Tool("grow", lambda p, a: grow(p, a.class_id, a.distance))
SHRINK: Final = Tool("shrink", lambda p, a: shrink(p, a.class_id, a.distance))
KEEP_LARGEST: Final = Tool(
    "keep largest piece",
    lambda p, a: without_pieces(p, a.class_id, all_but_largest),
    of_pieces=lambda _: all_but_largest,
)
REMOVE_SMALL: Final = Tool(
    "remove small pieces",
    lambda p, a: without_pieces(p, a.class_id, smaller_than(a.size)),
    of_pieces=lambda a: smaller_than(a.size),
)
TOOLS: Final[Mapping[str, Tool]] = {
    tool.name: tool
    for tool in (FILL_HOLES, SMOOTH, GROW, SHRINK, KEEP_LARGEST, REMOVE_SMALL)
}


def on_slice(record: VolumeRecord, index: int, tool: Tool, asked: Asked) -> Part:
    """Find what a tool changes on one slice."""
    ink = record.ink[record.window(index)]
    return changes(record, index, tool.of_slice(_plane(record, index, ink), asked))


def changes(record: VolumeRecord, index: int, after: NDArray[np.uint8]) -> Part:
    """Find the voxels of a slice whose ink differs from what it shall be."""
    differs = after != record.ink[record.window(index)]
    return record.flat_where(index, differs), after[differs]


def through_all(record: VolumeRecord, tool: Tool, asked: Asked) -> Iterator[Part]:
    """Find what a tool changes on all slices; reads alone, so a thread may do it.

    Parts may be empty: the asker may end it after any of them. Locked slices are left
    out. In a stack, whose pictures are unrelated, pieces are looked for in each.
    """
    if tool.of_pieces is not None and record.volume.kind == "volume":
        goes = tool.of_pieces(asked)
        for flat in pieces_through(record, asked.class_id, goes):
            flat = flat[record.locked[record.along_axis(flat)] == 0]  # noqa: PLW2901
            yield flat, np.zeros(len(flat), np.uint8)
        return
    for index, ink in _labelled_slices(record):
        there = ink == asked.class_id if tool.of_class else _any_class(ink)
        if not there.any():
            continue
        after = tool.of_slice(_plane(record, index, ink), asked)
        differs = after != ink
        yield record.flat_where(index, differs), after[differs]


def _any_class(ink: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((ink != NOTHING) & (ink != BACKGROUND))


def _plane(record: VolumeRecord, index: int, ink: NDArray[np.uint8]) -> Plane:
    sides = record.volume.spacing
    down, right = (float(sides[a]) for a in range(3) if a != record.axis)
    return Plane(ink, (down, right), bool(record.status[index] == Status.DONE))


def _labelled_slices(record: VolumeRecord) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Copy slices that have labels and are not locked, several at a time.

    Slices along the last axis lie scattered in memory: read one by one each would go
    through all of it.
    """
    count, axis = len(record.status), record.axis
    thick = max(1, VOXELS * count // max(1, record.ink.size))
    wanted = (record.status != Status.UNTOUCHED) & (record.locked == 0)
    for start in range(0, count, thick):
        if not wanted[start : start + thick].any():
            continue
        key = (slice(None),) * axis + (slice(start, start + thick),)
        slab = np.moveaxis(record.ink[key], axis, 0).copy()
        for index, ink in enumerate(slab, start):
            if wanted[index]:
                yield index, ink
