"""Quick answer to strokes: a linear head on filters, and the distance to ink.

::

    filters of a slice --> head --> scores ---+--> scribbled slices completed --+
    distance to each class's ink in the slice +                                 |
    answer elsewhere = scores + interpolation of the completed slices  <--------+
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import scipy

from napari_contrastseg.proposers.feature_cache import (
    FeatureCache,
    coarse_labels,
    fine,
)
from napari_contrastseg.proposers.ink_evidence import (
    REACH,
    agreed,
    completed,
    nearness,
)
from napari_contrastseg.proposers.interpolation import Interpolated, interpolated
from napari_contrastseg.proposers.knot import Knot
from napari_contrastseg.proposers.linear_head import (
    MOST_SLICES,
    LinearHead,
    fit_linear_head,
    ink_rows,
)
from napari_contrastseg.proposers.proposer import LabelledVolume
from napari_contrastseg.proposers.signed_distance import class_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Known = Mapping[int, NDArray[np.integer]]

#: How far the borders of a completed slice may be off, square pixels.
VARIANCE: Final = 9.0
#: Pixels that a class shrinks on the way of a pixel's length from the only slice.
SHRINKING: Final = 0.6
#: Smoothing of the scores, pixels.
SMOOTHING: Final = 1.0
#: The interpolation is never surer than this that a class is not there.
LEAST: Final = 1e-3


class QuickHead:
    """One volume between strokes: its filters stay, the head begins from the last.

    Parameters
    ----------
    features : FeatureCache
    count : int
        Slices of the volume.
    step : float
        From slice to slice, in pixels; 0 where neighbouring slices are not alike.
    """

    def __init__(self, features: FeatureCache, count: int, step: float = 1.0) -> None:
        self.features = features
        self._count, self._step = count, step
        self._rows = _InkRows(features)
        self._head: LinearHead | None = None
        self._ids: list[int] = []

    def answer(self, known: Known, classes: Sequence[int]) -> QuickAnswer | None:
        """Fit the head to all that is known; None where that is not enough.

        Parameters
        ----------
        known : mapping of slice number to (y, x) int
            Slices of which anything is known: negative unknown, 0 background, else a
            class id.
        classes : sequence of int
            Class ids, in the order of an answer's channels 1, 2, ...
        """
        coarse = {
            z: coarse_labels(plane, self.features.step) for z, plane in known.items()
        }
        present = set().union(*(np.unique(plane).tolist() for plane in coarse.values()))
        ids = [0, *(class_id for class_id in classes if class_id in present)]
        if 0 not in present or len(ids) == 1:
            return None
        chosen = np.linspace(0, len(coarse) - 1, min(len(coarse), MOST_SLICES)).round()
        some = np.array(sorted(coarse))[chosen.astype(int)].tolist()
        rows, labels = self._rows.of({z: known[z] for z in some}, coarse, ids)
        start = self._head if ids == self._ids else None
        self._head, self._ids = fit_linear_head(rows, labels, len(ids), start), ids
        channels = [0, *(1 + classes.index(class_id) for class_id in ids[1:])]
        step = self._step / self.features.step
        about = _Known(coarse, tuple(ids), self._count, step)
        return QuickAnswer(self.features, self._head, about, channels, 1 + len(classes))


class _InkRows:
    """Features of known pixels; those of slices whose labels are the same stay."""

    def __init__(self, features: FeatureCache) -> None:
        self._features = features
        self._kept: dict[int, _RowsOf] = {}

    def of(
        self, known: Known, coarse: Known, ids: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """As `ink_rows` of the `known` slices, whose pixels at the features' are given.

        Labels are the same where their array is the very same one.
        """
        kept = {}
        for z, plane in known.items():
            before = self._kept.get(z)
            if before is None or before.plane is not plane or before.ids != ids:
                found = ink_rows({z: coarse[z]}, ids, self._features.at)
                before = _RowsOf(plane, list(ids), *found)
            kept[z] = before
        self._kept = kept
        parts = kept.values()
        return (
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )


class _RowsOf(NamedTuple):
    """What `ink_rows` says of one slice."""

    plane: NDArray[np.integer]
    ids: list[int]
    rows: NDArray[np.float32]
    labels: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of a volume's slices, at the features' pixels.

    Attributes
    ----------
    planes : mapping of slice number to (y, x) int
    ids : tuple of int
        Those that are painted anywhere, background first.
    count : int
        Slices of the volume.
    step : float
        From slice to slice, in these pixels; 0 where slices are not alike.
    """

    planes: Known
    ids: tuple[int, ...]
    count: int
    step: float

    def volume(self) -> LabelledVolume:
        """Give what interpolation asks for away from the known slices."""
        shape = (self.count, *next(iter(self.planes.values())).shape)
        nothing = np.broadcast_to(np.int16(-1), shape)
        classes = self.ids[1:]
        return LabelledVolume(nothing, classes, _no_image, related=self.step > 0)


