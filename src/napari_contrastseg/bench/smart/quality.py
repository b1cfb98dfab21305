"""How near to the truth smart strokes, boxes and clicks come, beside plain ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import binary_fill_holes, distance_transform_edt
from skimage.segmentation import random_walker

from napari_contrastseg.bench.smart.hand import (
    box_around,
    brush_radius,
    next_click,
    strokes,
)
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.tasks.slice_window import SliceWindow
from napari_contrastseg.tasks.smart_brush import refined_stroke
from napari_contrastseg.tasks.suggestions import Pointed, reach_of_clicks, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

    Mask = NDArray[np.bool_]

#: After how many clicks the result is looked at.
CLICKS: Final = (1, 3, 5)
#: A structure is a ring if its hole is at least this large, in parts of itself.
_RING: Final = 0.2
#: Pixels around what is asked that scikit-image's random walker sees.
_RIM: Final = 2


@dataclass(frozen=True)
class Trial:
    """Dice with the truth of one try on one structure.

    Attributes
    ----------
    way : str
        How it was pointed at.
    plain : float
        What a person has without any help: the stroke as painted, the box filled.
    walker : float
        scikit-image's random walker from the same stroke, box or clicks.
    ours : float
    """

    way: str
    plain: float
    walker: float
    ours: float


def trials(
    session: Session,
    record: VolumeRecord,
    index: int,
    class_id: int,
    piece: Mask,
    seed: tuple[int, ...],
) -> Iterator[Trial]:
    """Try strokes, a box and clicks on one structure of a slice without ink."""
    rng = np.random.default_rng(seed)
    rows, columns = ((0, n) for n in piece.shape)
    whole = SliceWindow(record, record.axis, index, rows, columns)
    grey = whole.image()
    radius = brush_radius(piece)
    for way, stroke in strokes(piece, rng).items():
        flat = whole.flat(stroke)
        values = np.full(len(flat), class_id, np.uint8)
        found, _ = refined_stroke(record, flat, values, radius)
        walked = _walk(grey, stroke, _far_from(stroke, radius))
        ours = _mask(record, index, found)
        yield _trial(f"stroke {way}", piece, stroke, walked, ours)
    top, left = ((s.start, s.stop) for s in box_around(piece, rng))
    boxed = Pointed(record.volume.id, index, class_id, (top, left))
    yield _boxed("box", session, boxed, piece, grey)
    hole = binary_fill_holes(piece) & ~piece
    if hole.sum() > _RING * piece.sum():
        ink = record.ink[record.window(index)]
        ink[hole] = BACKGROUND
        yield _boxed("box, hole painted", session, boxed, piece, grey)
        ink[hole] = NOTHING
        place, _ = next_click(np.zeros_like(hole), hole)
        boxed = replace(boxed, outside=(place,))
        yield _boxed("box, hole clicked away", session, boxed, piece, grey)
    yield from _clicked(session, record, index, class_id, piece, grey)


def _boxed(
    way: str,
    session: Session,
    pointed: Pointed,
    piece: Mask,
    grey: NDArray[np.float32],
) -> Trial:
    box, away = np.zeros_like(piece), np.zeros_like(piece)
    assert pointed.box is not None
    box[tuple(slice(*side) for side in pointed.box)] = True
    for row, column in pointed.outside:
        away[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
    ours = suggest(session, pointed)
    depth = distance_transform_edt(np.pad(box, 1))[1:-1, 1:-1]
    middle = depth >= depth.max() / 2
    return _trial(way, piece, box, _walk(grey, middle & ~away, ~box | away), ours)


def _clicked(
    session: Session,
    record: VolumeRecord,
    index: int,
    class_id: int,
    piece: Mask,
    grey: NDArray[np.float32],
) -> Iterator[Trial]:
    """Click, each time into the middle of what is wrong most; a plain way has none."""
    found = {"walker": np.zeros_like(piece), "ours": np.zeros_like(piece)}
    places: dict[str, dict[bool, list[tuple[int, int]]]] = {
        name: {True: [], False: []} for name in found
    }
    for count in range(1, max(CLICKS) + 1):
        for name, clicked in places.items():
            place, inside = next_click(found[name], piece)
            clicked[inside].append(place)
            if name == "ours":
                both = tuple(clicked[True]), tuple(clicked[False])
                pointed = Pointed(record.volume.id, index, class_id, None, *both)
                found[name] = suggest(session, pointed)
            else:
                found[name] = _walk(grey, *_at(piece.shape, clicked))
        if count in CLICKS:
            way = f"{count} click{'s' * (count > 1)}"
            nothing = np.zeros_like(piece)
            yield _trial(way, piece, nothing, found["walker"], found["ours"])


def _at(
    shape: tuple[int, ...], clicked: dict[bool, list[tuple[int, int]]]
) -> tuple[Mask, Mask]:
    """Pixels clicked inside, and outside; so is all that our tool cannot see."""
    inside, outside = np.zeros(shape, np.bool_), np.ones(shape, np.bool_)
    places = np.array([*clicked[True], *clicked[False]])
    reach = reach_of_clicks(max(shape))
    low = np.maximum(places.min(axis=0) - reach, 1)
    high = np.minimum(places.max(axis=0) + reach, np.array(shape) - 1)
    outside[low[0] : high[0], low[1] : high[1]] = False
    for into, where in ((inside, clicked[True]), (outside, clicked[False])):
        for row, column in where:
            into[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
    return inside & ~outside, outside


def _far_from(stroke: Mask, radius: float) -> Mask:
    return np.asarray(distance_transform_edt(~stroke) > max(radius, _RIM))


def _walk(grey: NDArray[np.float32], inside: Mask, outside: Mask) -> Mask:
    """Give scikit-image's random walker between two kinds of seeds, with its defaults.

    Only the window that is neither is looked at.
    """
    seeds = np.where(inside, 1, np.where(outside, 2, 0))
    if not ((seeds == 0).any() and inside.any() and outside.any()):
        return inside
    rows, columns = np.nonzero(seeds == 0)
    ends = zip((rows, columns), seeds.shape, strict=True)
    key = tuple(
        slice(max(0, int(p.min()) - _RIM), min(n, int(p.max()) + 1 + _RIM))
        for p, n in ends
    )
    found = inside.copy()
    if not ((seeds[key] == 1).any() and (seeds[key] == 2).any()):  # noqa: PLR2004
        return found
    image = np.moveaxis(grey[(slice(None), *key)], 0, -1).astype(np.float64)
    walked = random_walker(image, seeds[key], mode="bf", prob_tol=1, channel_axis=-1)
    found[key] |= walked == 1
    return found


def _mask(record: VolumeRecord, index: int, flat: NDArray[np.int64]) -> Mask:
    """Places of a slice as a mask of it."""
    sides = np.delete(record.volume.shape, record.axis)
    return np.isin(np.concatenate([*record.flat_parts(index)]), flat).reshape(sides)


def _trial(way: str, truth: Mask, plain: Mask, walked: Mask, ours: Mask) -> Trial:
    found = (_dice(one, truth) for one in (plain, walked, ours))
    return Trial(way, *found)


def _dice(one: Mask, truth: Mask) -> float:
    return 2 * float((one & truth).sum()) / float(one.sum() + truth.sum())
