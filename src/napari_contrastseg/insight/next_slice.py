"""Which slice to look at next, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


#: Smaller doubts are left out: over a wide background they add up to nothing real.
WORTH_DOUBTING = 0.2


@dataclass(frozen=True)
class Suggestion:
    """A slice worth a look.

    Attributes
    ----------
    volume_id : str
    index : int
        Slice number.
    score : float
        Expected wrong voxels in proportion to those predicted.
    class_id : int
        The class most in doubt; 0 for background.
    reason : str
        "unsure": expected error at the edge of that class; "chosen": a person's wish.
    """

    volume_id: str
    index: int
    score: float
    class_id: int
    reason: Literal["unsure", "chosen"] = "unsure"


def rank_slices(
    predictions: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    axis: int,
    open_slices: Mapping[str, NDArray[np.int64]],
    *,
    apart: int = 2,
) -> list[Suggestion]:
    """Order the open slices by their expected error, neighbours kept apart.

    The expected error of a slice is its expected number of wrong voxels (the sum of
    1 - confidence) over the size of what is predicted there, damped by the typical
    size, so that nearly empty slices do not come first.

    Parameters
    ----------
    predictions : mapping of volume id to (labels, confidence), (s0, s1, s2) each
    axis : int
        Slice axis.
    open_slices : mapping of volume id to slice numbers that are not done
    apart : int
        Slices nearer than this to a better one come after all others.

    Returns
    -------
    list of Suggestion, best first
    """
    found = []
    typical = _typical_area(predictions, axis)
    for volume_id, (labels, confidence) in predictions.items():
        for index in open_slices[volume_id]:
            plane = np.take(labels, index, axis=axis)
            doubt = 1.0 - np.take(confidence, index, axis=axis).astype(np.float32)
            doubt[doubt < WORTH_DOUBTING] = 0.0
            found.append(_judge(volume_id, int(index), plane, doubt, typical))
    found.sort(key=lambda s: (-s.score, s.volume_id, s.index))
    first: list[Suggestion] = []
    later: list[Suggestion] = []
    for suggestion in found:
        near = any(
            suggestion.volume_id == other.volume_id
            and abs(suggestion.index - other.index) < apart
            for other in first
        )
        (later if near else first).append(suggestion)
    return first + later


def _typical_area(
    predictions: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], axis: int
) -> float:
    """Median number of foreground voxels of the slices that have any."""
    others = tuple(a for a in range(3) if a != axis)
    areas = np.concatenate([(p > 0).sum(axis=others) for p, _ in predictions.values()])
    return float(np.median(areas[areas > 0])) if areas.any() else 1.0


def _judge(
    volume_id: str,
    index: int,
    plane: NDArray[Any],
    doubt: NDArray[np.float32],
    typical: float,
) -> Suggestion:
    score = float(doubt.sum()) / (float((plane > 0).sum()) + typical)
    per_class = np.bincount(plane.reshape(-1), weights=doubt.reshape(-1))
    if len(per_class) > 1 and per_class[1:].any():
        return Suggestion(volume_id, index, score, int(per_class[1:].argmax()) + 1)
    return Suggestion(volume_id, index, score, 0)
