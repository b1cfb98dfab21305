"""Interpolation between labelled slices, joined with what a network predicts.

The two fail in different places: a network on outlines that it saw too seldom,
interpolation where a structure's course is not smooth. What was labelled along the
slice axis speaks for its own volume alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
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
    InterpolationTrust,
    NetworksRatio,
    classes_apart,
    interpolation_trust,
    networks_ratio,
)
from napari_contrastseg.proposers.proposer import LabelledVolume
from napari_contrastseg.recipes import recipe_named, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.data.targets import TrainingVolume
    from napari_contrastseg.proposers.proposer import Answer
    from napari_contrastseg.tasks.requests import TrainRequest

#: Sources that are joined: interpolation drawn to edges of the image, and the network.
INTERPOLATION, NETWORK = "guided", "network"
#: Most that the two count together: more would make them surer than they are.
MOST_TOGETHER: Final = 1.25
#: Gaps between labelled slices in which a network is compared with interpolation.
GAPS_COMPARED: Final = 4
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
    trust : InterpolationTrust
        What labelled slices that were left out say of it.
    ratio : NetworksRatio
        How much a network weighs beside it.
    """

    entry: TrainingVolume
    known: LabelledVolume
    answer: Answer
    trust: InterpolationTrust
    ratio: NetworksRatio
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

    def asked_first(self) -> list[int]:
        """List slices in the middle of gaps, on which `beside` compares."""
        gaps = [
            gap
            for gap in self._gaps()
            if gap[0] > 0 and gap[-1] < len(self.known.truth) - 1
        ]
        picks = np.linspace(0, len(gaps) - 1, min(len(gaps), GAPS_COMPARED))
        return [gaps[round(n)][len(gaps[round(n)]) // 2] for n in picks.tolist()]

    def beside(self, said: Mapping[int, NDArray[np.float32]]) -> Interpolated:
        """Weigh a network by what it says of some slices, (1 + classes, y, x) each."""
        ids = np.array([0, *self.known.classes])
        own = [ids[self.said(index).argmax(axis=0)] for index in said]
        other = [ids[found.argmax(axis=0)] for found in said.values()]
        apart = classes_apart(own, other, self.known.classes)
        return replace(self, ratio=networks_ratio(self.known, self.trust, apart))

    def _gaps(self) -> list[list[int]]:
        """List the open slices that lie together."""
        slices = self.open_slices()
        starts = [n for n, z in enumerate(slices) if n == 0 or slices[n - 1] < z - 1]
        return [slices[a:b] for a, b in pairwise([*starts, len(slices)])]

    def seconds_to_join(self) -> float:
        """Time the join of some neighbouring slices: of all, so many seconds.

        Interpolation that looks at the image works a gap out at once; those that are
        asked first it works out twice, where it is not kept.
        """
        gaps = self._gaps()
        if not gaps:
            return 0.0
        gap = sorted(gaps, key=len)[len(gaps) // 2]
        asked = set(self.asked_first()) - set(self._kept)
        twice = [one for one in gaps if asked.intersection(one)]
        area = self.known.truth.shape[1:]
        count = 1 + len(self.known.classes)
        unsure = np.full((count, *area), 1 / count, np.float32)
        began = time.perf_counter()
        for index in gap:
            self.join(index, unsure)
        spent = time.perf_counter() - began
        return spent * sum(map(len, [*gaps, *twice])) / len(gap)

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
        return fusion.pooled(said, fusion.Weights(self.powers(index)))

    def powers(self, index: int) -> dict[str, float]:
        """Say to what power each one's probabilities of a slice count.

        Where labelled slices have little in common interpolation weighs less, and the
        network does not.
        """
        trust = self.trust
        own, network = trust.weight, trust.sharpness * self.ratio.at(index)
        part = min(1.0, MOST_TOGETHER / (own + network))
        return {INTERPOLATION: part * own, NETWORK: part * network}


#: What was worked out for requests that are still there.
_FOUND: WeakKeyDictionary[TrainRequest, tuple[Interpolated, ...]] = WeakKeyDictionary()


def joins_of(request: TrainRequest) -> dict[str, Interpolated]:
    """Find the interpolation that predictions of a request's volumes are joined with.

    By volume id; none of a recipe that does without, nor of volumes in which fewer than
    two slices are labelled or these have nothing in common.
    """
    return {found.entry.volume.id: found for found in interpolated(request)}


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
            ratio = networks_ratio(known, trust, None)
            yield Interpolated(entry, known, answer, trust, ratio)


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
