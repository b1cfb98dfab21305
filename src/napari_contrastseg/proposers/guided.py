"""Interpolation that looks at the image between labelled slices, where that helps."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.appearance import Appearance, drawn, filters
from napari_contrastseg.proposers.complete_slice import known_slices
from napari_contrastseg.proposers.interpolation import (
    Interpolated,
    can_be_interpolated,
    following,
    motion_of,
)
from napari_contrastseg.proposers.knot import whole_slices
from napari_contrastseg.proposers.known import with_known, without
from napari_contrastseg.proposers.proposer import Proposer
from napari_contrastseg.proposers.shapes import FAR
from napari_contrastseg.proposers.walker import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.knot import Knot
    from napari_contrastseg.proposers.proposer import Answer, LabelledVolume

# Chosen on la_01 to la_03 and twelve hippocampi: what interpolation weighs against a
# link when its borders may be off by one pixel, and what looks weigh against it
_STRENGTH: Final = 2.0
_LOOKS: Final = 0.25
_LEAST: Final = 0.01
# Looks are learned this near to borders, in pixels, from so many slices
_NEAR: Final = 8.0
_SLICES: Final = 12
# Gaps of more voxels are too much for a walk; looks are worked out in such blocks
_MOST_VOXELS: Final = 4_000_000
_BLOCK: Final = 2**16
_SMOOTHED: Final = 0.7
# Left alone above this confidence
_SURE: Final = 0.995
# Left out to see whether it helps. Of fewer slices, one that is left out opens a gap
# so wide that it says nothing of the gaps there are; elsewhere it cost at most .002
_TRIED: Final = 4
_ENOUGH: Final = 5


class Guided:
    """An interpolation that is drawn to what the image shows in each gap.

    Pixels near a border take what their surroundings look like into account: as which
    class such pixels were labelled, near borders of the labelled slices. Then a random
    walk draws the borders to edges.

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
        window = plain.shapes.window
        self._cut = (slice(None), window.rows, window.columns)
        self._looks = self._learned()

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities, background first."""
        values = self._plain.probabilities(index)
        left = int(np.searchsorted(self._positions, index, "right")) - 1
        between = 0 <= left < len(self._positions) - 1
        if not between or index == self._positions[left]:
            return values
        first, last = self._positions[left : left + 2]
        if values[0][self._cut[1:]].size * (last + 1 - first) <= _MOST_VOXELS:
            values[self._cut] = self._gap(left)[:, index - first]
        else:
            seen = values[self._cut]
            self._look(seen, self._volume.image(index)[self._cut], _doubted(seen))
        return with_known(values, self._volume, index)

    def _learned(self) -> Appearance | None:
        """Learn what the classes look like near their borders."""
        shown = [knot for knot in self._plain.shapes.knots if (knot.labels > 0).any()]
        chosen = np.linspace(0, len(shown) - 1, min(_SLICES, len(shown)))
        ids, rng = (0, *self._volume.classes), np.random.default_rng(0)
        rows, answers = [], []
        for knot in (shown[k] for k in chosen.round().astype(int)):
            labels = np.where(near_borders(knot.labels), knot.labels, -1)
            where, channels = drawn(labels[self._cut[1:]], ids, rng)
            maps = filters(self._volume.image(knot.index)[self._cut])
            rows.append(maps.reshape(len(maps), -1).T[where])
            answers.append(channels)
        known = np.concatenate(answers)
        if len(np.unique(known)) < 2:  # noqa: PLR2004
            return None
        return Appearance(np.concatenate(rows), known, rows[0].shape[1])

    def _walked(self, left: int) -> NDArray[np.float32]:
        """Solve the slices of one gap, with the labelled ones beside them."""
        first, last = self._positions[left : left + 2]
        inside = range(first, last + 1)
        images = [self._volume.image(index)[self._cut] for index in inside]
        prior = np.stack([self._plain.probabilities(z)[self._cut] for z in inside], 1)
        free = _doubted(prior)
        free[[0, -1]] = False
        for index in np.flatnonzero(free.any((1, 2))):
            self._look(prior[:, index], images[index], free[index])
        grey = np.stack([_smooth(image) for image in images], 1)
        width = np.array([self._plain.variance(z) for z in inside], np.float32)
        return walk(
            grey / np.maximum(grey.std((1, 2, 3), keepdims=True), 1e-6),
            free,
            prior,
            (_STRENGTH / width)[:, None, None],
            _closeness(self._volume.spacing),
        )

    def _look(
        self,
        prior: NDArray[np.float32],
        image: NDArray[np.float32],
        free: NDArray[np.bool_],
    ) -> None:
        """Take a slice's looks into its probabilities, in place."""
        if self._looks is None:
            return
        maps, seen = filters(image)[:, free], prior[:, free]
        for start in range(0, seen.shape[1], _BLOCK):
            part = slice(start, start + _BLOCK)
            chances = self._looks.chances(maps[:, part, None])[..., 0]
            likely = np.full_like(seen[:, part], _LEAST)
            likely[self._looks.channels] = np.maximum(chances, _LEAST)
            seen[:, part] *= likely**_LOOKS
        prior[:, free] = seen / seen.sum(0)


