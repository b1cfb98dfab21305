"""What is known of a volume's slices, copied again only where that has changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord


#: Numbers that a plane may hold, from -1 on, and pixels that are counted at once.
_VALUES: Final = 2**8 + 1
_PART: Final = 2**16


class _Copied(NamedTuple):
    """A slice's truth, the values in it, and a digest of it."""

    plane: NDArray[np.int16]
    values: frozenset[int]
    digest: bytes


class KnownPlanes:
    """Copies of the truth of one volume's labelled slices, between strokes.

    A stroke costs as much as the slices it has changed, however many are labelled.

    Parameters
    ----------
    record : VolumeRecord
    """

    def __init__(self, record: VolumeRecord) -> None:
        self.record = record
        self._copied: dict[int, _Copied] = {}

    def forget(self, slices: Iterable[int] | None = None) -> None:
        """Copy some slices, or all, again when they are asked for."""
        for index in list(self._copied) if slices is None else slices:
            self._copied.pop(index, None)

    def planes(self) -> dict[int, NDArray[np.int16]]:
        """Give the truth of the slices that have any, by slice number."""
        return {index: found.plane for index, found in self._look().items()}

    def values(self) -> frozenset[int]:
        """Give all that is painted: -1 unknown, 0 background, class ids."""
        none = frozenset[int]()
        return none.union(*(found.values for found in self._look().values()))

    def digest(self) -> bytes:
        """Compare what is known with what was known before."""
        every = hashlib.blake2b()
        for index, found in self._look().items():
            every.update(b"%d" % index + found.digest)
        return every.digest()

    def _look(self) -> dict[int, _Copied]:
        labelled = np.flatnonzero(self.record.status != Status.UNTOUCHED).tolist()
        for index in labelled:
            if index not in self._copied:
                self._copied[index] = _copied(truth_of_slice(self.record, index))
        self._copied = {index: self._copied[index] for index in labelled}
        return self._copied


def _copied(plane: NDArray[np.int16]) -> _Copied:
    digest = hashlib.blake2b(plane.data).digest()
    return _Copied(plane, _values_in(plane.reshape(-1)), digest)


def _values_in(flat: NDArray[np.int16]) -> frozenset[int]:
    """Give the values, from -1 on, without sorting: a part at a time, in the cache."""
    seen = np.zeros(_VALUES, np.int64)
    for start in range(0, len(flat), _PART):
        seen += np.bincount(flat[start : start + _PART] + 1, minlength=len(seen))
    return frozenset((np.flatnonzero(seen) - 1).tolist())


def truth_of_slice(record: VolumeRecord, index: int) -> NDArray[np.int16]:
    """Copy what is known of one slice: -1 unknown, 0 background, else a class id."""
    ink = record.ink[record.window(index)]
    known = np.ascontiguousarray(ink, np.int16)
    known[ink == BACKGROUND] = 0
    if record.status[index] != Status.DONE:
        known[ink == NOTHING] = UNKNOWN
    return known
