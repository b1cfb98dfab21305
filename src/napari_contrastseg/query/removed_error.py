"""How much expected error goes, in a volume, when one of its slices is settled."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.query.strategy import PoolVolume

#: Error of a slice where nothing is in doubt, so that those are spread evenly.
_EVERYWHERE: Final = 1e-3


def by_removed_error(
    volume: PoolVolume, wrong: NDArray[np.float64], most: int
) -> Iterator[tuple[int, float]]:
    """Take one open slice after the other, by the error that goes with it.

    Its own goes whole. That of other slices of the gap between settled ones falls as
    their distance to these does: before * after / (before + after), which is how far a
    walk may stray that is known at both ends.

    Parameters
    ----------
    volume : PoolVolume
    wrong : (slices,) float
        Wrong voxels to expect on each slice.

    Yields
    ------
    slice number and worth
    """
    error = wrong + _EVERYWHERE
    settled = np.setdiff1d(np.arange(volume.count), volume.open).tolist()
    edges = [-1, *settled, volume.count]
    gaps = [
        _Gap(error, first, last, volume.count)
        for first, last in pairwise(edges)
        if last - first > 1
    ]
    for _ in range(most):
        if not gaps:
            return
        best = max(gaps, key=lambda gap: gap.worth)
        gaps.remove(best)
        gaps.extend(best.split())
        yield best.index, best.worth


class _Gap:
    """Open slices between two settled ones, or beside the end of the volume."""

    def __init__(
        self, error: NDArray[np.float64], first: int, last: int, count: int
    ) -> None:
        self._first, self._last, self._count = first, last, count
        inside = np.arange(first + 1, last)
        before = inside - first if first >= 0 else np.full(len(inside), np.inf)
        after = last - inside if last < count else np.full(len(inside), np.inf)
        reach = _reach(before, after, count)
        apart = np.abs(inside[:, None] - inside)
        left = inside[:, None] < inside  # of the slice that would be settled
        with_it = np.where(
            left,
            _reach(before[:, None], apart, count),
            _reach(apart, after[:, None], count),
        )
        stays = error[inside, None] * with_it / reach[:, None]
        removed = error[inside].sum() - stays.sum(axis=0)
        best = int(removed.argmax())
        self.index, self.worth = int(inside[best]), float(removed[best])
        self._left = error.copy()
        self._left[inside] = stays[:, best]

    def split(self) -> list[_Gap]:
        """Divide the gap at its best slice, with the error that is left then."""
        edges = (self._first, self.index, self._last)
        return [
            _Gap(self._left, first, last, self._count)
            for first, last in pairwise(edges)
            if last - first > 1
        ]


def _reach(
    before: NDArray[Any], after: NDArray[Any], count: int
) -> NDArray[np.float64]:
    """Distance to what is known on both sides together, in slices."""
    nearer, farther = np.minimum(before, after), np.maximum(before, after)
    nearer = np.minimum(nearer, count)  # of a volume with nothing settled
    share = 1 + np.where(np.isinf(farther), 0.0, nearer / np.maximum(farther, 1))
    return np.asarray(nearer / share, np.float64)
