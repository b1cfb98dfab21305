"""Interpolation whose borders are drawn to edges in the image, where that helps."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_contrastseg.proposers.interpolation import interpolated
from napari_contrastseg.proposers.knot import whole_slices
from napari_contrastseg.proposers.known import with_known, without
from napari_contrastseg.proposers.proposer import Proposer
from napari_contrastseg.proposers.walker import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.interpolation import Interpolated
    from napari_contrastseg.proposers.knot import Knot
    from napari_contrastseg.proposers.proposer import Answer, LabelledVolume

# Chosen on la_01 to la_03 and twelve hippocampi: what interpolation weighs against a
# link when its borders may be off by one pixel
_STRENGTH: Final = 2.0
_SMOOTHED: Final = 0.7
# Left alone above this confidence
_SURE: Final = 0.995
# Left out to see whether it helps. Of fewer slices, one that is left out opens a gap
# so wide that it says nothing of the gaps there are; elsewhere it cost at most .002
_TRIED: Final = 4
_ENOUGH: Final = 5


class Guided:
    """An interpolation, and a walk in each gap between labelled slices.

    Parameters
    ----------
    volume : LabelledVolume
    plain : Interpolated
        Between slices of that volume.
    """

    def __init__(self, volume: LabelledVolume, plain: Interpolated) -> None:
        self._volume = volume
        self._plain = plain
        self._positions = [knot.index for knot in plain.shapes.knots]
        self._gap = lru_cache(maxsize=2)(self._walked)

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities, background first."""
        values = self._plain.probabilities(index)
        left = int(np.searchsorted(self._positions, index, "right")) - 1
        between = 0 <= left < len(self._positions) - 1
        if not between or index == self._positions[left]:
            return values
        window = self._plain.shapes.window
        found = self._gap(left)[:, index - self._positions[left]]
        values[:, window.rows, window.columns] = found
        return with_known(values, self._volume, index)

    def _walked(self, left: int) -> NDArray[np.float32]:
        """Solve the slices of one gap, with the labelled ones beside them."""
        first, last = self._positions[left : left + 2]
        inside = range(first, last + 1)
        window = self._plain.shapes.window
        cut = (slice(None), window.rows, window.columns)
        prior = np.stack([self._plain.probabilities(z)[cut] for z in inside], 1)
        grey = np.stack([_smooth(self._volume.image(z)[cut]) for z in inside], 1)
        width = np.array([self._plain.variance(z) for z in inside], np.float32)
        free = prior.max(0) < _SURE
        free[[0, -1]] = False
        return walk(
            grey / np.maximum(grey.std((1, 2, 3), keepdims=True), 1e-6),
            free,
            prior,
            (_STRENGTH / width)[:, None, None],
            _closeness(self._volume.spacing),
        )


def guided(volume: LabelledVolume, knots: Sequence[Knot]) -> Answer | None:
    """Interpolate, and look at the image where that was better on left-out slices."""
    plain = interpolated(volume, knots)
    if plain is None or not _helps(volume, knots):
        return plain
    return Guided(volume, plain)


def _helps(volume: LabelledVolume, knots: Sequence[Knot]) -> bool:
    """Whether walks find left-out slices as well as interpolation alone, or better."""
    inner = [k for k in range(1, len(knots) - 1) if (knots[k].labels > 0).any()]
    if len(inner) < _ENOUGH:
        return True
    chosen = np.linspace(0, len(inner) - 1, _TRIED).round().astype(int)
    return float(np.mean([_gain(volume, knots, inner[k]) for k in chosen])) >= 0


def _gain(volume: LabelledVolume, knots: Sequence[Knot], number: int) -> float:
    """Dice that a walk adds on a labelled slice that it does not know."""
    knot, others = knots[number], [*knots[:number], *knots[number + 1 :]]
    hidden = without(volume, knot.index)
    plain = interpolated(hidden, others)
    if plain is None:
        return 0.0
    ids = np.array((0, *volume.classes))
    before, after = (
        _dice(ids[answer.probabilities(knot.index).argmax(0)], knot.labels, ids[1:])
        for answer in (plain, Guided(hidden, plain))
    )
    return after - before


def _dice(
    found: NDArray[np.integer], known: NDArray[np.integer], ids: NDArray[np.integer]
) -> float:
    """Mean Dice of the classes that are there or were found."""
    each = [
        2 * ((found == value) & (known == value)).sum() / total
        for value in ids
        if (total := (found == value).sum() + (known == value).sum())
    ]
    return float(np.mean(each)) if each else 1.0


def _smooth(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([gaussian_filter(plane, _SMOOTHED) for plane in planes])


def _closeness(spacing: tuple[float, float, float]) -> list[float]:
    """Links of slices that lie further apart than pixels are weaker."""
    in_plane = (spacing[1] * spacing[2]) ** 0.5
    return [min((in_plane / spacing[0]) ** 2, 1.0), 1.0, 1.0]


def _propose(volume: LabelledVolume) -> Answer | None:
    return guided(volume, whole_slices(volume))


PROPOSER = Proposer(
    "guided",
    "Interpolation and image",
    "Interpolation whose borders are drawn to edges in the image, if that helps.",
    _propose,
)
