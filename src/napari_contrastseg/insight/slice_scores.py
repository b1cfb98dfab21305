"""Confidence counted slice by slice: expected error, expected Dice, reliability.

::

    prediction --score_slices--> SliceScores --> query strategies
                                     ^
    checked slices --reliability-----+
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.blocks import blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    #: Prediction, its confidence and the truth of one slice, (h, w) each.
    Checked = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

#: Steps in which confidence is counted.
STEPS = 100
#: Smaller doubts are left out: over a wide background they add up to nothing real.
WORTH_DOUBTING = 0.2
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

    def with_ids(self, ids: int) -> SliceScores:
        """Count doubts of so many class ids; those that were not seen have 0."""
        doubt = np.zeros((len(self.doubt), ids))
        some = min(ids, self.doubt.shape[1])
        doubt[:, :some] = self.doubt[:, :some]
        return replace(self, doubt=doubt)

    def replaced(self, parts: Mapping[int, SliceScores]) -> SliceScores:
        """Put what is said of single slices in the place of what was said of these."""
        names = ("inside", "outside", "doubt")
        found = {name: getattr(self, name).copy() for name in names}
        for index, part in parts.items():
            for name in names:
                found[name][index] = getattr(part, name)[0]
        return SliceScores(**found)

    @property
    def area(self) -> NDArray[np.int64]:
        """Foreground voxels of each slice."""
        return np.asarray(self.inside.sum(axis=1))

    def wrong(self, right: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Wrong voxels to expect on each slice, of those worth doubting.

        Parameters
        ----------
        right : (STEPS + 1,) float, optional
            How often a voxel of each confidence is right; as confident by default.
        """
        doubt = 1 - (_STEP if right is None else right)
        doubt[doubt < WORTH_DOUBTING] = 0
        return np.asarray((self.inside + self.outside) @ doubt, np.float64)

    def mean_doubt(
        self, right: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Mean over a slice's voxels of the chance to be wrong (see `wrong`)."""
        voxels = self.inside + self.outside
        doubt = voxels @ (1 - (_STEP if right is None else right))
        return np.asarray(doubt / voxels.sum(axis=1), np.float64)

    def most_doubted(self, index: int) -> int:
        """Id of the class most in doubt on a slice; 0 where none is."""
        doubt = self.doubt[index, 1:]
        return int(doubt.argmax()) + 1 if doubt.any() else 0

    def dice(self, right: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Foreground Dice to expect of each slice; not a number where all is empty.

        `right` is as in `wrong`.
        """
        right = _STEP if right is None else right
        found = self.inside @ right
        there = found + self.outside @ (1 - right)
        total = self.area + there
        dice = np.full(len(total), np.nan)
        np.divide(2 * found, total, out=dice, where=total > 0)
        return dice

    def whole_dice(self, right: NDArray[np.float64] | None = None) -> float:
        """Foreground Dice to expect of the volume; not a number where it is empty."""
        whole = replace(
            self,
            inside=self.inside.sum(axis=0, keepdims=True),
            outside=self.outside.sum(axis=0, keepdims=True),
        )
        return float(whole.dice(right)[0])


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
    for index, plane in enumerate(zip(*planes, strict=True)):
        for key in blocks(plane[0].shape):
            mask, sure = (whole[key] for whole in plane)
            step = _steps(sure)
            inside[index] += np.bincount(step[mask > 0], minlength=STEPS + 1)
            outside[index] += np.bincount(step[mask == 0], minlength=STEPS + 1)
            doubt = 1.0 - sure.astype(np.float32)
            doubt[doubt < WORTH_DOUBTING] = 0.0
            doubts[index] += np.bincount(
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
