"""A hand in a hurry: strokes, boxes and clicks on a structure that the truth knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects, label, shift

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Place = tuple[int, int]

#: Smaller pieces, in pixels, are painted by hand.
LEAST_AREA: Final = 60
#: Part of a structure's pixels that a stroke within it covers, the deepest ones.
WITHIN: Final = 0.6
#: How far a stroke of the structure's shape lies off, in parts of the radius of a disc
#: as large as the structure.
OFF: Final = 0.25
#: How much larger than the structure a stroke is that goes over its border all round.
OVER: Final = 1.3
#: How far each side of a box lies off at most, in parts of the box's length across.
JITTER: Final = 0.1
#: Radius of the brush in parts of the radius of a disc as large as the structure.
BRUSH: Final = 0.5


def structures(plane: NDArray[np.int16]) -> Iterator[tuple[int, Mask]]:
    """Give the connected pieces of each class on a slice, and their classes.

    Parameters
    ----------
    plane : (y, x) int
        0 background, else a class id.
    """
    for class_id in np.unique(plane[plane > 0]).tolist():
        pieces, count = label(plane == class_id)
        for number in range(1, count + 1):
            piece = pieces == number
            if piece.sum() >= LEAST_AREA:
                yield class_id, piece


def brush_radius(piece: Mask) -> float:
    """Radius of the brush that a structure is painted with, pixels."""
    return BRUSH * _radius(piece)


def strokes(piece: Mask, rng: np.random.Generator) -> dict[str, Mask]:
    """Paint a structure in three sloppy ways: within it, off, and over its border."""
    inner, outer = _distances(piece)
    within = inner >= np.quantile(inner[piece], 1 - WITHIN)
    angle = rng.uniform(0, 2 * np.pi)
    by = OFF * _radius(piece) * np.array([np.sin(angle), np.cos(angle)])
    off = shift(piece.astype(np.uint8), np.round(by).astype(int), order=0) > 0
    grown = round(OVER * piece.sum())
    over = outer <= np.partition(outer.ravel(), grown)[grown]
    return {"within": within, "off": off, "over": over}


def box_around(piece: Mask, rng: np.random.Generator) -> tuple[slice, slice]:
    """Draw a box around a structure, each side some pixels off."""
    (around,) = find_objects(piece.astype(np.uint8))
    found = []
    for side, size in zip(around, piece.shape, strict=True):
        most = JITTER * (side.stop - side.start)
        low, high = np.round(rng.uniform(-most, most, 2)).astype(int)
        found.append(slice(max(0, side.start + low), min(size, side.stop + high)))
    return found[0], found[1]


def next_click(found: Mask, piece: Mask) -> tuple[Place, bool]:
    """Click into the middle of what is wrong most, and say whether it is the structure.

    The deepest pixel of all that is missing or too much.
    """
    depths = [_distances(wrong)[0] for wrong in (piece & ~found, found & ~piece)]
    inside = bool(depths[0].max() >= depths[1].max())
    deepest = int((depths[0] if inside else depths[1]).argmax())
    row, column = divmod(deepest, piece.shape[1])
    return (row, column), inside


def _radius(piece: Mask) -> float:
    return float(np.sqrt(piece.sum() / np.pi))


def _distances(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of each pixel of a mask to its border, and of the others to the mask.

    The edge of the slice is a border.
    """
    inner = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    outer = distance_transform_edt(~mask) if mask.any() else np.zeros(mask.shape)
    return np.asarray(inner), np.asarray(outer)