class QuickAnswer:
    """What the head says of a volume, and its completed slices say of those between.

    Parameters
    ----------
    features : FeatureCache
    head : LinearHead
    known : _Known
    channels : sequence of int
        Where the painted ids stand in an answer.
    count : int
        Channels of an answer.
    """

    def __init__(
        self,
        features: FeatureCache,
        head: LinearHead,
        known: _Known,
        channels: Sequence[int],
        count: int,
    ) -> None:
        self._features, self._head, self._known = features, head, known
        self._channels, self._count = channels, count
        self._completed: dict[int, NDArray[np.integer]] = {}

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities, (1 + classes, y, x), background first."""
        plane = self._known.planes.get(index)
        if plane is None:
            chances = scipy.special.softmax(
                self._scores(index) + self._from_others(index), axis=0
            )
        else:
            chances = scipy.special.softmax(
                self._scores(index) + self._near(plane), axis=0
            )
            labels = self.completed(index)
            chances = agreed(chances, labels, plane, self._known.ids)
        out = np.zeros((self._count, *self._features.shape), np.float32)
        out[self._channels] = fine(chances, self._features.step, self._features.shape)
        return out

    def completed(self, index: int) -> NDArray[np.integer]:
        """Labels of a slice of which anything is known, at the features' pixels."""
        if index not in self._completed:
            plane = self._known.planes[index]
            if (plane < 0).any():
                scores = self._scores(index) + self._near(plane)
                plane = completed(plane, scores, self._known.ids)
            self._completed[index] = plane
        return self._completed[index]

    def _scores(self, index: int) -> NDArray[np.float32]:
        """Logits of the head alone."""
        raw = self._head.scores(self._features.at(index))
        return np.stack(
            [scipy.ndimage.gaussian_filter(plane, SMOOTHING) for plane in raw]
        )

    def _near(self, plane: NDArray[np.integer]) -> NDArray[np.float32]:
        return nearness(plane, self._known.ids, REACH / self._features.step)

    @cached_property
    def _interpolation(self) -> Interpolated | None:
        """Interpolate between the slices of which anything is known."""
        knots = [
            Knot(z, self.completed(z), VARIANCE if (plane < 0).any() else 0.0)
            for z, plane in sorted(self._known.planes.items())
        ]
        return interpolated(self._known.volume(), knots)

    def _from_others(self, index: int) -> NDArray[np.float32]:
        """Logits of the completed slices for one between or beyond them."""
        if self._known.step == 0:
            return np.zeros(1, np.float32)
        if len(self._known.planes) == 1:
            return self._from_one(index)
        if self._interpolation is None:
            return np.zeros(1, np.float32)
        return np.log(np.maximum(self._interpolation.probabilities(index), LEAST))

    def _from_one(self, index: int) -> NDArray[np.float32]:
        """Logits of the only slice of which anything is known: classes shrink."""
        (known,) = self._known.planes
        away = self._known.step * abs(index - known)
        fields = class_fields(self.completed(known), self._known.ids[1:])
        fields[0] += SHRINKING * away
        fields[1:] -= SHRINKING * away
        return fields / np.float32(2 * (VARIANCE + away) ** 0.5)


def _no_image(_index: int) -> NDArray[np.float32]:
    raise NotImplementedError("interpolation looks at no image")
