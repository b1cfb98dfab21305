"""Which slices of a volume are labelled, and Dice on those that nobody labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.evaluation.scores import Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray


#: Slice axis of a file's array, unless another is asked for.
LAST_AXIS: Final = 2


@dataclass(frozen=True)
class Extent:
    """The first and last slice that a structure is on.

    Attributes
    ----------
    first, last : int
    count : int
        Slices of the volume.
    """

    first: int
    last: int
    count: int

    @property
    def length(self) -> int:
        """Slices of the structure."""
        return self.last - self.first + 1

    @property
    def ends(self) -> tuple[int, ...]:
        """Slices before and behind the structure, where there are any."""
        both = self.first - 1, self.last + 1
        return tuple(index for index in both if 0 <= index < self.count)

    def even(self, number: int) -> tuple[int, ...]:
        """Give so many slices of the structure, evenly spaced."""
        places = np.linspace(self.first, self.last, number + 2)[1:-1]
        return tuple(int(index) for index in np.round(places))

    def is_few(self, number: int) -> bool:
        """Whether so many slices are at most half of the structure's."""
        return 2 * number <= self.length


def extent(truth: NDArray[Any]) -> Extent | None:
    """Find the slices that any class is on; None where there is none.

    Parameters
    ----------
    truth : (z, y, x) int
        Slice axis first; -1 unknown, 0 background, else a class id.
    """
    there = np.flatnonzero((truth > 0).any(axis=(1, 2)))
    if not len(there):
        return None
    return Extent(int(there[0]), int(there[-1]), len(truth))


def dice_of_open(
    mask: NDArray[Any],
    truth: NDArray[Any],
    labelled: Iterable[int],
    classes: Mapping[int, str],
) -> dict[str, float]:
    """Dice of each class over all slices but the labelled ones.

    A class absent from both is left out, one that is absent from the truth alone is 0.

    Parameters
    ----------
    mask, truth : (z, y, x) int
    """
    left = np.ones(len(truth), bool)
    left[list(labelled)] = False
    found = Scores(classes).add(mask[left], truth[left])
    return {classes[class_id]: score for class_id, score in found.items()}
