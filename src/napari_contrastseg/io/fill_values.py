"""Fill values: the one number, such as -1e30, that an image has where nothing is known.

It lies so far from all other intensities that a range with it would leave one grey
value for these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Part of an image from which one value may spoil the range of intensities.
OFTEN: Final = 0.005
#: Percentiles of the other voxels between which their bulk lies: a hot pixel, or what
#: resampling has made of a fill value's border, hides none.
BULK: Final = (0.5, 99.5)
#: How far below the bulk a fill value lies at least, in widths of that.
BELOW: Final = 5.0
#: And above, where a saturated detector gives many voxels one value, too: 1e20, say.
ABOVE: Final = 1e5


def fill_value(values: NDArray[np.float64]) -> float | None:
    """Find the value with which voxels are filled that hold nothing, if there is one.

    Parameters
    ----------
    values : (n,) float, finite

    Returns
    -------
    The lowest of them, if negative, or the highest, where many voxels have exactly this
    one and all others differ from each other far less than from it.
    """
    if not values.size:
        return None
    lowest, highest = values.min(), values.max()
    if lowest < 0 and _lies_apart(values, lowest, BELOW):
        return float(lowest)
    if highest > 0 and _lies_apart(values, highest, ABOVE):
        return float(highest)
    return None


def _lies_apart(values: NDArray[np.float64], candidate: float, far: float) -> bool:
    """Whether an outermost value is frequent, and `far` from the bulk of the others."""
    filled = values == candidate
    if not OFTEN * values.size < filled.sum() < values.size:
        return False
    low, high = np.percentile(values[~filled], BULK)
    away = min(abs(low - candidate), abs(candidate - high))
    return bool(low < high and away / far > high - low)
