"""Scribbles on a slice, made from its truth: skeletons, a ring around them, strokes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt, label
from skimage.morphology import skeletonize

from napari_contrastseg.learning.data.targets import UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Pixels of background next to the classes: this far away.
NEAR: Final = (6.0, 8.0)
#: Strokes of background: how many, length and width, and how far away at least, pixels.
STROKES, LENGTH, WIDTH, FAR = 4, 40, 2, 10.0
#: Places tried for a stroke; there is none on a slice without room.
TRIES: Final = 400


def scribbles(truth: NDArray[Any], seed: tuple[int, ...]) -> NDArray[np.int16]:
    """Scribble on a slice.

    The skeleton of each component of a class, widened by a pixel but not beyond the
    class, is that class; background are the pixels 6 to 8 away from the classes, and
    four straight strokes of 40 x 2 pixels at least 10 away, where they fit.

    Parameters
    ----------
    truth : (y, x) int
        -1 unknown, 0 background, else a class id.
    seed : tuple of int

    Returns
    -------
    (y, x) int16
        -1 nothing painted, 0 background, else a class id.
    """
    painted = np.full(truth.shape, UNKNOWN, np.int16)
    away = np.full(truth.shape, np.inf)
    if (truth > 0).any():
        away = distance_transform_edt(truth <= 0)
    painted[(away >= NEAR[0]) & (away <= NEAR[1])] = 0
    room = away >= FAR
    rng = np.random.default_rng(seed)
    for _ in range(STROKES):
        painted[_stroke(room, rng)] = 0
    for class_id in np.unique(truth[truth > 0]):
        painted[_core(truth == class_id)] = class_id
    painted[truth < 0] = UNKNOWN
    return painted


def _core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Skeleton of each component, widened by a pixel within the component."""
    parts, count = label(mask)
    found = np.zeros(mask.shape, bool)
    around = np.ones((3, 3), bool)
    for number in range(1, count + 1):
        part = parts == number
        found |= binary_dilation(skeletonize(part), around) & part
    return found


def _stroke(room: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """One straight stroke inside `room`; nothing where none was found to fit."""
    found = np.zeros(room.shape, bool)
    y, x = np.indices(room.shape)
    for _ in range(TRIES):
        angle = rng.uniform(0, np.pi)
        row, column = rng.uniform(0, room.shape[0]), rng.uniform(0, room.shape[1])
        along, across = np.array([np.sin(angle), np.cos(angle)]), LENGTH / 2
        tips = [(row + s * across * along[0], column + s * across * along[1])
                for s in (-1, 1)]  # fmt: skip
        inside = all(0 <= r < room.shape[0] and 0 <= c < room.shape[1] for r, c in tips)
        if not inside:
            continue
        dy, dx = y - row, x - column
        length = dy * along[0] + dx * along[1]
        width = dy * along[1] - dx * along[0]
        stroke = (np.abs(length) <= LENGTH / 2) & (width >= -WIDTH / 2)
        stroke &= width < WIDTH / 2
        if room[stroke].all():
            return np.asarray(stroke)
    return found
