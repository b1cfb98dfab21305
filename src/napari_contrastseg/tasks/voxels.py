"""Labels, confidence and rounds of the map's voxels, as the session has them now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.insight.feature_table import LabelKind
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.targets import Origin, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.session.session import Session

#: Where a voxel's class comes from, in words; the first are an `Origin`'s.
PROVENANCE: Final = {
    int(Origin.PAINTED): "painted",
    int(Origin.CORRECTED): "corrected",
    int(Origin.ACCEPTED): "accepted",
    int(Origin.ACCEPTED_INTERPOLATION): "accepted (interpolation)",
    int(Origin.ACCEPTED_LIVE): "accepted (live)",
    int(Origin.ACCEPTED_FUSED): "accepted (network with interpolation)",
    256: "slice done",
    257: "pseudo-label",
    258: "unlabelled",
}
_DONE, _PSEUDO, _UNLABELLED = 256, 257, 258


@dataclass(frozen=True, eq=False)
class Described:
    """The voxels of a table, row by row.

    Attributes
    ----------
    label : (n,) int
        Class id, 0 for background, -1 where nothing is known or predicted.
    provenance : (n,) int, a key of `PROVENANCE`
    confidence : (n,) float32
        Of the current round's prediction; not a number where there is none.
    round : (n,) int
        The first round that learned from the voxel's slice; 0 where none has.
    """

    label: NDArray[np.int64]
    provenance: NDArray[np.int64]
    confidence: NDArray[np.float32]
    round: NDArray[np.int64]


def describe(session: Session, table: FeatureTable) -> Described:
    """Look the voxels up, as labels are now; some thousand take a moment."""
    count = len(table)
    label = np.where(table.known, -1, table.label)
    origin = np.where(table.kind == LabelKind.PSEUDO, _PSEUDO, _UNLABELLED)
    confidence = np.full(count, np.nan, np.float32)
    since = np.zeros(count, np.int64)
    for number, name in enumerate(table.names):
        record = session.records.get(name)
        rows = np.flatnonzero(table.volume == number)
        if record is None or not len(rows):
            continue
        place = tuple(table.position[rows].T)
        index = table.position[rows, record.axis]
        ink, mine = record.ink[place], record.origin[place].astype(np.int64)
        done = record.status[index] == Status.DONE
        painted = ink != NOTHING
        truth = np.where((ink == BACKGROUND) | ~painted, 0, ink)
        known = painted | done
        label[rows] = np.where(known, truth, label[rows])
        mine = np.where(painted, mine, _DONE)
        origin[rows] = np.where(known, mine, origin[rows])
        if record.proposal is not None:
            confidence[rows] = record.proposal.confidence[place]
            unknown = rows[~known & (label[rows] < 0)]
            where = tuple(table.position[unknown].T)
            label[unknown] = record.proposal.prediction[where]
        for entry in reversed(session.rounds):
            learned = np.isin(index, entry.info.settled.get(name, []))
            since[rows[learned & known]] = entry.info.number
    label[~np.isin(label, [-1, *session.all_thresholds()])] = 0  # no class any more
    return Described(label, origin, confidence, since)
