"""Draw a plane of a volume in numpy: images and labels, blended as napari does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import scipy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Samples along each side of a plane at most, and of volumes of so many voxels: there
#: a plane across the slices lies all over the disk.
_MOST: Final = 1024
_LARGE: Final = 2**27
_MOST_OF_LARGE: Final = 256
_COLOURS: Final = 256
#: Pixels that share a side are beside each other, as in napari's outlines.
_BESIDE: Final = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


@dataclass(frozen=True, eq=False)
class Coat:
    """One layer, as it is to be blended over those below it.

    Attributes
    ----------
    arrays : tuple of (s0, s1, s2) array-likes
        One, or three of red, green and blue.
    colours : (256, 4) float in [0, 1]
        Of labels by number, of an image from dark to bright.
    limits : (low, high) or None
        Intensities of the first and the last colour; None for labels.
    gamma, opacity : float
    additive : bool
        Whether it is added to what is below it.
    outlined : bool
        Whether labels show their borders alone.
    """

    arrays: tuple[Any, ...]
    colours: NDArray[np.float32]
    limits: tuple[float, float] | None = None
    gamma: float = 1.0
    opacity: float = 1.0
    additive: bool = False
    outlined: bool = False


def steps_of(shape: Sequence[int]) -> tuple[int, int, int]:
    """Give the distance of samples along each axis: 1, but for large volumes."""
    large = int(np.prod(shape, dtype=np.int64)) > _LARGE
    most = _MOST_OF_LARGE if large else _MOST
    first, second, third = (-(-int(n) // most) for n in shape)
    return first, second, third


def read_plane(array: Any, axis: int, index: int, steps: Sequence[int]) -> NDArray[Any]:
    """Read samples of a plane; of what is read when it is asked for, row by row."""
    key: list[Any] = [slice(None, None, step) for step in steps]
    key[axis] = index
    if isinstance(array, np.ndarray):
        return np.asarray(array[tuple(key)])
    along = 1 if axis == 0 else 0
    rows = []
    for place in range(0, array.shape[along], steps[along]):
        key[along] = place
        rows.append(np.asarray(array[tuple(key)]))
    return np.stack(rows)


def draw_plane(
    coats: Sequence[Coat], axis: int, index: int, steps: Sequence[int]
) -> NDArray[np.uint8]:
    """Blend layers, the lowest first, over black.

    Returns
    -------
    (rows, columns, 3) uint8
        The volume's other two axes, in their order.
    """
    seen: NDArray[np.float32] | None = None
    for coat in coats:
        colours = _coloured(coat, axis, index, steps)
        alpha = colours[..., 3:] * np.float32(coat.opacity)
        under = np.zeros_like(colours[..., :3]) if seen is None else seen
        kept = under if coat.additive else under * (1 - alpha)
        seen = kept + colours[..., :3] * alpha
    if seen is None:
        return np.zeros((1, 1, 3), np.uint8)
    return (np.clip(seen, 0, 1) * 255 + 0.5).astype(np.uint8)


def _coloured(
    coat: Coat, axis: int, index: int, steps: Sequence[int]
) -> NDArray[np.float32]:
    """Give a layer's colours in a plane, (rows, columns, 4)."""
    planes = [read_plane(array, axis, index, steps) for array in coat.arrays]
    if coat.limits is None:
        labels = _borders(planes[0]) if coat.outlined else planes[0]
        return np.asarray(coat.colours[labels])
    levels = [_level(plane, coat.limits) for plane in planes]
    if len(levels) > 1:
        return np.stack([*levels, np.ones_like(levels[0])], axis=-1)
    bright = levels[0] if coat.gamma == 1 else levels[0] ** np.float32(coat.gamma)
    return coat.colours[(bright * (_COLOURS - 1) + 0.5).astype(np.uint8)]


def _level(plane: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.float32]:
    """Give intensities from 0 to 1; what is not a number is dark."""
    low, high = limits
    level = (plane.astype(np.float32) - np.float32(low)) / np.float32(high - low or 1)
    return np.asarray(np.clip(np.nan_to_num(level, nan=0.0), 0, 1))


def _borders(labels: NDArray[Any]) -> NDArray[Any]:
    """Keep the labels that have another one beside them."""
    least = scipy.ndimage.minimum_filter(labels, footprint=_BESIDE)
    inside = least == scipy.ndimage.maximum_filter(labels, footprint=_BESIDE)
    return np.where(inside, 0, labels)
