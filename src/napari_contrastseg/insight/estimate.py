"""How good a slice's prediction is likely to be, and how far to trust that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    #: Prediction, its confidence and the truth of one slice, (h, w) each.
    Checked = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

#: Steps of confidence in which it is held against the truth.
STEPS = 50
#: Slices that must have been checked before confidence is corrected.
ENOUGH = 3


def expected_dice(mask: NDArray[Any], sure: NDArray[Any]) -> float | None:
    """Compute the foreground Dice to expect of a slice, voxel by voxel so sure.

    Parameters
    ----------
    mask : (h, w) int, class ids, 0 for background
    sure : (h, w) float in [0, 1]
        Probability that the voxel's class is right.

    Returns
    -------
    float or None
        None where neither anything is predicted nor anything is to be expected.
    """
    mine, sure = mask > 0, sure.astype(np.float64)
    right = float(sure[mine].sum())
    expected = right + float((1 - sure[~mine]).sum())
    total = float(mine.sum()) + expected
    return 2 * right / total if total else None


def true_dice(mask: NDArray[Any], truth: NDArray[Any]) -> float | None:
    """Part of the foreground that has the right class; None where there is none."""
    mine, theirs = mask > 0, truth > 0
    total = int(mine.sum() + theirs.sum())
    return 2 * int((mine & (mask == truth)).sum()) / total if total else None


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often predictions of a confidence were right, on slices that were checked.

    Attributes
    ----------
    slices : int
        Checked.
    confidence, right : (k,) float
        A curve that never falls; empty where too few slices were checked.
    off : float
        Mean absolute difference of estimated and true Dice on these slices.
    """

    slices: int
    confidence: NDArray[np.float64]
    right: NDArray[np.float64]
    off: float

    def corrected(self, confidence: NDArray[Any]) -> NDArray[np.float32]:
        """Give the probability that predictions so confident are right."""
        raw = confidence.astype(np.float32)
        if not len(self.right):
            return raw
        return np.interp(raw, self.confidence, self.right).astype(np.float32)


def reliability(checked: Iterable[Checked]) -> Reliability:
    """Hold confidence against the truth (isotonic regression, by scikit-learn).

    Zadrozny and Elkan 2002. Voxels whose truth is unknown (-1) do not count.
    """
    wrong = np.zeros(STEPS + 1)
    seen = np.zeros(STEPS + 1)
    slices = []
    for mask, confidence, truth in checked:
        known = truth >= 0
        step = np.rint(confidence[known].astype(np.float64) * STEPS).astype(np.intp)
        seen += np.bincount(step, minlength=STEPS + 1)
        missed = (mask != truth)[known]
        wrong += np.bincount(step, weights=missed, minlength=STEPS + 1)
        slices.append((mask, confidence, truth))
    nothing = np.zeros(0)
    found = Reliability(len(slices), nothing, nothing, float("nan"))
    some = np.flatnonzero(seen)
    if len(slices) >= ENOUGH:
        from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

        curve = IsotonicRegression(y_min=0, y_max=1)
        right = curve.fit_transform(some, 1 - wrong[some] / seen[some], seen[some])
        found = Reliability(len(slices), some / STEPS, right, float("nan"))
    away = []
    for mask, confidence, truth in slices:
        guess, real = expected_dice(mask, found.corrected(confidence)), None
        if (truth >= 0).all():
            real = true_dice(mask, truth)
        if guess is not None and real is not None:
            away.append(abs(guess - real))
    off = float(np.mean(away)) if away else float("nan")
    return Reliability(found.slices, found.confidence, found.right, off)
