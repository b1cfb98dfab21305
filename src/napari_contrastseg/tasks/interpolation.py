"""Interpolation between labelled slices, joined with what a network predicts.

The two fail in different places: a network on outlines that it saw too seldom,
interpolation where a structure's course is not smooth. What was labelled along the
slice axis speaks for its own volume alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import numpy as np

from napari_contrastseg.io.intensities import levelled
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.data.slice_axes import count_labelled_slices
from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.proposers import fusion, proposer_named
from napari_contrastseg.proposers.interpolation_weight import (
    LEAST_WEIGHT,
    interpolation_trust,
    networks_part,
)
from napari_contrastseg.proposers.proposer import LabelledVolume
from napari_contrastseg.recipes import recipe_named, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.data.targets import TrainingVolume
    from napari_contrastseg.learning.models.predict import JoinSlice
    from napari_contrastseg.proposers.proposer import Answer
    from napari_contrastseg.tasks.requests import TrainRequest

#: Sources that are joined: interpolation drawn to edges of the image, and the network.
INTERPOLATION, NETWORK = "guided", "network"
#: What the network weighs beside up to three labelled slices with structures. Learned
#: on la_01 to la_03, four hippocampi and five hearts.
NETWORKS_WEIGHT: Final = 0.3
# Thick slices have less in common with their neighbours: the network weighs as much
# more as they are thicker than their pixels are wide, up to this. Learned on the same
_MOST_BY_THICKNESS: Final = 3.0
_FEW: Final = 3
#: Probabilities of a volume that are kept to be joined, at 2 bytes each.
MOST_KEPT: Final = 2**27


@dataclass(frozen=True, eq=False)
class Interpolated:
    """What interpolation says of a volume, and what that weighs.

    Attributes
    ----------
    entry : TrainingVolume
    known : LabelledVolume
    answer : Answer
    weight, networks_weight : float
        Power of its probabilities, and of the network's.
    """

    entry: TrainingVolume
    known: LabelledVolume
    answer: Answer
    weight: float
    networks_weight: float = NETWORKS_WEIGHT
    _kept: dict[int, NDArray[np.float16]] = field(default_factory=dict)

    def keep(self, index: int) -> NDArray[np.float32]:
        """Give a slice's probabilities, and keep them in half precision to be joined.

        They are worked out each time: training from them is repeated bit for bit.
        """
        found = self.answer.probabilities(index)
        if len(self.known.truth) * found.size <= MOST_KEPT:
            self._kept[index] = found.astype(np.float16)
        return found

    def said(self, index: int) -> NDArray[np.float32]:
        """Give a slice's probabilities, as they were kept where they were."""
        if index in self._kept:
            return self._kept[index].astype(np.float32)
        return self.answer.probabilities(index)

    def open_slices(self) -> list[int]:
        """List the slices that are not labelled whole: those that are joined."""
        return [z for z, plane in enumerate(self.known.truth) if (plane < 0).any()]

    def seconds_to_join(self) -> float:
        """Time the join of some neighbouring slices: of all, so many seconds.

        Interpolation that looks at the image works a gap out at once.
        """
        slices = self.open_slices()
        starts = [n for n, z in enumerate(slices) if n == 0 or slices[n - 1] < z - 1]
        gaps = [slices[a:b] for a, b in pairwise([*starts, len(slices)])]
        if not gaps:
            return 0.0
        gap = sorted(gaps, key=len)[len(gaps) // 2]
        area = self.known.truth.shape[1:]
        count = 1 + len(self.known.classes)
        unsure = np.full((count, *area), 1 / count, np.float32)
        began = time.perf_counter()
        for index in gap:
            self.join(index, unsure)
        return (time.perf_counter() - began) * len(slices) / len(gap)

    def join(self, index: int, probability: NDArray[np.float32]) -> NDArray[np.float32]:
        """Join a slice's interpolation with the network's probabilities.

        A slice that is labelled whole stays as the network sees it: whoever asks there
        wants to know whether the network agrees.
        """
        if (self.known.truth[index] >= 0).all():
            return probability
        said = {
            INTERPOLATION: self.said(index),
            NETWORK: probability,
        }
        own = {INTERPOLATION: self.weight, NETWORK: self.networks_weight}
        return fusion.pooled(said, fusion.Weights(own))


#: What was worked out for requests that are still there.
_FOUND: WeakKeyDictionary[TrainRequest, tuple[Interpolated, ...]] = WeakKeyDictionary()


def joins_of(request: TrainRequest) -> dict[str, JoinSlice]:
    """Find what joins interpolation with the predictions of a request's volumes.

    By volume id; none of a recipe that does without, nor of volumes in which fewer than
    two slices are labelled or these have nothing in common.
    """
    return {found.entry.volume.id: found.join for found in interpolated(request)}


def interpolated(request: TrainRequest) -> tuple[Interpolated, ...]:
    """Interpolate in the volumes of a request where that is of use; done once."""
    if request not in _FOUND:
        _FOUND[request] = tuple(_interpolated(request))
    return _FOUND[request]


def _interpolated(request: TrainRequest) -> Iterator[Interpolated]:
    if not _wanted(request):
        return
    source = proposer_named(INTERPOLATION)
    classes = [one.id for one in request.classes]
    for entry in request.volumes:
        if not _is_helped(entry):
            continue
        known = labelled_volume(entry, classes)
        answer, trust = source.propose(known), interpolation_trust(known)
        if answer is not None and trust.weight >= LEAST_WEIGHT:
            own = trust.sharpness * networks_weight(known)
            yield Interpolated(entry, known, answer, trust.weight, own)


def networks_weight(known: LabelledVolume) -> float:
    """Weigh a network beside interpolation that is as sure as it may be.

    Less, the more slices are labelled; more, the thicker they are.
    """
    shown = sum(bool((plane > 0).any()) for plane in known.truth)
    depth, *pixel = known.spacing
    thick = float(np.clip(depth / np.mean(pixel), 1.0, _MOST_BY_THICKNESS))
    return NETWORKS_WEIGHT * thick * networks_part(_FEW, shown)


def interpolates_most(request: TrainRequest) -> bool:
    """Whether there is something to interpolate in half of the volumes at least.

    Where most volumes have no label, these are what is to be learned.
    """
    if not _wanted(request):
        return False
    helped = sum(_is_helped(entry) for entry in request.volumes)
    return 2 * helped >= len(request.volumes)


def _wanted(request: TrainRequest) -> bool:
    settings = request.settings or settings_of(
        recipe_named(request.recipe), request.preset
    )
    return bool(getattr(settings, "interpolation", False))


def _is_helped(entry: TrainingVolume) -> bool:
    """Whether there is anything between two labelled slices."""
    return entry.volume.kind == "volume" and count_labelled_slices([entry]) > 1


def labelled_volume(entry: TrainingVolume, classes: Sequence[int]) -> LabelledVolume:
    """Give what a person labelled of a volume as sources of proposals see it.

    Parameters
    ----------
    entry : TrainingVolume
        With labels; pseudo-labels of a round, of a weight below 1, do not count.
    classes : sequence of int
    """
    volume, target, axis = entry.volume, entry.target, entry.volume.axis
    assert target is not None
    truth = np.moveaxis(target, axis, 0)
    if entry.weight is not None:
        weights = zip(truth, np.moveaxis(entry.weight, axis, 0), strict=True)
        target = zeros(truth.shape, np.int16)
        for index, (plane, weight) in enumerate(weights):
            target[index] = np.where((plane >= 0) & (weight < 1), UNKNOWN, plane)
        truth = target
    spacing = [float(volume.spacing[axis]), *np.delete(volume.spacing, axis)]
    z, y, x = map(float, spacing)
    return LabelledVolume(
        truth=truth,
        classes=tuple(classes),
        image=levelled(volume, axis),
        spacing=(z, y, x),
        related=volume.kind == "volume",
    )
