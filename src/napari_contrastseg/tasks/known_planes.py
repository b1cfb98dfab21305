"""What is known of a volume's slices, copied again only where that has changed."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord


class _Copied:
    """A slice's ink and whether it is done: what is known follows when it is asked for.

    Bytes are searched for a number many times faster than an array is counted.
    """

    def __init__(self, ink: NDArray[np.uint8], *, done: bool) -> None:
        self._ink, self._shape, self._done = ink.tobytes(), ink.shape, done

    @cached_property
    def digest(self) -> bytes:
        """Differs from that of any other copy."""
        return hashlib.sha256(self._ink).digest() + b"done" * self._done

    @cached_property
    def has_background(self) -> bool:
        """Whether something is known to be none of the classes."""
        return BACKGROUND in self._ink or (self._done and NOTHING in self._ink)

    def has(self, classes: Iterable[int]) -> bool:
        """Whether one of some classes is painted."""
        return any(class_id in self._ink for class_id in classes)

    @cached_property
    def truth(self) -> NDArray[np.int16]:
        """Class of each pixel: -1 unknown, 0 background, else a class id."""
        ink = np.frombuffer(self._ink, np.uint8).reshape(self._shape)
        known = ink.astype(np.int16)
        known *= ink != BACKGROUND
        if not self._done:
            known += UNKNOWN * (ink == NOTHING)
        return known


class KnownPlanes:
    """Copies of what is painted on one volume's labelled slices, between strokes.

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
        """Give what is known of the slices that have any, by slice number.

        Of each pixel -1 for unknown, 0 for background, else a class id.
        """
        return {index: found.truth for index, found in self._look().items()}

    def has_background(self) -> bool:
        """Whether something is known to be none of the classes."""
        return any(found.has_background for found in self._look().values())

    def has(self, classes: Iterable[int]) -> bool:
        """Whether one of some classes is painted."""
        sought = tuple(classes)
        return any(found.has(sought) for found in self._look().values())

    def digest(self) -> bytes:
        """Compare what is known with what was known before."""
        every = hashlib.sha256()
        for index, found in self._look().items():
            every.update(b"%d" % index + found.digest)
        return every.digest()

    def _look(self) -> dict[int, _Copied]:
        record = self.record
        labelled = np.flatnonzero(record.status != Status.UNTOUCHED).tolist()
        for index in labelled:
            if index not in self._copied:
                done = bool(record.status[index] == Status.DONE)
                ink = record.ink[record.window(index)]
                self._copied[index] = _Copied(ink, done=done)
        self._copied = {index: self._copied[index] for index in labelled}
        return self._copied
