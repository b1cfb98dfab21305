"""Which slice to look at next, and why; how good each slice is likely to be.

::

    prediction --judge--> SliceScores --rank--> Suggestion, Suggestion ...
                              ^
    checked slices --reliability
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    #: Prediction, its confidence and the truth of one slice, (h, w) each.
    Checked = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

#: Steps in which confidence is counted.
STEPS = 100
#: Smaller doubts are left out: over a wide background they add up to nothing real.
WORTH_DOUBTING = 0.2
#: Longest queue.
MOST = 500
#: Wrong voxels that any slice may have, so that those without a doubt are spread too.
ANYWHERE = 1e-3
#: Slices that must have been checked before confidence is corrected.
ENOUGH = 3


@dataclass(frozen=True, eq=False)
class SliceScores:
    """What a prediction says of each slice of a volume.

    Attributes
    ----------
    inside, outside : (slices, STEPS + 1) int
        Voxels of each confidence that are predicted as foreground, as background.
    doubt : (slices, ids) float
        Sum of 1 - confidence over the voxels of each class id that are worth doubting.
    """

    inside: NDArray[np.int64]
    outside: NDArray[np.int64]
    doubt: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[SliceScores]) -> SliceScores:
        """Put slices after one another; all know the same ids."""
        names = ("inside", "outside", "doubt")
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))

    @property
    def area(self) -> NDArray[np.int64]:
        """Foreground voxels of each slice."""
        return np.asarray(self.inside.sum(axis=1))

    def wrong(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Wrong voxels to expect on each slice, of those worth doubting."""
        doubt = 1 - right
        doubt[doubt < WORTH_DOUBTING] = 0
        return np.asarray((self.inside + self.outside) @ doubt, np.float64)

    def dice(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Foreground Dice to expect of each slice; not a number where all is empty.

        Parameters
        ----------
        right : (STEPS + 1,) float
            How often a voxel of each confidence is right.
        """
        found = self.inside @ right
        there = found + self.outside @ (1 - right)
        total = self.area + there
        dice = np.full(len(total), np.nan)
        np.divide(2 * found, total, out=dice, where=total > 0)
        return dice


_STEP = np.arange(STEPS + 1) / STEPS


def score_slices(
    labels: NDArray[Any],
    confidence: NDArray[Any],
    axis: int,
    ids: int | None = None,
) -> SliceScores:
    """Count what a prediction says, slice by slice along `axis`.

    Parameters
    ----------
    labels : (s0, s1, s2) int, class ids, 0 for background
    confidence : (s0, s1, s2) float in [0, 1]
    ids : int, optional
        How many ids to count doubts of; one more than the largest by default.
    """
    ids = int(labels.max(initial=0)) + 1 if ids is None else ids
    count = labels.shape[axis]
    inside = np.zeros((count, STEPS + 1), np.int64)
    outside = np.zeros_like(inside)
    doubts = np.zeros((count, ids))
    planes = (np.moveaxis(a, axis, 0) for a in (labels, confidence))
    for index, (mask, sure) in enumerate(zip(*planes, strict=True)):
        step = _steps(sure)
        inside[index] = np.bincount(step[mask > 0], minlength=STEPS + 1)
        outside[index] = np.bincount(step[mask == 0], minlength=STEPS + 1)
        doubt = 1.0 - sure.astype(np.float32)
        doubt[doubt < WORTH_DOUBTING] = 0.0
        doubts[index] = np.bincount(
            mask.reshape(-1), weights=doubt.reshape(-1), minlength=ids
        )
    return SliceScores(inside, outside, doubts)


def _steps(confidence: NDArray[Any]) -> NDArray[np.intp]:
    scaled = np.rint(confidence.astype(np.float32) * STEPS)
    return np.clip(scaled, 0, STEPS).astype(np.intp)


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often predictions of a confidence are right.

    Attributes
    ----------
    slices : int
        Checked slices that this was learned from; 0: confidence is taken at its word.
    right : (STEPS + 1,) float
        A curve that never falls.
    off : float
        Mean absolute difference of expected and true Dice on these slices, each half of
        them by the curve of the other half.
    """

    slices: int
    right: NDArray[np.float64]
    off: float


def reliability(checked: Iterable[Checked]) -> Reliability:
    """Hold confidence against the truth (isotonic regression, by scikit-learn).

    Zadrozny and Elkan 2002. Voxels whose truth is unknown (-1) do not count.
    """
    slices = list(checked)
    if len(slices) < ENOUGH:
        return Reliability(0, _STEP.copy(), float("nan"))
    away = []
    for half in (0, 1):  # each half is judged by the curve of the other
        right = _curve(slices[1 - half :: 2])
        for mask, confidence, truth in slices[half::2]:
            real = true_dice(mask, truth)
            if real is not None:
                guess = score_slices(mask[None], confidence[None], 0).dice(right)[0]
                away.append(abs(guess - real))
    off = float(np.mean(away)) if away else float("nan")
    return Reliability(len(slices), _curve(slices), off)


def _curve(slices: Sequence[Checked]) -> NDArray[np.float64]:
    """How often voxels of each confidence were right, (STEPS + 1,)."""
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

    wrong, seen = np.zeros(STEPS + 1), np.zeros(STEPS + 1)
    for mask, confidence, truth in slices:
        known = truth >= 0
        step = _steps(confidence[known])
        seen += np.bincount(step, minlength=STEPS + 1)
        missed = (mask != truth)[known]
        wrong += np.bincount(step, weights=missed, minlength=STEPS + 1)
    some = np.flatnonzero(seen)
    if not len(some):
        return _STEP.copy()
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve.fit(some, 1 - wrong[some] / seen[some], sample_weight=seen[some])
    return np.asarray(curve.predict(np.arange(STEPS + 1)), np.float64)


def true_dice(mask: NDArray[Any], truth: NDArray[Any]) -> float | None:
    """Foreground Dice, the class counting; None without foreground or known truth."""
    mine, theirs = mask > 0, truth > 0
    total = int(mine.sum() + theirs.sum())
    if not total or (truth < 0).any():
        return None
    return 2 * int((mine & (mask == truth)).sum()) / total


@dataclass(frozen=True)
class Suggestion:
    """A slice worth a look.

    Attributes
    ----------
    volume_id : str
    index : int
        Slice number.
    score : float
        Wrong voxels to expect, times the square of the gap that the slice lies in.
    class_id : int
        The class most in doubt; 0 for background.
    reason : str
        "unsure": expected error at the edge of that class; "sure": nothing is in
        doubt; "chosen": a person's wish.
    dice : float
        Expected; not a number where it is unknown.
    """

    volume_id: str
    index: int
    score: float
    class_id: int
    reason: Literal["unsure", "sure", "chosen"] = "unsure"
    dice: float = float("nan")


def rank_slices(
    volumes: Mapping[str, SliceScores],
    open_slices: Mapping[str, NDArray[np.int64]],
    trust: Reliability | None = None,
    unrelated: Collection[str] = (),
) -> list[Suggestion]:
    """Order the open slices: spread evenly, and where much is expected to be wrong.

    One after the other is taken, by the wrong voxels to expect times the square of the
    gap it lies in: the part of its volume to the nearest slice that is done or taken,
    or twice the part to the volume's nearer end. So without any doubt slices would
    come from every volume, evenly spaced; doubt bends that.

    Parameters
    ----------
    volumes : mapping of volume id to SliceScores
    open_slices : mapping of volume id to slice numbers that are not done
    trust : Reliability, optional
        Confidence is taken at its word without it.
    unrelated : collection of str
        Volumes of which no slice tells of its neighbours, as in a stack of pictures.

    Returns
    -------
    list of Suggestion, best first, at most 500
    """
    right = trust.right if trust is not None else _STEP.copy()
    lines = [
        _Line(name, scores, right, open_slices[name], related=name not in unrelated)
        for name, scores in sorted(volumes.items())
        if len(open_slices[name])
    ]
    found: list[Suggestion] = []
    while lines and len(found) < MOST:
        best = max(lines, key=lambda line: line.best)
        found.append(best.take())
        if not best.left:
            lines.remove(best)
    return found


class _Line:
    """The open slices of one volume, and how much each is worth now."""

    def __init__(
        self,
        name: str,
        scores: SliceScores,
        right: NDArray[np.float64],
        open_slices: NDArray[np.int64],
        *,
        related: bool,
    ) -> None:
        self._name, self._doubt, self._related = name, scores.doubt, related
        self._wrong, self._dice = scores.wrong(right), scores.dice(right)
        count = len(self._wrong)
        self._places = np.arange(count)
        self._gap = np.minimum(self._places + 0.5, count - self._places - 0.5) * 2
        if not related:
            self._gap = np.full(count, float(count))
        self.left = len(open_slices)
        for index in np.setdiff1d(self._places, open_slices):
            self._fill(index)
        self._weigh()

    def _fill(self, index: int) -> None:
        """Narrow the gap at a slice that is done or taken."""
        if self._related:
            self._gap = np.minimum(self._gap, np.abs(self._places - index))
        else:
            self._gap[index] = 0

    def _weigh(self) -> None:
        worth = (self._wrong + ANYWHERE) * (self._gap / len(self._gap)) ** 2
        worth[self._gap == 0] = -1
        self._index = int(worth.argmax())
        self.best = float(worth[self._index])

    def take(self) -> Suggestion:
        """Take the best slice; its neighbours are worth less from now on."""
        index, score = self._index, self.best
        doubt = self._doubt[index]
        class_id = int(doubt[1:].argmax()) + 1 if doubt[1:].any() else 0
        self._fill(index)
        self.left -= 1
        self._weigh()
        reason: Literal["unsure", "sure"] = "unsure" if self._wrong[index] else "sure"
        dice = float(self._dice[index])
        return Suggestion(self._name, index, score, class_id, reason, dice)
