"""Optical flow between slices: where each pixel goes on the slices beside it."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, prod
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import numpy as np
import scipy
import skimage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import Box, Flows, LabelledVolume

    #: Places in a slice, (2, ...) float32, rows and columns in pixels.
    Places = NDArray[np.float32]

# Chosen on la_01 to la_03, twelve hippocampi and three hearts: how closely a flow keeps
# to grey values, how these are smoothed, and the most pixels that are looked at
_ATTACHMENT: Final = 15.0
_WARPS: Final = 2
_ITERATIONS: Final = 5
_SMOOTHED: Final = 0.7
_PIXELS: Final = 128 * 128
# The part of a slice that is looked at starts and ends at multiples of so many pixels
_ROUND: Final = 16
# The part of missing values in the smoothed grey of a pixel from which on it has none
_MISSING: Final = 0.01
# Pixels around missing values whose flow these have drawn aside
_RIM: Final = 1
# Flows of neighbours and ways between slices that are kept, 130 KB each at most
_KEPT_FLOWS: Final = 1000
_KEPT_WAYS: Final = 500


class Motion:
    """How what an image shows moves from slice to slice.

    TV-L1 optical flow (Zach et al. 2007) between neighbouring slices, one after the
    other; worked out when asked for.

    Parameters
    ----------
    volume : LabelledVolume
        Its image has grey values of about 0 to 1. Flows that were worked out are kept
        in its `flows`.
    rows, columns : slice
        Part of a slice that is looked at, at least.
    """

    def __init__(self, volume: LabelledVolume, rows: slice, columns: slice) -> None:
        self._volume = volume
        self._box = self._wide(rows, columns)
        self._rows, self._columns = (slice(*span) for span in self._box)
        area = prod(stop - start for start, stop in self._box)
        self._step = ceil((area / _PIXELS) ** 0.5)
        self._corner = [start + (self._step - 1) / 2 for start, _ in self._box]
        self._seen = lru_cache(maxsize=4)(self._grey)
        self._ways: dict[tuple[int, int], Places] = {}

    def _wide(self, rows: slice, columns: slice) -> Box:
        """Look at somewhat more, or at a part whose flows are there already."""
        spans = (rows, columns)
        for box in dict.fromkeys(key[0] for key in list(self._volume.flows)):
            if all(
                start <= span.start and span.stop <= stop
                for span, (start, stop) in zip(spans, box, strict=True)
            ):
                return box
        (first, last), (left, right) = map(
            _rounded, spans, self._volume.truth.shape[1:]
        )
        return (first, last), (left, right)

    def look_at(self, first: int, last: int) -> Iterator[None]:
        """Work out the flows between two slices, one after the other."""
        for index in range(first, last):
            self._flow(index, index + 1)
            yield
            self._flow(index + 1, index)
            yield

    def carried(self, places: Places, start: int, end: int) -> Places:
        """Follow places of slice `start` to where they are on slice `end`.

        Parameters
        ----------
        places : (2, ...) float32
            Rows and columns of the whole slice, in pixels.
        start, end : int
            Numbers of slices.

        Returns
        -------
        (2, ...) float32
        """
        corner = np.array(self._corner, np.float32)
        corner = corner.reshape(2, *[1] * (places.ndim - 1))
        way = self._way(start, end)
        moved: Places = places + self._step * _read(way, (places - corner) / self._step)
        return moved

    def _way(self, start: int, end: int) -> Places:
        """Displacement from one slice to another, in steps of the coarse grid."""
        toward = 1 if end > start else -1
        for index in range(end - toward, start - toward, -toward):
            if (index, end) not in self._ways:
                found = self._longer(index, index + toward, end)
                while len(self._ways) >= _KEPT_WAYS:
                    self._ways.pop(next(iter(self._ways)))
                self._ways[index, end] = found
        return self._ways[start, end]

    def _longer(self, index: int, neighbour: int, end: int) -> Places:
        """Go to the neighbouring slice first, and on from there."""
        near = self._flow(index, neighbour)
        if neighbour == end:
            return near
        grid = np.indices(near.shape[1:], np.float32)
        return near + _read(self._ways[neighbour, end], grid + near)

    def _flow(self, index: int, neighbour: int) -> Places:
        """Displacement from one slice to the next; kept with the volume."""
        flows, key = self._volume.flows, (self._box, index, neighbour)
        found = flows.get(key)
        if found is None:
            found = _moved(self._seen(index), self._seen(neighbour))
            while len(flows) >= _KEPT_FLOWS:
                flows.pop(next(iter(flows)), None)
            flows[key] = found
        return found

    def _grey(self, index: int) -> NDArray[np.float32]:
        """Read one slice as it is compared: coarse and smooth; NaN: no number."""
        image = self._volume.image(index)[:, self._rows, self._columns].mean(axis=0)
        missing = ~np.isfinite(image)
        image = np.where(missing, 0, image)
        sigma = self._step * _SMOOTHED
        image = scipy.ndimage.gaussian_filter(image, sigma)
        if missing.any():
            reached = scipy.ndimage.gaussian_filter(missing.astype(np.float32), sigma)
            image = np.where(reached > _MISSING, np.float32(np.nan), image)
        middle = self._step // 2
        grey: NDArray[np.float32] = image[middle :: self._step, middle :: self._step]
        return grey


def _moved(one: NDArray[np.float32], other: NDArray[np.float32]) -> Places:
    """Displacement of each pixel; where a slice has no number, that of the nearest."""
    missing = np.isnan(one) | np.isnan(other)
    found: Places = skimage.registration.optical_flow_tvl1(
        np.where(missing, 0, one),
        np.where(missing, 0, other),
        attachment=_ATTACHMENT,
        num_warp=_WARPS,
        num_iter=_ITERATIONS,
    ).astype(np.float32)
    if not missing.any():
        return found
    aside = scipy.ndimage.binary_dilation(missing, iterations=_RIM)
    if aside.all():
        return np.zeros_like(found)
    nearest = scipy.ndimage.distance_transform_edt(
        aside, return_distances=False, return_indices=True
    )
    return np.asarray(found[(slice(None), *nearest)])


#: Flows of volumes that are still there, by slice axis.
_FLOWS: WeakKeyDictionary[object, dict[int, Flows]] = WeakKeyDictionary()


def flows_of(volume: object, axis: int) -> Flows:
    """Give the flows that are kept for a volume, for its `LabelledVolume`s to share.

    Not for training, which is repeated bit for bit: a part that was looked at before
    is used again, even where a smaller one would do.
    """
    return _FLOWS.setdefault(volume, {}).setdefault(axis, {})


def _rounded(span: slice, side: int) -> tuple[int, int]:
    start = span.start // _ROUND * _ROUND
    return start, min(-(-span.stop // _ROUND) * _ROUND, side)


def _read(fields: Places, places: Places) -> Places:
    """Read fields at places between pixels; beyond the border the last value holds."""
    found = [
        scipy.ndimage.map_coordinates(f, places, order=1, mode="nearest")
        for f in fields
    ]
    return np.stack(found)
