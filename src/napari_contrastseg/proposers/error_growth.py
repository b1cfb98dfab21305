"""How far interpolated borders are off, learned by leaving out labelled slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

from napari_contrastseg.proposers.shapes import Followed, Shapes, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_contrastseg.proposers.knot import Knot
    from napari_contrastseg.proposers.motion import Motion
    from napari_contrastseg.proposers.signed_distance import Fields

# log variance = scale + growth * log(reach) + end, learned on la_01 to la_03 and twelve
# hippocampi: mean and spread over volumes, and the spread of slices within a volume
_PRIOR = np.array([-0.5, 1.8, 0.7])
_PRIOR_SPREAD = np.array([0.8, 0.15, 0.6])
_SLICE_SPREAD = 1.5
# Square pixels: borders of labelled slices themselves, drawn on whole pixels
_FLOOR = 0.25
# Left out at most; compared with so many pixels, up to so far from the border
_MOST = 8
_PIXELS = 128 * 128
_NEAR = 20.0
# Parts of the image's motion that are tried; how much lower the log variance of
# outlines, and the share of confused pixels, have to be for all of it; what is taken
# where no slice can be left out, and where structures end. Chosen on la_01 to la_03,
# twelve hippocampi and six hearts
_PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
_DISTRUST = 0.5
_DISTRUST_CLASSES = 0.03
_UNTRIED = 0.5
_AT_ENDS = 0.5
_VARIANCES = np.geomspace(0.25, 3600, 48).astype(np.float32)


@dataclass(frozen=True)
class ErrorGrowth:
    """Variance of a border's place, in square pixels, against the distance to labels.

    Attributes
    ----------
    scale : float
        Log variance at a reach of one slice.
    growth : float
        Exponent of the reach.
    end : float
        What is added to the log variance where the structure ends in the gap.
    """

    scale: float
    growth: float
    end: float

    def variance(self, before: float, after: float, *, ends: bool = False) -> float:
        """Variance between two labelled slices, so and so many slices away.

        `before * after / (before + after)` is the variance of a random walk that is
        known at both ends; infinite where one side has no labelled slice.
        """
        reach = reach_of(before, after)
        if reach == 0:
            return _FLOOR
        log = self.scale + self.growth * np.log(reach) + self.end * ends
        return _FLOOR + float(np.exp(log))


def reach_of(before: float, after: float) -> float:
    """Distance to labels in slices, from both sides together."""
    if np.isinf(before) or np.isinf(after):
        return min(before, after)
    return before * after / max(before + after, 1)


def outlines(
    knots: Sequence[Knot],
    motion: Motion | None = None,
    followed: Followed | None = None,
) -> Shapes:
    """All classes as one structure, large slices coarsely: to be compared at once."""
    return Shapes(knots, (), Window(knots, _PIXELS), motion=motion, followed=followed)


def best_followed(
    knots: Sequence[Knot], classes: Sequence[int], motion: Motion
) -> Followed:
    """How much of the image's motion shapes should follow, by left-out slices.

    These lie in wider gaps, where following is worth more.
    """
    window = Window(knots, _PIXELS)
    still = Shapes(knots, classes, window, motion=motion)
    moved = still.following(Followed(1, 1, 1))
    missed, confused = [], []
    for number in _left_out(still):
        knot = still.knots[number]
        labels = window.cut(knot.labels)
        first, last = (s.without(number).in_window(knot.index) for s in (still, moved))
        mixes = [first + np.float32(part) * (last - first) for part in _PARTS]
        if all(still.shown(k) for k in (number - 1, number + 1)):
            widths = [most_likely_variance(-mix[0], labels > 0) for mix in mixes]
            missed.append(np.log(widths))
        confused.append([_confused(mix[1:], labels, classes) for mix in mixes])
    between = _least(missed, _DISTRUST, _UNTRIED)
    return Followed(
        between, _AT_ENDS * between, _least(confused, _DISTRUST_CLASSES, 0.0)
    )


def _confused(
    fields: Fields, labels: NDArray[np.integer], classes: Sequence[int]
) -> float:
    """Share of a structure's pixels that another class would get."""
    inside = labels > 0
    found = np.asarray(classes)[fields[:, inside].argmax(axis=0)]
    return float((found != labels[inside]).mean())


def _least(losses: Sequence[ArrayLike], distrust: float, untried: float) -> float:
    """Part of the motion with the least loss on left-out slices."""
    if not losses:
        return untried
    loss = np.mean(np.asarray(losses, float), axis=0) + distrust * np.square(_PARTS)
    return _PARTS[int(np.argmin(loss))]


def learn(shapes: Shapes) -> ErrorGrowth:
    """Leave out labelled slices in turn and see how far their borders are missed.

    With few slices left out, what other volumes taught weighs more.
    """
    rows, logs = [], []
    for number in _left_out(shapes):
        before, here, after = shapes.knots[number - 1 : number + 2]
        reach = reach_of(here.index - before.index, after.index - here.index)
        ends = not (shapes.shown(number - 1) and shapes.shown(number + 1))
        rows.append([1.0, np.log(reach), float(ends)])
        logs.append(np.log(_missed_by(shapes, number)))
    design = np.array(rows).reshape(-1, len(_PRIOR))
    precision = np.diag(_PRIOR_SPREAD**-2) + design.T @ design / _SLICE_SPREAD**2
    surprise = np.array(logs) - design @ _PRIOR
    learned = _PRIOR + np.linalg.solve(
        precision, design.T @ surprise / _SLICE_SPREAD**2
    )
    return ErrorGrowth(*map(float, learned))


def _left_out(shapes: Shapes) -> list[int]:
    inner = [k for k in range(1, len(shapes.knots) - 1) if shapes.shown(k)]
    if len(inner) <= _MOST:
        return inner
    return [inner[k] for k in np.linspace(0, len(inner) - 1, _MOST).round().astype(int)]


def _missed_by(shapes: Shapes, number: int) -> float:
    """Variance under which a left-out slice's labels are the most likely."""
    field = -shapes.without(number).in_window(shapes.knots[number].index)[0]
    return most_likely_variance(field, _structure(shapes, number))


def _structure(shapes: Shapes, number: int) -> NDArray[np.bool_]:
    """All classes of a labelled slice, in the window."""
    inside: NDArray[np.bool_] = shapes.window.cut(shapes.knots[number].labels) > 0
    return inside


def most_likely_variance(field: Fields, known: NDArray[np.bool_]) -> float:
    """Width of the blur that explains a mask by a signed distance, squared."""
    near = np.abs(field) < _NEAR
    if not near.any():
        return float(_VARIANCES[-1])
    right = np.where(known[near], field[near], -field[near])
    fits = [
        scipy.special.log_ndtr(right / width).sum() for width in np.sqrt(_VARIANCES)
    ]
    return float(_VARIANCES[int(np.argmax(fits))])
