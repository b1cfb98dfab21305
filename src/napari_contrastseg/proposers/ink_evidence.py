"""What ink says of the pixels around it, and what completes a scribbled slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Pixels that ink of one class is nearer than another's, for each logit it gains.
REACH: Final = 40.0
#: Logits that a class loses to those painted in this slice, where it is not.
ABSENT: Final = 2.0
#: Logit of background in a slice where it is not painted, since it is there all the
#: same. Chosen on hearts, atria and hippocampi of which one class of a third slice was
#: outlined, or its middle line painted: without it that class fills the slice.
UNPAINTED: Final = 1.0


def nearness(
    plane: NDArray[np.integer], ids: Sequence[int], reach: float = REACH
) -> NDArray[np.float32]:
    """Logits of each class by the distance to its ink in the slice.

    Parameters
    ----------
    plane : (y, x) int
        Negative unknown, else one of `ids`.
    ids : sequence of int
        Class ids, background among them.

    Returns
    -------
    (ids, y, x) float32
        At most 0, but for background that is not painted in this slice.
    """
    there = [class_id for class_id in ids if (plane == class_id).any()]
    found = {
        class_id: -scipy.ndimage.distance_transform_edt(plane != class_id) / reach
        for class_id in there
    }
    least = np.min([*found.values()], axis=0) - ABSENT
    found.setdefault(0, np.full(plane.shape, UNPAINTED))
    return np.stack([found.get(class_id, least) for class_id in ids]).astype(np.float32)


def completed(
    plane: NDArray[np.integer], scores: NDArray[np.float32], ids: Sequence[int]
) -> NDArray[np.integer]:
    """Complete a scribbled slice: each class in pieces that hold ink of it, no holes.

    Parameters
    ----------
    plane : (y, x) int
        Negative unknown, else one of `ids`; what is known stays.
    scores : (ids, y, x) float32
        Background first.
    ids : sequence of int

    Returns
    -------
    (y, x) int, all known
    """
    best: NDArray[np.integer]
    best = np.asarray(ids)[scores.argmax(axis=0)].astype(plane.dtype)
    best[plane >= 0] = plane[plane >= 0]
    kept: NDArray[np.integer] = np.zeros_like(best)
    for class_id in ids[1:]:
        mine = _pieces_with(best == class_id, plane == class_id)
        kept[_without_holes(mine) & (kept == 0)] = class_id
    kept[plane >= 0] = plane[plane >= 0]
    return kept


def agreed(
    chances: NDArray[np.float32],
    labels: NDArray[np.integer],
    plane: NDArray[np.integer],
    ids: Sequence[int],
) -> NDArray[np.float32]:
    """Let probabilities be largest where a completed slice says so, and 1 on ink.

    Parameters
    ----------
    chances : (ids, y, x) float32
    labels : (y, x) int
        From `completed`.
    plane : (y, x) int
        Negative unknown, else ink.
    ids : sequence of int
    """
    wanted = np.argmax([labels == class_id for class_id in ids], axis=0)[None]
    best = chances.argmax(axis=0)[None]
    mine = np.take_along_axis(chances, wanted, axis=0)
    out = chances.copy()
    np.put_along_axis(out, best, mine, axis=0)
    np.put_along_axis(out, wanted, chances.max(axis=0, keepdims=True), axis=0)
    for number, class_id in enumerate(ids):
        certain = np.arange(len(ids)) == number
        out[:, plane == class_id] = certain[:, None]
    return out


def _pieces_with(mask: NDArray[np.bool_], ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, count = scipy.ndimage.label(mask)
    wanted = np.zeros(count + 1, np.bool_)
    wanted[pieces[ink & mask]] = True
    wanted[0] = False
    return np.asarray(wanted[pieces])


def _without_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    outside, count = scipy.ndimage.label(~mask)
    open_ = np.zeros(count + 1, np.bool_)
    for edge in (outside[0], outside[-1], outside[:, 0], outside[:, -1]):
        open_[edge] = True
    open_[0] = False
    return np.asarray(~open_[outside])
