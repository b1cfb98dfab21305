"""Paint only where the image's value lies within a range: a mask for strokes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord

#: Percentiles of a class's values between which a range is suggested.
SUGGESTED: Final = (2.0, 98.0)


@dataclass(frozen=True)
class ValueRange:
    """Image values between which strokes change voxels, both included.

    Attributes
    ----------
    low, high : float
    channel : int or None
        Of the image; None: the mean of all, as for colours.
    """

    low: float
    high: float
    channel: int | None = 0

    def holds(self, record: VolumeRecord, flat: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of some voxels whether their value lies within the range.

        Read slice by slice, in the box that the voxels of the slice lie in. What is no
        number lies in no range.

        Parameters
        ----------
        flat : (n,) int64
            Flat indices.

        Returns
        -------
        (n,) bool
        """
        inside = np.zeros(len(flat), np.bool_)
        along = record.along_axis(flat)
        for index in record.slices_of(flat).tolist():
            here = np.flatnonzero(along == index)
            values = _values(record, flat[here], self.channel)
            inside[here] = (values >= self.low) & (values <= self.high)
        return inside

    def refine(
        self, record: VolumeRecord, flat: NDArray[np.int64], values: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Give what of a stroke lies within the range: voxels, and their paint."""
        inside = self.holds(record, flat)
        return flat[inside], values[inside]


def _values(
    record: VolumeRecord, flat: NDArray[np.int64], channel: int | None
) -> NDArray[np.float64]:
    """Read the image at some voxels of one slice."""
    if channel is None:
        every = range(len(record.volume.data))
        means = np.mean([_values(record, flat, one) for one in every], axis=0)
        return np.asarray(means, np.float64)
    places = np.unravel_index(flat, record.volume.shape)
    lows = [int(at.min()) for at in places]
    key = tuple(
        slice(low, int(at.max()) + 1) for low, at in zip(lows, places, strict=True)
    )
    inside = tuple(at - low for low, at in zip(lows, places, strict=True))
    part = record.volume.part(channel, key)[inside]
    return np.asarray(part, np.float64)


def suggested_range(
    record: VolumeRecord, class_id: int, index: int, channel: int | None = 0
) -> ValueRange:
    """Suggest the range of values that are painted as a class on a slice.

    Of the nearest slice on which the class is, where it is not on this one.

    Raises
    ------
    InputError
        The class is nowhere painted, or no number lies under it.
    """
    known = np.flatnonzero(record.status)
    for near in known[np.argsort(np.abs(known - index), kind="stable")].tolist():
        painted = record.ink[record.window(near)] == class_id
        if painted.any():
            flat = record.flat_where(near, painted)
            values = _values(record, flat, channel)
            values = values[np.isfinite(values)]
            if len(values):
                low, high = np.percentile(values, SUGGESTED)
                return ValueRange(float(low), float(high), channel)
    raise InputError(
        "Nothing is painted with the chosen class yet; paint a little of it first, or "
        "type the range."
    )
