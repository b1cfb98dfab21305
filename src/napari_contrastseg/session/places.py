"""Places in an array as runs of consecutive ones: 16 bytes for each, however long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Places:
    """Flat indices into an array.

    Attributes
    ----------
    starts, lengths : (n,) int64
        Of the runs of consecutive indices.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, index: NDArray[np.int64]) -> Self:
        """Find the runs of flat indices, ascending."""
        if not len(index):
            return cls(index, index)
        breaks = np.flatnonzero(np.diff(index) != 1) + 1
        first = np.concatenate(([0], breaks))
        return cls(index[first], np.diff(first, append=len(index)))

    def __len__(self) -> int:
        return int(self.lengths.sum())

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.starts.nbytes + self.lengths.nbytes

    def flat(self) -> NDArray[np.int64]:
        """Give the indices, in order."""
        ends = np.cumsum(self.lengths)
        within = np.arange(len(self)) - np.repeat(ends - self.lengths, self.lengths)
        found = np.repeat(self.starts, self.lengths) + within
        return np.asarray(found, dtype=np.int64)

    def lie_within(self, size: int) -> bool:
        """Whether an array of so many values has them all."""
        ends = self.starts + self.lengths
        return bool((self.starts >= 0).all() and (ends <= size).all())
