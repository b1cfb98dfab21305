"""Spread slices along their volumes: gaps between labelled slices, weighted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.query.strategy import Pool, PoolVolume

#: Weight that every slice has, so that those without any other are spread too.
EVERYWHERE: Final = 1e-3


def spread(
    pool: Pool, weights: Mapping[str, NDArray[np.float64]]
) -> Iterator[tuple[str, int, float]]:
    """Take one open slice after the other, by weight times the square of its gap.

    The gap of a slice is the part of its volume to the nearest slice that is done or
    taken, or twice the part to the volume's nearer end. So with equal weights slices
    come from every volume, evenly spaced.

    Parameters
    ----------
    pool : Pool
    weights : mapping of volume id to (slices,) float
        Volumes without weights are left out.

    Yields
    ------
    volume id, slice number and worth, at most `pool.most` of them
    """
    lines = [
        _Line(name, pool.volumes[name], weights[name])
        for name in sorted(weights)
        if len(pool.volumes[name].open)
    ]
    for _ in range(pool.most):
        if not lines:
            return
        best = max(lines, key=lambda line: line.best)
        yield best.take()
        if not best.left:
            lines.remove(best)


class _Line:
    """The open slices of one volume, and how much each is worth now."""

    def __init__(
        self, name: str, volume: PoolVolume, weight: NDArray[np.float64]
    ) -> None:
        self._name, self._related = name, volume.related
        self._weight = weight + EVERYWHERE
        self._places = np.arange(volume.count)
        ends = np.minimum(self._places + 0.5, volume.count - self._places - 0.5)
        whole = np.full(volume.count, float(volume.count))
        self._gap = 2 * ends if volume.related else whole
        self.left = len(volume.open)
        for index in np.setdiff1d(self._places, volume.open):
            self._fill(index)
        self._weigh()

    def _fill(self, index: int) -> None:
        """Narrow the gap at a slice that is done or taken."""
        if self._related:
            self._gap = np.minimum(self._gap, np.abs(self._places - index))
        else:
            self._gap[index] = 0

    def _weigh(self) -> None:
        worth = self._weight * (self._gap / len(self._gap)) ** 2
        worth[self._gap == 0] = -1
        self._index = int(worth.argmax())
        self.best = float(worth[self._index])

    def take(self) -> tuple[str, int, float]:
        """Take the best slice; its neighbours are worth less from now on."""
        taken = (self._name, self._index, self.best)
        self._fill(self._index)
        self.left -= 1
        self._weigh()
        return taken
