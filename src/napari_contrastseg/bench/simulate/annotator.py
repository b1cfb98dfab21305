"""A simulated annotator: knows the truth, and what a human's time costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.segmentation import find_boundaries

from napari_contrastseg.session import painting, review
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session


@dataclass(frozen=True)
class TimeModel:
    """Seconds of a human's time (docs/command-line.md)."""

    slice_base: float = 10.0
    per_boundary_voxel: float = 0.15
    correction_base: float = 5.0
    accept: float = 3.0

    def labelling(self, plane: NDArray[Any]) -> float:
        """Label a slice in full."""
        return self.slice_base + self.per_boundary_voxel * boundary_voxels(plane)

    def correcting(self, proposed: NDArray[Any], wanted: NDArray[Any]) -> float:
        """Correct a proposal; one that is right is accepted."""
        changed = proposed != wanted
        if not changed.any():
            return self.accept
        edges = find_boundaries(wanted, mode="inner") | find_boundaries(
            proposed, mode="inner"
        )
        return self.correction_base + self.per_boundary_voxel * int(
            (changed & edges).sum()
        )


def boundary_voxels(plane: NDArray[Any]) -> int:
    """Count the voxels of a slice's classes that touch another class."""
    return int((find_boundaries(plane, mode="inner") & (plane > 0)).sum())


def agreement(proposed: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Foreground Dice of a slice, the class counting; 1 where both are empty."""
    total = int((proposed > 0).sum() + (wanted > 0).sum())
    right = int(((proposed > 0) & (proposed == wanted)).sum())
    return 2 * right / total if total else 1.0


class Annotator:
    """Labels and corrects slices of a session from reference labels.

    Attributes
    ----------
    seconds : float
        Time spent so far, by the time model.
    """

    def __init__(
        self,
        session: Session,
        truths: dict[str, NDArray[Any]],
        time: TimeModel | None = None,
    ) -> None:
        self._session = session
        self._truths = truths
        self._time = time or TimeModel()
        self.seconds = 0.0

    def label(self, volume_id: str, slices: Sequence[int]) -> None:
        """Paint slices and mark them done, but for those with gaps in their truth."""
        record = self._session.records[volume_id]
        for index in slices:
            key = record.window(int(index))
            plane = self._truths[volume_id][key]
            self.seconds += self._time.labelling(plane)
            if (plane < 0).any():
                self._paint(volume_id, int(index), plane >= 0)
                continue
            self._paint(volume_id, int(index), plane > 0)
            painting.mark(self._session, volume_id, int(index), Status.DONE)

    def correct(self, volume_id: str, index: int) -> None:
        """Repair a proposed slice voxel by voxel, then accept it."""
        record = self._session.records[volume_id]
        if record.proposal is None:
            self.label(volume_id, [index])
            return
        key = record.window(index)
        wanted = self._truths[volume_id][key]
        proposed = record.prediction[key]
        known = wanted >= 0
        self.seconds += self._time.correcting(
            np.where(known, proposed, 0), np.where(known, wanted, 0)
        )
        self._paint(volume_id, index, (proposed != wanted) & known)
        if known.all():
            review.accept_slice(self._session, volume_id, index)
        else:
            self._paint(volume_id, index, known)

    def settle(self, volume_id: str, index: int, accept_from: float = 1.0) -> str:
        """Accept a proposed slice that is right enough, else correct or label it.

        Parameters
        ----------
        accept_from : float
            Foreground Dice from which a slice is accepted as it is proposed.

        Returns
        -------
        str
            "accepted", "corrected", or "labelled" where that is quicker.
        """
        record = self._session.records[volume_id]
        if record.proposal is None:
            self.label(volume_id, [index])
            return "labelled"
        key = record.window(index)
        truth, proposed = self._truths[volume_id][key], record.prediction[key]
        known = truth >= 0
        wanted, shown = np.where(known, truth, 0), np.where(known, proposed, 0)
        if known.all() and agreement(shown, wanted) >= accept_from:
            self.seconds += self._time.accept
            review.accept_slice(self._session, volume_id, index)
            return "accepted"
        if self._time.labelling(wanted) < self._time.correcting(shown, wanted):
            self.label(volume_id, [index])
            return "labelled"
        self.correct(volume_id, index)
        return "corrected"

    def _paint(self, volume_id: str, index: int, where: NDArray[np.bool_]) -> None:
        """Paint what the reference has at some places of a slice."""
        record = self._session.records[volume_id]
        places = np.zeros(record.volume.shape, np.bool_)
        places[record.window(index)] = where
        values = self._truths[volume_id][places]
        values = np.where(values == 0, BACKGROUND, values)
        painting.paint(self._session, volume_id, places, values)
