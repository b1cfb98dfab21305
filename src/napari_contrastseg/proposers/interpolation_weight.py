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
_MOST_LEFT_OUT: Final = 4
_FEWEST: Final = 3
# Overlap of labelled slices, beyond chance, and sharpness of interpolation: from the
# first to the second value it loses its weight. Learned on la_01 to la_03, twelve
# hippocampi, three hearts and a stack of membranes
_OVERLAP: Final = (0.35, 0.2)
_SHARPNESS: Final = (0.5, 0.38)
# How fast a network's weight falls with the number of labelled slices. Learned on
# la_01 to la_03, six hippocampi and one heart
_FALLS: Final = 1.2


@dataclass(frozen=True)
class InterpolationTrust:
    """What labelled slices that were left out say of interpolation.

    Attributes
    ----------
    sharpness : float, 0 to 1
        Power at which its probabilities are as sure as they should be.
    informs : float, 0 to 1
        0 where labelled slices have nothing in common.
    """

    sharpness: float = 1.0
    informs: float = 1.0

    @property
    def weight(self) -> float:
        """Power of its probabilities where they are joined with others."""
        return self.sharpness * self.informs


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
    overlap = _overlap([knots[place].labels > 0 for place in shown])
    lost = _part(overlap, *_OVERLAP) * _part(power, *_SHARPNESS)
    return InterpolationTrust(float(power**0.5), 1 - lost)


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