def look_ahead(volume: LabelledVolume) -> Iterator[None]:
    """Do the long part of `guided` step by step, so that it can be stopped.

    Between whole labelled slices; what was found is kept with the volume.
    """
    knots = whole_slices(volume)
    if can_be_interpolated(volume, knots):
        motion = motion_of(volume, knots)
        for before, after in pairwise(knots):
            if after.index - before.index <= FAR:
                yield from motion.look_at(before.index, after.index)


def guided(volume: LabelledVolume, knots: Sequence[Knot]) -> Answer | None:
    """Interpolate, and look at the image where that was better on left-out slices."""
    plain = following(volume, knots)
    if plain is None or not _helps(volume, plain):
        return plain
    return Guided(volume, plain)


def _helps(volume: LabelledVolume, plain: Interpolated) -> bool:
    """Whether walks find left-out slices as well as interpolation alone, or better."""
    shapes = plain.shapes
    inner = [k for k in range(1, len(shapes.knots) - 1) if shapes.shown(k)]
    if len(inner) < _ENOUGH:
        return True
    chosen = np.linspace(0, len(inner) - 1, _TRIED).round().astype(int)
    return float(np.mean([_gain(volume, plain, inner[k]) for k in chosen])) >= 0


def _gain(volume: LabelledVolume, plain: Interpolated, number: int) -> float:
    """Dice that a walk adds on a labelled slice that it does not know."""
    knots = plain.shapes.knots
    knot, others = knots[number], [*knots[:number], *knots[number + 1 :]]
    hidden = without(volume, knot.index)
    less = Interpolated(hidden, others, plain.motion, plain.followed)
    ids = np.array((0, *volume.classes))
    before, after = (
        _dice(ids[answer.probabilities(knot.index).argmax(0)], knot.labels, ids[1:])
        for answer in (less, Guided(hidden, less))
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


def near_borders(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels of a slice that have a border of a class nearby."""
    apart = np.full(labels.shape, np.inf)
    for value in np.unique(labels):
        mask = labels == value
        if not mask.all():
            here = scipy.ndimage.distance_transform_edt(mask)
            here += scipy.ndimage.distance_transform_edt(~mask)
            apart = np.minimum(apart, here)
    near: NDArray[np.bool_] = apart <= _NEAR
    return near


def _doubted(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    doubted: NDArray[np.bool_] = values.max(0) < _SURE
    return doubted


def _smooth(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack(
        [scipy.ndimage.gaussian_filter(plane, _SMOOTHED) for plane in planes]
    )


def _closeness(spacing: tuple[float, float, float]) -> list[float]:
    """Links of slices that lie further apart than pixels are weaker."""
    in_plane = (spacing[1] * spacing[2]) ** 0.5
    return [min((in_plane / spacing[0]) ** 2, 1.0), 1.0, 1.0]


def _propose(volume: LabelledVolume) -> Answer | None:
    return guided(volume, known_slices(volume))


PROPOSER = Proposer(
    "guided",
    "Interpolation and image",
    "Interpolation that looks at the image between labelled slices, if that helps.",
    _propose,
)
