"""Live source: from the first strokes on, an answer for every slice, soon a better one.

::

    strokes --> quick_answer: a linear head; the shown slice at once
       |
       +------> scribbled slices completed by a walk --> interpolated between
                what each class looks like, in filters ----------------------+
                answer = interpolation, and some of these <------------------+
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.appearance import filters
from napari_contrastseg.proposers.complete_slice import Completion
from napari_contrastseg.proposers.feature_cache import (
    FeatureCache,
    coarse_labels,
    fine,
)
from napari_contrastseg.proposers.interpolation import Interpolated, interpolated
from napari_contrastseg.proposers.knot import Knot, whole_slices
from napari_contrastseg.proposers.proposer import LabelledVolume, Proposer
from napari_contrastseg.proposers.quick_answer import QuickAnswer, QuickHead
from napari_contrastseg.proposers.signed_distance import class_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Known = Mapping[int, NDArray[np.integer]]

#: What the looks of a pixel weigh against an interpolation, which knows where it lies.
LOOKS: Final = 0.35
#: Smoothing of the looks, pixels.
SMOOTHING: Final = 1.0
#: Neither is ever surer than this that a class is not there.
LEAST: Final = 1e-3
#: Pixels that a class shrinks on the way of a pixel's length from the only slice, and
#: how far its borders may be off there, square pixels.
SHRINKING: Final = 0.6
VARIANCE: Final = 9.0


class LiveVolume:
    """One volume between strokes: what was read of it stays.

    Parameters
    ----------
    image : callable of a slice number to (channels, y, x) float32
    shape : (int, int, int)
        Slices, and their pixels.
    step : float
        From slice to slice, in pixels; 0 where neighbouring slices are not alike.
    """

    def __init__(
        self,
        image: Callable[[int], NDArray[np.float32]],
        shape: tuple[int, int, int],
        step: float = 1.0,
    ) -> None:
        self._shape, self._step = shape, step
        self._filters = FeatureCache(image, shape[1:])
        self._looks = FeatureCache(image, shape[1:], filters)  # another thread's
        self._head = QuickHead(self._filters, shape[0], step)

    @property
    def looked_at(self) -> tuple[int, int]:
        """Rows and columns of a slice that are looked at."""
        step = self._filters.step
        return -(-self._shape[1] // step), -(-self._shape[2] // step)

    def quick(self, known: Known, classes: Sequence[int]) -> QuickAnswer | None:
        """Answer at once; None where too little is known.

        Parameters
        ----------
        known : mapping of slice number to (y, x) int
            Slices of which anything is known: negative unknown, 0 background, else a
            class id.
        classes : sequence of int
            Class ids, in the order of an answer's channels 1, 2, ...
        """
        return self._head.answer(known, classes)

    def better(self, known: Known, classes: Sequence[int]) -> LiveAnswer | None:
        """Answer better, in seconds; None as `quick`."""
        painted = set().union(*(np.unique(plane).tolist() for plane in known.values()))
        if 0 not in painted or painted.isdisjoint(classes):
            return None
        step = self._filters.step
        planes = {z: coarse_labels(known[z], step) for z in sorted(known)}
        shape = (self._shape[0], *self.looked_at)
        seen = Seen(planes, tuple(classes), self._looks, shape, self._step / step)
        return LiveAnswer(seen, step, self._shape[1:])


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of a volume, at the pixels that are looked at.

    Attributes
    ----------
    planes : mapping of slice number to (y, x) int, in order
        Slices of which anything is known: negative unknown, 0 background, else a class.
    classes : tuple of int
    filters : FeatureCache
        What the looks of pixels are learned from.
    shape : (int, int, int)
        Slices, and their pixels.
    distance : float
        From slice to slice, in these pixels; 0 where they are not alike.
    """

    planes: Known
    classes: tuple[int, ...]
    filters: FeatureCache
    shape: tuple[int, int, int]
    distance: float

    def painted(self) -> LabelledVolume:
        """Give the known slices alone, one behind the other."""
        indices = list(self.planes)
        return LabelledVolume(
            np.stack([*self.planes.values()]),
            self.classes,
            lambda place: self.filters.image(indices[place]),
            related=self.distance > 0,
        )

    def unpainted(self) -> LabelledVolume:
        """Give the volume as if nothing were known, which takes no memory."""
        nothing = np.broadcast_to(np.int16(-1), self.shape)
        return LabelledVolume(
            nothing, self.classes, self.filters.image, related=self.distance > 0
        )


