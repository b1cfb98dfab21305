"""The labels and the image of a volume for a 3-D view, coarser where it is large."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

#: Voxels that are drawn at once, and voxels a side; of larger volumes so many a side.
_VOXELS: Final = 2**26
_SIDE: Final = 1024
_COARSE_SIDE: Final = 320
_BRIGHTEST: Final = 255


@dataclass(frozen=True, eq=False)
class SolidRequest:
    """What is read for a 3-D view.

    Attributes
    ----------
    labels, image : (s0, s1, s2) array-like
        Shared; read plane by plane. `image` is None where only labels have changed.
    limits : (low, high)
        Intensities that become black and white.
    """

    labels: Any
    image: Any
    limits: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Solid:
    """Labels and image as they are drawn, uint8, and the distance of their samples."""

    labels: NDArray[np.uint8]
    image: NDArray[np.uint8] | None
    steps: tuple[int, ...]


def solid_steps(shape: Sequence[int]) -> tuple[int, ...]:
    """Give the distance of samples along each axis: 1, but for large volumes."""
    if math.prod(shape) <= _VOXELS and max(shape) <= _SIDE:
        return (1,) * len(shape)
    return tuple(-(-int(n) // _COARSE_SIDE) for n in shape)


def make_solid(request: SolidRequest) -> Generator[Progress | Solid]:
    """Read a volume plane by plane, as a task; gives a `Solid` at its end."""
    steps = solid_steps(request.labels.shape)
    first, *rest = (
        range(0, n, s) for n, s in zip(request.labels.shape, steps, strict=True)
    )
    size = (len(first), *(len(along) for along in rest))
    labels = np.zeros(size, np.uint8)
    image = None if request.image is None else np.zeros(size, np.uint8)
    every = tuple(slice(None, None, step) for step in steps[1:])
    for number, index in enumerate(first):
        plane = np.asarray(request.labels[(index, *every)])
        labels[number] = np.where(plane == BACKGROUND, NOTHING, plane)
        if image is not None:
            image[number] = _levels(request.image[(index, *every)], request.limits)
        yield Progress("solid", (number + 1) / len(first))
    yield Solid(labels, image, steps)


def _levels(plane: Any, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Give intensities from 0 to 255."""
    low, high = limits
    level = (np.asarray(plane, np.float32) - low) / (high - low or 1)
    bright = np.clip(np.nan_to_num(level), 0, 1) * _BRIGHTEST
    return np.asarray(bright, np.uint8)
