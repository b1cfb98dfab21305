"""Complete scribbled slices: class and confidence of each pixel, from a few strokes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.appearance import Appearance, drawn, filters
from napari_contrastseg.proposers.knot import Knot, whole_slices
from napari_contrastseg.proposers.walker import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import LabelledVolume

    Features = Callable[[int], NDArray[np.float32]]

# Chosen on la_01 to la_03 and twelve hippocampi: what the appearance weighs in the
# walk, its least probability, and how much less likely a class is without ink
_STRENGTH: Final = 0.01
_SMOOTHED: Final = 0.7
_LEAST: Final = 0.02
_ABSENT: Final = 0.15
# Learned there, on a person's kind of strokes too: how the walk's confidence has to be
# sharpened, and how a border's variance grows with its distance to ink
_SHARPENED: Final = 1.5
_ERROR: Final = 0.9
_GROWTH: Final = 1.4
#: Memory for completed slices
_CACHE_BYTES: Final = 64 * 2**20
#: Slices that the appearance is learned from, at most
MOST_SLICES: Final = 12


@dataclass(frozen=True, eq=False)
class CompletedSlice:
    """A scribbled slice with a class for each pixel.

    Attributes
    ----------
    index : int
        Number of the slice.
    labels : (y, x) int
        0 background, else a class id; ink as it was painted.
    probabilities : (1 + classes, y, x) float32
        Background first; the largest one is that of `labels`, 1 on ink.
    variance : float, square pixels
        How far the borders may be off.
    """

    index: int
    labels: NDArray[np.integer]
    probabilities: NDArray[np.float32]
    variance: float


class Completion:
    """Completes the scribbled slices of one volume, one at a time.

    What each class looks like is learned from the ink of all slices. Within a slice a
    random walker carries ink to the pixels that are alike, with that as its prior.

    Parameters
    ----------
    volume : LabelledVolume
        With ink of background and of a class at least.
    features : callable of a slice number to (features, y, x) float32, optional
        Maps of a trained network, say, which the appearance is learned from as well.
    own : callable of a slice number to its `filters`, optional
        Where these are known already.
    """

    def __init__(
        self,
        volume: LabelledVolume,
        features: Features | None = None,
        own: Features | None = None,
    ) -> None:
        self._own = own or (lambda index: filters(volume.image(index)))
        self.volume = volume
        self.indices = scribbled_slices(volume)
        self._ids = (0, *volume.classes)
        self._features = features
        self._appearance = self._learned()
        pixels = math.prod(volume.truth.shape[1:]) * len(self._ids)
        most = max(1, _CACHE_BYTES // (np.float32().nbytes * pixels))
        self.at = lru_cache(maxsize=most)(self._at)

    def _learned(self) -> Appearance:
        truth = self.volume.truth
        planes = self.volume.known_planes()
        inked = np.array([index for index, plane in planes if (plane >= 0).any()])
        if len(inked) > MOST_SLICES:
            inked = inked[
                np.linspace(0, len(inked) - 1, MOST_SLICES).round().astype(int)
            ]
        rng = np.random.default_rng(0)
        rows, answers = [], []
        for index in inked:
            where, channels = drawn(truth[index], self._ids, rng)
            maps = self._maps(int(index))
            rows.append(maps.reshape(len(maps), -1).T[where])
            answers.append(channels)
        bent = len(filters(self.volume.image(int(inked[0]))[:, :1, :1]))
        return Appearance(np.concatenate(rows), np.concatenate(answers), bent)

    def _maps(self, index: int) -> NDArray[np.float32]:
        own = self._own(index)
        if self._features is None:
            return own
        return np.concatenate([own, self._features(index)])

    def _at(self, index: int) -> CompletedSlice:
        ink = self._channels(self.volume.truth[index])
        grey = _smooth(self.volume.image(index))
        strength = np.full(ink.shape, _STRENGTH, np.float32)
        chances = walk(grey, ink < 0, self._prior(index, ink), strength)
        best = _pieces_with_ink(chances.argmax(axis=0), ink)
        chances **= np.float32(_SHARPENED)
        chances /= chances.sum(axis=0)
        chances = _agreeing(chances, best, ink)
        labels = np.asarray(self._ids, self.volume.truth.dtype)[best]
        return CompletedSlice(index, labels, chances, _variance(best, ink))

    def _channels(self, plane: NDArray[np.integer]) -> NDArray[np.intp]:
        """Channels of a slice's ink; -1 where nothing is known."""
        found = np.full(plane.shape, -1)
        for channel, value in enumerate(self._ids):
            found[plane == value] = channel
        return found

    def appearance(self, index: int) -> NDArray[np.float32]:
        """Probabilities, (1 + classes, y, x), by what pixels of any slice look like."""
        return self.looks(self._maps(index))

    def looks(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give that of any pixels, by their filters, and features where there are."""
        looks = self._appearance
        chances = np.zeros((len(self._ids), *maps.shape[1:]), np.float32)
        chances[looks.channels] = looks.chances(maps)
        return chances

    def _prior(self, index: int, ink: NDArray[np.intp]) -> NDArray[np.float32]:
        """Give ink, and chances by appearance; classes without ink are unlikely."""
        chances = self.appearance(index)
        chances[self._appearance.channels] += _LEAST
        for channel in range(1, len(chances)):
            if not (ink == channel).any():
                chances[channel] *= _ABSENT
        chances /= chances.sum(axis=0)
        channels = np.arange(len(chances))[:, None, None]
        return np.where(ink >= 0, channels == ink, chances).astype(np.float32)


def complete(
    volume: LabelledVolume, features: Features | None = None
) -> Completion | None:
    """Make ready to complete the scribbled slices of a volume.

    Returns
    -------
    Completion, or None
        None where `what_is_missing` says why.
    """
    return None if what_is_missing(volume) else Completion(volume, features)


def known_slices(volume: LabelledVolume) -> list[Knot]:
    """Slices that are wholly known, and scribbled ones completed, in order."""
    found = whole_slices(volume)
    for done in completed_slices(volume):
        found.append(Knot(done.index, done.labels, done.variance))
    return sorted(found, key=lambda knot: knot.index)


def completed_slices(
    volume: LabelledVolume, features: Features | None = None
) -> Iterator[CompletedSlice]:
    """Complete each scribbled slice, in order; none where something is missing."""
    completion = complete(volume, features)
    if completion is not None:
        yield from map(completion.at, completion.indices)


def scribbled_slices(volume: LabelledVolume) -> list[int]:
    """Slices with ink of a class and with unknown pixels, in order.

    Where only background is painted, a class may still be there; nothing is said.
    """
    return [
        index
        for index, plane in volume.known_planes()
        if np.isin(plane, volume.classes).any() and not (plane >= 0).all()
    ]


def what_is_missing(volume: LabelledVolume) -> str | None:
    """Say why scribbles cannot be completed yet; None where they can."""
    if not scribbled_slices(volume):
        return "No slice has a stroke of a class yet; paint one."
    if not any((plane == 0).any() for _, plane in volume.known_planes()):
        return (
            "Only classes are painted, so that nothing says where they end; paint a "
            "stroke of background as well."
        )
    return None


def _smooth(image: NDArray[np.float32]) -> NDArray[np.float32]:
    smooth = np.stack(
        [scipy.ndimage.gaussian_filter(channel, _SMOOTHED) for channel in image]
    )
    spread = np.maximum(smooth.std(axis=(1, 2), keepdims=True), 1e-6)
    grey: NDArray[np.float32] = smooth / spread
    return grey


def _pieces_with_ink(best: NDArray[np.intp], ink: NDArray[np.intp]) -> NDArray[np.intp]:
    """Keep of each class the pieces that hold ink of it, and fill their holes."""
    kept = np.zeros_like(best)
    for channel in np.unique(best[best > 0]):
        pieces, _ = scipy.ndimage.label(best == channel)
        mine = np.isin(pieces, np.unique(pieces[ink == channel]))
        kept[scipy.ndimage.binary_fill_holes(mine & (pieces > 0)) & (kept == 0)] = (
            channel
        )
    kept[ink >= 0] = ink[ink >= 0]
    return kept


def _agreeing(
    chances: NDArray[np.float32], best: NDArray[np.intp], ink: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Make the chosen class the likeliest, by a hair where it was not; 1 on ink."""
    out = chances.copy()
    channels = np.arange(len(out))[:, None, None]
    chosen = channels == best
    first = out.max(axis=0)
    mine = np.take_along_axis(out, best[None], axis=0)[0]
    changed = mine < first
    shared = (mine + first) / 2
    rival = (channels == chances.argmax(axis=0)) & changed
    out = np.where(rival | (chosen & changed), shared, out)
    out += np.where(chosen, np.float32(1e-3), 0)
    out = np.where(ink >= 0, channels == ink, out)
    out /= out.sum(axis=0)
    return out.astype(np.float32)


def _variance(labels: NDArray[np.integer], ink: NDArray[np.intp]) -> float:
    """Estimate how far borders may be off by their distance to ink on both sides."""
    inside = labels > 0
    border = inside & ~scipy.ndimage.binary_erosion(inside, border_value=1)
    if not border.any():  # the class fills the slice
        return 0.0
    within = scipy.ndimage.distance_transform_edt(ink <= 0)[border]
    if not (ink == 0).any():
        return float(_ERROR * within.mean() ** _GROWTH)
    beyond = scipy.ndimage.distance_transform_edt(ink != 0)[border]
    reach = within * beyond / np.maximum(within + beyond, 1)
    return float(_ERROR * reach.mean() ** _GROWTH)
