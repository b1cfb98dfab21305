"""Proposals interpolated between labelled slices, with a measured confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy

from napari_contrastseg.proposers.complete_slice import known_slices
from napari_contrastseg.proposers.error_growth import best_followed, learn, outlines
from napari_contrastseg.proposers.known import with_known
from napari_contrastseg.proposers.motion import Motion
from napari_contrastseg.proposers.proposer import Proposer
from napari_contrastseg.proposers.shapes import Followed, Shapes, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.knot import Knot
    from napari_contrastseg.proposers.proposer import Answer, LabelledVolume
    from napari_contrastseg.proposers.signed_distance import Fields

# Beyond the outermost labelled slices a structure goes on for some more than these lie
# apart at most; to the volume's end, if no more than a slice is left beside that. Never
# is it surely gone, but behind a slice that a person left empty. Chosen on la_01 to
# la_03, twelve hippocampi and sixteen hearts
_GOES_ON = 1.2
_TO_THE_END = 1
_LEAST_PRESENT = 0.3
_BEHIND_EMPTY = 0.01
_LEAST = 1e-3
# Blends of outlines that do not lie on each other are too small, by this share of what
# they may be off; chosen on la_01 to la_03 and twelve hippocampi
_TOO_SMALL = 0.1


class Interpolated:
    """Interpolation between some labelled slices of a volume.

    Parameters
    ----------
    volume : LabelledVolume
    knots : sequence of Knot
        Slices to go through, in order; at least one with a structure on it.
    motion : Motion, optional
        What the image shows of how structures move between them.
    followed : Followed, optional
        How much of that motion they follow.
    """

    def __init__(
        self,
        volume: LabelledVolume,
        knots: Sequence[Knot],
        motion: Motion | None = None,
        followed: Followed | None = None,
    ) -> None:
        self.motion, self.followed = motion, followed
        self.growth = learn(outlines(knots, motion, followed))
        self.shapes = Shapes(knots, volume.classes, motion=motion, followed=followed)
        self._volume = volume
        self._positions = np.array([knot.index for knot in knots])

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities, background first."""
        fields, width = self.shapes.at(index), np.float32(self.variance(index) ** 0.5)
        if not self._ends(index):
            fields[0] -= _TOO_SMALL * width
            fields[1:] += _TOO_SMALL * width
        values = _shares(fields, width)
        self._fade(values, index)
        return with_known(values, self._volume, index)

    def variance(self, index: int) -> float:
        """How far a slice's borders may be off, in square pixels."""
        left, right = self._neighbours(index)
        knots = self.shapes.knots
        before = index - knots[left].index if left is not None else np.inf
        after = knots[right].index - index if right is not None else np.inf
        grown = self.growth.variance(before, after, ends=self._ends(index))
        near = [knots[k].variance for k in (left, right) if k is not None]
        return grown + _drawn(before, after, near)

    def _ends(self, index: int) -> bool:
        """Whether structures end, or begin, between the nearest labelled slices."""
        return not all(
            k is not None and self.shapes.shown(k) for k in self._neighbours(index)
        )

    def _fade(self, values: Fields, index: int) -> None:
        """Take structures back beyond the outermost labelled slices."""
        left, right = self._neighbours(index)
        if left is not None and right is not None:
            return
        last = right if left is None else left
        if last is None:
            return
        if self.shapes.shown(last):
            away = index - self._positions[last]
            away = abs(away) / (_GOES_ON * self._goes_on(last, behind=away > 0))
            values[1:] *= max(1 / (1 + away**2), _LEAST_PRESENT)
        else:
            values[1:] = _BEHIND_EMPTY / len(values[1:])
        values[0] = 1 - values[1:].sum(0)

    def _neighbours(self, index: int) -> tuple[int | None, int | None]:
        """Nearest labelled slices on both sides; the same one twice on itself."""
        left = int(np.searchsorted(self._positions, index, "right")) - 1
        right = int(np.searchsorted(self._positions, index))
        count = len(self._positions)
        return (left if left >= 0 else None), (right if right < count else None)

    def _goes_on(self, last: int, *, behind: bool) -> float:
        """Slices by which structures go on before or behind the outermost one."""
        widest = max(len(self._volume.truth) / 10, 1.0)
        if len(self._positions) > 1:
            widest = float(np.diff(self._positions).max())
        place = float(self._positions[last])
        left = len(self._volume.truth) - 1 - place if behind else place
        return max(widest, left) if left <= widest + _TO_THE_END else widest


def interpolated(volume: LabelledVolume, knots: Sequence[Knot]) -> Interpolated | None:
    """Interpolate between labelled slices; None where none has a structure."""
    return Interpolated(volume, knots) if can_be_interpolated(volume, knots) else None


def following(volume: LabelledVolume, knots: Sequence[Knot]) -> Interpolated | None:
    """Interpolate, and look at the image to see how structures move between slices.

    They follow that as much as is best on left-out slices.
    """
    if not can_be_interpolated(volume, knots):
        return None
    motion = motion_of(volume, knots)
    followed = best_followed(knots, volume.classes, motion)
    return Interpolated(volume, knots, motion, followed)


def motion_of(volume: LabelledVolume, knots: Sequence[Knot]) -> Motion:
    """Look at the image where labelled slices have structures, and around them."""
    window = Window(knots)
    return Motion(volume, window.rows, window.columns)


def can_be_interpolated(volume: LabelledVolume, knots: Sequence[Knot]) -> bool:
    """Whether slices are alike, and one of the labelled ones has a structure."""
    return volume.related and any((knot.labels > 0).any() for knot in knots)


def _shares(fields: Fields, width: np.float32) -> NDArray[np.float32]:
    """Probabilities of background and classes; these share what is not background."""
    values: NDArray[np.float32] = scipy.special.ndtr(fields / width)
    np.clip(values, _LEAST, 1 - _LEAST, out=values)
    values[1:] *= (1 - values[0]) / values[1:].sum(0)
    return values


def _drawn(before: float, after: float, variances: Sequence[float]) -> float:
    """Error that the neighbours were drawn with, as a blend of the two has it."""
    if len(variances) == 1 or before + after == 0:
        return variances[0]
    share = before / (before + after)
    return (1 - share) ** 2 * variances[0] + share**2 * variances[1]


def _propose(volume: LabelledVolume) -> Answer | None:
    return interpolated(volume, known_slices(volume))


PROPOSER = Proposer(
    "interpolation",
    "Interpolation",
    "Shapes between labelled slices, and scribbled ones, along the slice axis.",
    _propose,
)
