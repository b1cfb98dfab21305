"""Labelled slices that an interpolation goes through: whole or completed ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import LabelledVolume


@dataclass(frozen=True, eq=False)
class Knot:
    """One slice whose every pixel has a class.

    Attributes
    ----------
    index : int
        Number of the slice.
    labels : (y, x) int
        0 background, else a class id.
    variance : float, square pixels
        How far the borders may be off: 0 where a person labelled the whole slice, more
        where a few strokes were completed.
    """

    index: int
    labels: NDArray[np.integer]
    variance: float = 0.0


def whole_slices(volume: LabelledVolume) -> list[Knot]:
    """Every slice without an unknown pixel, in order."""
    return [
        Knot(index, labels)
        for index, labels in volume.known_planes()
        if (labels >= 0).all()
    ]
