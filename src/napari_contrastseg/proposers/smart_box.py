"""Box: what a box around a structure holds, as if its middle had been painted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.smart_stroke import snap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Chosen on boxes in la_01 to la_03: the ellipse in the middle of a box that is taken
# for painted, in parts of the one that touches its sides; and the brush that would have
# painted it, in parts of the shorter side
_MIDDLE: Final = 0.8
_BRUSH: Final = 0.4
# Chosen on the muscle around the left ventricle of patient002, 005, 008 and 012: the
# ellipse in the middle of a box in which the hole of a ring lies, and the brush that
# would have painted the ring, in parts of half its thickness
_CENTRE: Final = 0.5
_RING_BRUSH: Final = 0.5
#: Pixels around a box that are looked at, too.
RIM: Final = 4


def find_in_box(
    image: NDArray[np.float32],
    box: NDArray[np.bool_],
    own: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    pixel: Sequence[float] = (1.0, 1.0),
) -> NDArray[np.bool_]:
    """Find the structure in a box that was drawn around it.

    Parameters
    ----------
    image : (channels, y, x) float32
        A window of the slice: the box and `RIM` pixels around it.
    box : (y, x) bool
        A rectangle.
    own, closed : (y, x) bool
        What was painted with the same class before, and what is something else.
    pixel : (2,) float
        Height and width of a pixel.

    Returns
    -------
    (y, x) bool
        Within the box, without what is closed: one piece, and what was painted there.
    """
    shut = closed | ~box
    from_middle, shorter = _from_middle(box, np.asarray(pixel) / min(pixel))
    stroke = (from_middle <= _MIDDLE) & ~shut
    found = snap(image, stroke, own & box, shut, _BRUSH * shorter, pixel)
    return _one_piece(found, from_middle) & ~shut | (own & box)


def middle_of(
    box: NDArray[np.bool_], pixel: Sequence[float] = (1.0, 1.0)
) -> NDArray[np.bool_]:
    """Mark the middle of a box, where the hole of a ring lies."""
    return _from_middle(box, np.asarray(pixel) / min(pixel))[0] <= _CENTRE


def find_around(
    image: NDArray[np.float32],
    box: NDArray[np.bool_],
    hole: NDArray[np.bool_],
    closed: NDArray[np.bool_],
    pixel: Sequence[float] = (1.0, 1.0),
) -> NDArray[np.bool_]:
    """Find the ring in a box that was drawn around it, its hole being known.

    Parameters
    ----------
    image, box, closed, pixel
        As of `find_in_box`.
    hole : (y, x) bool
        What the ring is around.
    """
    shut = closed | hole | ~box
    from_middle, _ = _from_middle(box, np.asarray(pixel) / min(pixel))
    stroke = (from_middle <= 1) & ~shut
    if not stroke.any():
        return stroke
    half = float(scipy.ndimage.distance_transform_edt(np.pad(stroke, 1)).max())
    found = snap(image, stroke, np.zeros_like(box), shut, _RING_BRUSH * half, pixel)
    return _one_piece(found, from_middle) & ~shut


def _from_middle(
    box: NDArray[np.bool_], sides: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Distance from the middle of the box, 1 on the ellipse that touches its sides.

    And the length of its shorter side.
    """
    total, lengths = np.zeros(box.shape), []
    for axis, grid in enumerate(np.indices(box.shape)):
        there = np.flatnonzero(box.any(axis=1 - axis))
        lengths.append(len(there) * float(sides[axis]))
        total += ((grid - there.mean()) / (len(there) / 2)) ** 2
    return np.sqrt(total), min(lengths)


def _one_piece(
    found: NDArray[np.bool_], from_middle: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Keep the piece that fills the middle most, without holes."""
    pieces, count = scipy.ndimage.label(found)
    if not count:
        return found
    weight = np.bincount(pieces.ravel(), np.maximum(1.5 - from_middle, 0.1).ravel())
    weight[0] = 0
    return np.asarray(scipy.ndimage.binary_fill_holes(pieces == weight.argmax()))
