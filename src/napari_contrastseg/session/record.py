"""What the session holds of one volume."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.truth import Status, pseudo_labels, truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume


@dataclass(eq=False)
class Proposal:
    """The machine's opinion of one volume, in the encoding of ink.

    Attributes
    ----------
    round : int
    prediction : (s0, s1, s2) uint8
        Editable: 0 background, else a class id.
    confidence : (s0, s1, s2) float16
    pseudo : (s0, s1, s2) uint8
        Editable: 0 not sure enough, 255 background for sure, else a class id.
    """

    round: int
    prediction: NDArray[np.uint8]
    confidence: NDArray[np.float16]
    pseudo: NDArray[np.uint8]


@dataclass(eq=False)
class VolumeRecord:
    """A volume with the human's work on it.

    Attributes
    ----------
    ink : (s0, s1, s2) uint8
    origin : (s0, s1, s2) uint8
        An `Origin` for each voxel.
    status : (slices,) uint8
        A `Status` for each slice.
    rejected : (s0, s1, s2) uint16
        Round in which the voxel was rejected; 0: it was not.
    """

    volume: Volume
    axis: int
    ink: NDArray[np.uint8] = field(init=False)
    origin: NDArray[np.uint8] = field(init=False)
    status: NDArray[np.uint8] = field(init=False)
    rejected: NDArray[np.uint16] = field(init=False)
    proposal: Proposal | None = None

    def __post_init__(self) -> None:
        shape = self.volume.shape
        self.ink = np.zeros(shape, np.uint8)
        self.origin = np.zeros(shape, np.uint8)
        self.status = np.zeros(shape[self.axis], np.uint8)
        self.rejected = np.zeros(shape, np.uint16)

    @property
    def truth(self) -> NDArray[np.int16]:
        """-1 unknown, 0 background, k class."""
        return truth(self.ink, self.status, self.axis)

    def array(self, name: str) -> NDArray[Any]:
        """Return an array by the name that the history uses."""
        if name in ("prediction", "pseudo"):
            if self.proposal is None:
                raise KeyError(name)
            array: NDArray[Any] = getattr(self.proposal, name)
            return array
        found: NDArray[Any] = getattr(self, name)
        return found

    def window(self, index: int) -> tuple[Any, ...]:
        """Key of one slice of the volume's arrays."""
        key: list[Any] = [slice(None)] * 3
        key[self.axis] = index
        return tuple(key)

    def slices_of(self, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slice numbers that flat voxel indices lie in, each once."""
        places = np.unravel_index(flat, self.volume.shape)[self.axis]
        return np.unique(places)

    def flat_slice(self, index: int) -> NDArray[np.int64]:
        """Flat indices of the voxels of one slice."""
        _, rows, columns = self.volume.shape
        steps = np.delete(np.array([rows * columns, columns, 1]), self.axis)
        sides = np.delete(self.volume.shape, self.axis)
        first = index * (rows * columns, columns, 1)[self.axis]
        plane = np.add.outer(
            np.arange(sides[0]) * steps[0], np.arange(sides[1]) * steps[1]
        )
        return np.asarray(plane.reshape(-1) + first, dtype=np.int64)

    def refresh_pseudo(
        self, thresholds: Mapping[int, float], index: int | None = None
    ) -> None:
        """Compute the pseudo-label layer anew, for one slice or the whole volume.

        Ink shows through, so that what a human settled is never contradicted.
        """
        proposal = self.proposal
        if proposal is None:
            return
        key = (slice(None),) * 3 if index is None else self.window(index)
        sure = pseudo_labels(
            proposal.prediction[key], proposal.confidence[key], thresholds
        )
        shown = np.where(sure == 0, BACKGROUND, np.maximum(sure, 0)).astype(np.uint8)
        shown[self.rejected[key] > 0] = NOTHING
        ink = self.ink[key]
        shown[ink != NOTHING] = ink[ink != NOTHING]
        done = self.status == Status.DONE
        if index is None:
            at: list[Any] = [slice(None)] * 3
            at[self.axis] = done
            shown[tuple(at)] = ink[tuple(at)]
        elif done[index]:
            shown = ink.copy()
        proposal.pseudo[key] = shown


def mask_of(record: VolumeRecord, *, complete: bool) -> NDArray[np.uint8]:
    """Make the mask that is exported: class ids, 0 for background.

    Parameters
    ----------
    complete : bool
        Where nobody labelled, take the current prediction; else background.
    """
    known = record.truth
    mask = np.maximum(known, 0).astype(np.uint8)
    if complete and record.proposal is not None:
        unknown = (known < 0) & (record.rejected == 0)
        mask[unknown] = record.proposal.prediction[unknown]
    return mask
