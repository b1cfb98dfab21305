"""Live source: a head on pixel features answers strokes at once, and between slices.

::

    features of a slice --> head --> scores --+--> scribbled slices completed --+
    distance to each class's ink in the slice +                                 |
    answer elsewhere = scores + interpolation of the completed slices  <--------+
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

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
from napari_contrastseg.proposers.linear_head import LinearHead, fit_linear_head
from napari_contrastseg.proposers.proposer import Proposer
from napari_contrastseg.proposers.signed_distance import Interpolation, class_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import LabelledVolume

    Known = Mapping[int, NDArray[np.integer]]

#: Pixels of each class and slice that the head is fitted to.
MOST_FITTED: Final = 3000
#: Pixels that a class shrinks on the way of a pixel's length beyond the last slice.
SHRINKING: Final = 0.6
#: How far outlines move between labelled slices: variance, pixels, at a labelled slice
#: and gained on the way of a pixel's length.
SPREAD: Final = (0.5, 1.5)
#: Smoothing of the scores, pixels.
SMOOTHING: Final = 1.0


class LiveVolume:
    """One volume between strokes: its features stay, the head begins from the last.

    Parameters
    ----------
    features : FeatureCache
    step : float
        From slice to slice, in pixels.
    """

    def __init__(self, features: FeatureCache, step: float = 1.0) -> None:
        self.features = features
        self._step = step
        self._head: LinearHead | None = None

    def answer(self, known: Known, classes: Sequence[int]) -> LiveAnswer | None:
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
        present = np.unique(np.concatenate([np.unique(p) for p in coarse.values()]))
        ids = [0, *(c for c in classes if c in present)]
        if 0 not in present or len(ids) == 1:
            return None
        rows, labels = self._ink(coarse, ids)
        self._head = fit_linear_head(rows, labels, len(ids), self._head)
        where = [0, *(1 + classes.index(c) for c in ids[1:])]
        return LiveAnswer(
            self.features, self._head, coarse, ids, where, 1 + len(classes), self._step
        )

    def _ink(
        self, known: Known, ids: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Features of known pixels, and the place of their class in `ids`."""
        rng = np.random.default_rng(0)
        rows, labels = [], []
        for z, plane in sorted(known.items()):
            found = self.features.at(z).reshape(-1, plane.size)
            for number, class_id in enumerate(ids):
                where = np.flatnonzero(plane == class_id)
                if len(where) > MOST_FITTED:
                    where = np.sort(rng.choice(where, MOST_FITTED, replace=False))
                rows.append(found[:, where].T)
                labels.append(np.full(len(where), number))
        return np.concatenate(rows), np.concatenate(labels)


class LiveAnswer:
    """What the head says of a volume, and its completed slices say of those between."""

    def __init__(
        self,
        features: FeatureCache,
        head: LinearHead,
        known: Known,
        ids: Sequence[int],
        where: Sequence[int],
        channels: int,
        step: float,
    ) -> None:
        self._features, self._head, self._known = features, head, known
        self._ids, self._where, self._channels = ids, where, channels
        self._step = step / features.step
        self._slices = sorted(known)
        self._settled = lru_cache(maxsize=8)(self._completed)
        self._fields = lru_cache(maxsize=8)(self._completed_fields)
        self._between = Interpolation(self._slices, self._fields)

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities, (1 + classes, y, x), background first."""
        plane = self._known.get(index)
        scores = self._scores(index)
        scores += self._interpolated(index) if plane is None else self._near(plane)
        chances = softmax(scores, axis=0)
        if plane is not None:
            chances = agreed(chances, self._settled(index), plane, self._ids)
        out = np.zeros((self._channels, *self._features.shape), np.float32)
        out[self._where] = fine(chances, self._features.step, self._features.shape)
        return out

    def _scores(self, index: int) -> NDArray[np.float32]:
        raw = self._head.scores(self._features.at(index))
        return np.stack([gaussian_filter(plane, SMOOTHING) for plane in raw])

    def _completed(self, index: int) -> NDArray[np.integer]:
        """Labels of a slice of which anything is known."""
        plane = self._known[index]
        if (plane >= 0).all():
            return plane
        scores = self._scores(index) + self._near(plane)
        return completed(plane, scores, self._ids)

    def _near(self, plane: NDArray[np.integer]) -> NDArray[np.float32]:
        return nearness(plane, self._ids, REACH / self._features.step)

    def _completed_fields(self, number: int) -> NDArray[np.float32]:
        return class_fields(self._settled(self._slices[number]), self._ids[1:])

    def _interpolated(self, index: int) -> NDArray[np.float32]:
        """Evidence of the completed slices for one between or beyond them."""
        distance = self._step * min(abs(index - z) for z in self._slices)
        fields = self._between.at(index).copy()
        if not self._slices[0] < index < self._slices[-1]:
            fields[1:] -= SHRINKING * distance
            fields[0] += SHRINKING * distance
        still, moving = SPREAD
        return fields / np.float32(2 * (still + moving * distance) ** 0.5)


def live_volume(volume: LabelledVolume) -> LiveVolume:
    """Begin with a volume."""
    rows, columns = volume.truth.shape[1:]
    along, *across = volume.spacing
    step = float(along / np.mean(across))
    return LiveVolume(FeatureCache(volume.image, (rows, columns)), step)


def _propose(volume: LabelledVolume) -> LiveAnswer | None:
    slices = np.flatnonzero((volume.truth >= 0).any(axis=(1, 2)))
    known = {int(z): volume.truth[z] for z in slices}
    return live_volume(volume).answer(known, volume.classes) if known else None


PROPOSER = Proposer(
    name="live",
    title="live",
    summary=(
        "A head on features of each pixel, fitted to all strokes; scribbled slices are "
        "completed, and interpolated between."
    ),
    propose=_propose,
)
