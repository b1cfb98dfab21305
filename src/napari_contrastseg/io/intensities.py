"""Intensities of a volume: their range, fill values, and slices as grey values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.errors import InputError, UnreadError
from napari_contrastseg.io.fill_values import fill_value
from napari_contrastseg.io.going_on import went_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Percentiles of a channel's finite voxels that become 0 and 1.
LOW, HIGH = 0.5, 99.5

#: How far beyond 0 and 1 a voxel may lie, so that its square is still a number.
BEYOND = 1e6

#: Voxels looked at to find a volume's intensity range.
INTENSITY_SAMPLE = 2_000_000

#: Slices looked at for that, at least: of larger ones not every pixel is looked at.
FEWEST_SLICES = 4


def intensity_range(
    volume: Volume, axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low and high intensity of each channel, shape (channels, 1, 1) each.

    Voxels with a fill value do not count.

    Raises
    ------
    InputError
        A channel is constant, or holds no finite number.
    """
    low, high, _ = _intensities(volume, axis)
    return low, high


def _intensities(
    volume: Volume, axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Low and high intensity and fill value, or nan, of each channel."""
    found = []
    for channel, values in zip(volume.channels, _sample(volume, axis), strict=True):
        finite = values[np.isfinite(values)]
        if not finite.size:
            raise InputError(
                f"{volume.id}: channel {channel!r} holds no finite number; check the "
                "file it came from."
            )
        fill = fill_value(finite)
        if fill is not None:
            finite = finite[finite != fill]
        low, high = np.percentile(finite, (LOW, HIGH))
        if not high > low:
            low, high = finite.min(), finite.max()
        if not high > low:
            raise InputError(
                f"{volume.id}: channel {channel!r} has the same value everywhere "
                f"({low:g}); there is nothing to see in it, so leave it out."
            )
        found.append((low, high, math.nan if fill is None else fill))
    low, high, fill = np.array(found, np.float64).T[:, :, None, None]
    return low, high, fill


def _sample(volume: Volume, axis: int) -> Iterator[NDArray[np.float64]]:
    """Read voxels evenly through each channel: of slices, or of large ones a part."""
    count = volume.shape[axis]
    per_slice = math.prod(volume.shape) // count
    several = min(count, FEWEST_SLICES)
    picks = max(several, min(count, INTENSITY_SAMPLE // per_slice))
    step = math.isqrt(max(0, picks * per_slice - 1) // INTENSITY_SAMPLE) + 1
    rows = np.unique(np.linspace(0, count - 1, picks).round().astype(int))
    key: list[Any] = [slice(None, None, step)] * 3
    for channel in range(len(volume.data)):
        found = []
        for index in rows:
            went_on()
            key[axis] = int(index)
            found.append(volume.part(channel, tuple(key), np.float64))
        yield np.stack(found)


def fill_note(volume: Volume, axis: int) -> str | None:
    """Say in one sentence that a volume has a fill value, and what is made of it."""
    if all(np.issubdtype(c.dtype, np.unsignedinteger) for c in volume.data):
        return None  # nothing lies below 0, and nothing far enough above the rest
    _, _, fills = _bounds(volume, axis)
    found = sorted({f"{fill:g}" for fill in fills.ravel() if np.isfinite(fill)})
    if not found:
        return None
    return (
        f"{volume.id}: many voxels hold {' or '.join(found)}, far from all other "
        "intensities; this is taken for a fill value and shown and learned as black, "
        "so correct the file if you did not expect that."
    )


def levelled(volume: Volume, axis: int) -> Callable[[int], NDArray[np.float32]]:
    """Give a reader of slices, (channels, rows, columns), with grey values near 0 to 1.

    Values of any size and offset stay apart in single precision. Where there is no
    number, or a fill value, the image is black.
    """
    known: list[tuple[NDArray[np.float64], ...]] = []

    def at(index: int) -> NDArray[np.float32]:
        if not known:
            known.append(_bounds(volume, axis))
        (low, high, fill), values = known[0], volume.slice(axis, index)
        with np.errstate(invalid="ignore", over="ignore"):
            grey = np.clip((values - low) / (high - low), -BEYOND, 1 + BEYOND)
        grey[np.isnan(grey) | (values == fill)] = 0
        return grey.astype(np.float32)

    return at


def _bounds(volume: Volume, axis: int) -> tuple[NDArray[np.float64], ...]:
    try:
        return _intensities(volume, axis)
    except UnreadError:
        raise
    except InputError:  # nothing to be seen there, so that any bounds do
        return np.zeros((1, 1, 1)), np.ones((1, 1, 1)), np.full((1, 1, 1), math.nan)
