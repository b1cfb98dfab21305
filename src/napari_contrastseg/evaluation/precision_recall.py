"""Area under the precision-recall curve of one class, from masks and confidences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Scores are counted as float16, whose patterns from 0 to 1 are these.
_PATTERNS = int(np.float16(1).view(np.uint16)) + 1


def _none() -> NDArray[np.int64]:
    return np.zeros((2, _PATTERNS), np.int64)


@dataclass
class PrecisionRecall:
    """Voxels of the class and others, counted by their score, over all cases.

    A score is the confidence where the mask has the class and what is left of 1
    elsewhere, which is the probability of the class where there is but one.
    """

    counts: NDArray[np.int64] = field(default_factory=_none)

    def add(
        self, mask: NDArray[Any], confidence: NDArray[Any], truth: NDArray[Any]
    ) -> None:
        """Count the known voxels of a case.

        Parameters
        ----------
        mask : bool
            Whether the class was predicted.
        confidence : float in [0, 1]
            Probability of what was predicted.
        truth : int
            1 the class, 0 background, negative unknown.
        """
        known = truth >= 0
        sure = np.clip(np.asarray(confidence, np.float32)[known], 0, 1)
        score = np.where(mask[known], sure, 1 - sure).astype(np.float16)
        pattern = score.view(np.uint16)
        for row, kind in enumerate((0, 1)):
            chosen = pattern[truth[known] == kind]
            self.counts[row] += np.bincount(chosen, minlength=_PATTERNS)

    def area(self) -> float | None:
        """Mean of the precision over the steps of recall; None without any positive."""
        false, true = np.cumsum(self.counts[:, ::-1], axis=1)
        if not true[-1]:
            return None
        steps = np.diff(true, prepend=0)
        found = np.divide(true, true + false, where=true > 0, out=np.zeros(len(true)))
        return float((found * steps).sum() / true[-1])
