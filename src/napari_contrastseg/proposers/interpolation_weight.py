"""How much interpolation weighs beside a network, by labelled slices left out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.proposers import interpolation
from napari_contrastseg.proposers.fusion import HeldOut, sharpness
from napari_contrastseg.proposers.knot import whole_slices
from napari_contrastseg.proposers.known import without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import LabelledVolume

#: Weight below which interpolation has nothing to say.
LEAST_WEIGHT: Final = 0.05
# Labelled slices that are left out, and slices with structures that this takes
_MOST_LEFT_OUT: Final = 6
_FEWEST: Final = 3
# Overlap of labelled slices, beyond chance, and sharpness of interpolation: from the
# first to the second value it loses its weight. Learned on la_01 to la_03, twelve
# hippocampi, three hearts and a stack of membranes
_OVERLAP: Final = (0.35, 0.2)
_SHARPNESS: Final = (0.5, 0.38)
# How fast a network's weight falls with the number of labelled slices. Learned on
# la_01 to la_03, six hippocampi and one heart
_FALLS: Final = 1.2
# What interpolation that looks at the image misses between labelled slices, in what
# the plain one misses in the gap that a left-out one makes, twice as wide
_OF_A_WIDER_GAP: Final = 1 / 4
# What a network misses that learned from many labelled pixels of a class, and how many
# pixels double that
_NETWORK_MISSES: Final = 0.1
_FEW_PIXELS: Final = 400.0
# A network's weight between labelled slices: where nothing says how good it is, and its
# bounds. Beyond the last ones: what it is there, and how fast it falls with the
# distance, in mean gaps
_UNMEASURED: Final = 0.3
_BETWEEN: Final = (0.05, 3.0)
_BEYOND: Final = 1.2
_FALLS_BEYOND: Final = 2.0
# Up to this, slices that are thicker than their pixels are wide leave a network its
# weight farther beyond the labelled ones: there are few such slices
_THICKEST: Final = 3.0
# All of these were learned on la_01 to la_03, three hippocampi, two hearts and a brain


@dataclass(frozen=True)
class InterpolationTrust:
    """What labelled slices that were left out say of interpolation.

    Attributes
    ----------
    sharpness : float, 0 to 1
        Power at which its probabilities are as sure as they should be.
    informs : float, 0 to 1
        0 where labelled slices have nothing in common.
    missed : float or None
        1 - Dice of the slices left out, mean over classes; None where none was.
    """

    sharpness: float = 1.0
    informs: float = 1.0
    missed: float | None = None

    @property
    def weight(self) -> float:
        """Power of its probabilities where they are joined with others."""
        return self.sharpness * self.informs


@dataclass(frozen=True)
class NetworksRatio:
    """How much a network weighs on each slice, in the weight of interpolation.

    Attributes
    ----------
    between : float
        Between labelled slices.
    first, last : int
        The outermost labelled slices.
    reach : float
        Slices beyond them in which that falls to 1/e.
    """

    between: float
    first: int
    last: int
    reach: float

    def at(self, index: int) -> float:
        """Ratio on one slice.

        Beyond the labelled slices interpolation knows little, and a network has seen
        none that shows where structures end: near them it decides, and far from them
        nothing is there.
        """
        away = max(self.first - index, index - self.last)
        if away <= 0:
            return self.between
        return _BEYOND * float(np.exp(-away / self.reach))


def networks_ratio(
    volume: LabelledVolume, trust: InterpolationTrust, apart: float | None
) -> NetworksRatio:
    """Weigh a network beside interpolation, by the squares of what each misses.

    Where the two are farther apart than interpolation is wrong by, the network misses
    the rest; else it misses what networks do that learned from as many pixels.

    Parameters
    ----------
    volume : LabelledVolume
        With a labelled slice at least.
    apart : float or None
        1 - Dice of the two answers in the middle of gaps between labelled slices, mean
        over classes; None where there is none.
    """
    labelled = [(z, plane) for z, plane in volume.known_planes() if (plane >= 0).any()]
    first, last = labelled[0][0], labelled[-1][0]
    depth, *pixel = volume.spacing
    thick = float(np.clip(depth / np.mean(pixel), 1.0, _THICKEST))
    gap = (last - first) / (len(labelled) - 1) if last > first else 1.0
    reach = thick * gap / _FALLS_BEYOND
    if trust.missed is None or apart is None:
        return NetworksRatio(_UNMEASURED, first, last, reach)
    pixels = sum(int((plane > 0).sum()) for _, plane in labelled)
    few = _FEW_PIXELS * len(volume.classes) / max(pixels, 1)
    wrong = max(_OF_A_WIDER_GAP * trust.missed, 1e-3)
    rest = max(apart**2 - wrong**2, 0.0) ** 0.5
    network = max(_NETWORK_MISSES * (1 + few**2), rest)
    between = float(np.clip((wrong / network) ** 2, *_BETWEEN))
    return NetworksRatio(between, first, last, reach)


def interpolation_weight(volume: LabelledVolume) -> float:
    """Weigh interpolation by labelled slices that are left out in turn, 0 to 1."""
    return interpolation_trust(volume).weight


def interpolation_trust(volume: LabelledVolume) -> InterpolationTrust:
    """Find how sure interpolation may be by labelled slices left out in turn.

    They lie farther from the next labelled ones than the slices that are asked about,
    so half of what is found counts (in logarithms). Where interpolation is wrong and
    yet sure, and labelled slices overlap no more than by chance, as membranes do, it
    has nothing to say.
    """
    knots = whole_slices(volume)
    shown = [place for place, knot in enumerate(knots) if (knot.labels > 0).any()]
    inner = [place for place in shown if 0 < place < len(knots) - 1]
    if len(shown) < _FEWEST or not inner:
        return InterpolationTrust()
    picks = np.linspace(0, len(inner) - 1, min(len(inner), _MOST_LEFT_OUT))
    source, held_out = interpolation.PROPOSER, []
    for place in (inner[round(pick)] for pick in picks.tolist()):
        index = knots[place].index
        answer = source.propose(without(volume, index))
        if answer is not None:
            said = {source.name: answer.probabilities(index)}
            held_out.append(HeldOut(knots[place].labels, said))
    power = sharpness(held_out, volume.classes, source.name)
    labels = [
        np.array([0, *volume.classes])[h.said[source.name].argmax(0)] for h in held_out
    ]
    missed = classes_apart(labels, [h.truth for h in held_out], volume.classes)
    overlap = _overlap([knots[place].labels > 0 for place in shown])
    lost = _part(overlap, *_OVERLAP) * _part(power, *_SHARPNESS)
    return InterpolationTrust(float(power**0.5), 1 - lost, missed)


def classes_apart(
    one: Sequence[NDArray[np.integer]],
    other: Sequence[NDArray[np.integer]],
    classes: Sequence[int],
) -> float | None:
    """1 - Dice of two answers to some slices, mean over classes.

    Returns
    -------
    None where neither has a voxel of a class.
    """
    found = []
    for class_id in classes:
        masks = [
            (a == class_id, b == class_id) for a, b in zip(one, other, strict=True)
        ]
        size = sum(int(a.sum()) + int(b.sum()) for a, b in masks)
        if size:
            found.append(1 - 2 * sum(int((a & b).sum()) for a, b in masks) / size)
    return float(np.mean(found)) if found else None


def networks_part(few: int, slices: int) -> float:
    """Part of its weight beside `few` labelled slices that a network has with more.

    With the distance between them the error of interpolation falls far quicker than
    that of a network which has a few more slices to learn from.
    """
    return float(min(1.0, few / max(slices, 1)) ** _FALLS)


def _overlap(masks: Sequence[NDArray[np.bool_]]) -> float:
    """Mean Dice of each mask with the next, 0 where it is as by chance."""
    found = []
    for one, other in pairwise(masks):
        size, both = one.mean() + other.mean(), (one & other).mean()
        chance = 2 * one.mean() * other.mean() / size
        found.append((2 * both / size - chance) / max(1 - chance, 1e-6))
    return float(np.mean(found))


def _part(value: float, start: float, end: float) -> float:
    """How far a value has come from `start` to `end`, 0 to 1."""
    return float(np.clip((value - start) / (end - start), 0, 1))