class LiveAnswer:
    """Scribbled slices completed, and interpolated between by looks.

    What it costs to make does not grow with the slices nobody painted on.

    Parameters
    ----------
    seen : Seen
    step : int
        Of the looked at pixels, in those of the answer.
    shape : (int, int)
        Pixels of the answer's slices.
    """

    def __init__(self, seen: Seen, step: int, shape: tuple[int, int]) -> None:
        self._indices = list(seen.planes)
        self._completion = Completion(
            seen.painted(), own=lambda k: seen.filters.at(self._indices[k])
        )
        self._seen, self._step, self._shape = seen, step, shape
        self._scribbled = {self._indices[k]: k for k in self._completion.indices}

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities, (1 + classes, y, x), background first."""
        if index in self._scribbled:
            chances = self._completion.at(self._scribbled[index]).probabilities
        else:
            chances = scipy.special.softmax(
                self._looks(index) + self._from_others(index), axis=0
            )
            plane = self._seen.planes.get(index)
            if plane is not None:
                for channel, class_id in enumerate((0, *self._seen.classes)):
                    certain = np.arange(len(chances)) == channel
                    chances[:, plane == class_id] = certain[:, None]
        return fine(chances, self._step, self._shape)

    def _looks(self, index: int) -> NDArray[np.float32]:
        """Logits of each class by what its pixels look like."""
        found = self._completion.looks(self._seen.filters.once(index))
        logits = np.log(np.maximum(found, LEAST))
        smooth = [scipy.ndimage.gaussian_filter(plane, SMOOTHING) for plane in logits]
        return np.float32(LOOKS) * np.stack(smooth)

    @cached_property
    def _knots(self) -> list[Knot]:
        """Slices that are wholly known, and scribbled ones completed, in order."""
        found = [
            replace(knot, index=self._indices[knot.index])
            for knot in whole_slices(self._completion.volume)
        ]
        for index, place in self._scribbled.items():
            done = self._completion.at(place)
            found.append(Knot(index, done.labels, done.variance))
        return sorted(found, key=lambda knot: knot.index)

    @cached_property
    def _interpolation(self) -> Interpolated | None:
        return interpolated(self._seen.unpainted(), self._knots)

    def _from_others(self, index: int) -> NDArray[np.float32]:
        """Logits of the known and completed slices for one between or beyond them."""
        if self._seen.distance == 0:
            return np.zeros(1, np.float32)
        if len(self._knots) == 1:
            return self._from_one(index, self._knots[0])
        if self._interpolation is None:
            return np.zeros(1, np.float32)
        return np.log(np.maximum(self._interpolation.probabilities(index), LEAST))

    def _from_one(self, index: int, knot: Knot) -> NDArray[np.float32]:
        """Logits of the only slice of which anything is known: classes shrink."""
        away = self._seen.distance * abs(index - knot.index)
        fields = self._only_fields.copy()
        fields[0] += SHRINKING * away
        fields[1:] -= SHRINKING * away
        return fields / np.float32(2 * (VARIANCE + away) ** 0.5)

    @cached_property
    def _only_fields(self) -> NDArray[np.float32]:
        return class_fields(self._knots[0].labels, self._seen.classes)


def live_volume(
    image: Callable[[int], NDArray[np.float32]],
    shape: Sequence[int],
    spacing: Sequence[float],
    *,
    related: bool,
) -> LiveVolume:
    """Begin with a volume; reads nothing yet. The parameters as of `LabelledVolume`."""
    count, rows, columns = shape
    step = float(spacing[0] / np.mean(spacing[1:])) if related else 0.0
    return LiveVolume(image, (count, rows, columns), step)


def _propose(volume: LabelledVolume) -> LiveAnswer | None:
    known = {z: p for z, p in volume.known_planes() if (p >= 0).any()}
    shape = volume.truth.shape
    live = live_volume(volume.image, shape, volume.spacing, related=volume.related)
    return live.better(known, volume.classes)


PROPOSER = Proposer(
    name="live",
    title="Live",
    summary=(
        "Scribbled slices are completed and interpolated between, with an eye to what "
        "each class looks like."
    ),
    propose=_propose,
)
