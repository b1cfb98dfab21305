"""Training rounds: model, proposals, accuracy of pseudo-labels, comparison of two."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.sources import FUSED, NETWORK
from napari_contrastseg.session.targets import Status, pseudo_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.packed_proposals import Proposals
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord


def new_key(kind: str) -> str:
    """Make a name for something that a session's folder holds; no two are the same."""
    return f"{kind}-{uuid.uuid4().hex[:16]}"


@dataclass(frozen=True)
class RoundInfo:
    """What JSON holds of a round.

    Attributes
    ----------
    number : int
        From 1.
    recipe : str
    labelled_slices : int
        With any truth, when it was frozen.
    seconds : float
    silhouette : dict of class name to mean silhouette, where it was measured
    settled : dict of volume id to slice numbers that were done when it was frozen
    key : str
        Name of its folder in a saved session; different for every round ever made.
    joined : list of volume id
        Volumes whose proposals are joined with the interpolation of their labels.
    """

    number: int
    recipe: str
    labelled_slices: int
    seconds: float
    silhouette: dict[str, float] = field(default_factory=dict)
    settled: dict[str, list[int]] = field(default_factory=dict)
    key: str = field(default_factory=lambda: new_key("round"))
    joined: list[str] = field(default_factory=list)

    def source_of(self, volume_id: str) -> str:
        """Name what a volume's proposal comes from."""
        return FUSED if volume_id in self.joined else NETWORK


@dataclass(eq=False)
class Round:
    """A round with its model and, for each volume, its proposal.

    The embedding and the scores of slices are worked out again after opening.
    """

    info: RoundInfo
    model: Model
    proposals: Proposals
    embedding: Any = None
    slices: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """How a class's pseudo-labels of the last round fared on slices settled since.

    Attributes
    ----------
    dice : float or None
        What was not sure enough counts as missed. Of background: the lowest of the
        classes', for its pseudo-labels are as good as the others miss little.
    checked : int
        Slices on which the class was, or was claimed.
    """

    dice: float | None
    checked: int


def evidence(
    records: Mapping[str, VolumeRecord],
    proposals: Mapping[str, Proposal],
    settled: Mapping[str, Sequence[int]],
    thresholds: Mapping[int, float],
) -> dict[int, Evidence]:
    """Compare pseudo-labels with slices that a human has marked done since.

    Parameters
    ----------
    proposals : mapping of volume id to the round's own proposal
    settled : mapping of volume id to slice numbers
        Those that were done already when the round was frozen.
    thresholds : mapping of class id, 0 for background, to confidence

    Returns
    -------
    dict of class id to Evidence, for each of `thresholds`
    """
    right, sizes, checked = (np.zeros(256, np.int64) for _ in range(3))
    for name, record in records.items():
        proposal = proposals.get(name)
        if proposal is None:
            continue
        done = np.flatnonzero(record.status == Status.DONE)
        for index in np.setdiff1d(done, settled.get(name, ())).tolist():
            there = np.zeros(256, np.int64)
            for key in record.blocks([index]):
                guess = proposal.prediction[key]
                sure = pseudo_labels(guess, proposal.confidence[key], thresholds) >= 0
                ink = np.where(record.ink[key] == BACKGROUND, 0, record.ink[key])
                there += np.bincount(guess[sure], minlength=256)
                there += np.bincount(ink.reshape(-1), minlength=256)
                right += np.bincount(guess[sure & (guess == ink)], minlength=256)
            sizes += there
            checked += there > 0
    found = {
        k: Evidence(2 * right[k] / sizes[k] if sizes[k] else None, int(checked[k]))
        for k in thresholds
        if k
    }
    dices = [e.dice for e in found.values() if e.dice is not None]
    found[0] = Evidence(min(dices, default=None), int(checked[0]))
    return found


class Differs(IntEnum):
    """How another round's prediction of a voxel differs from one's own."""

    NOT = 0
    ONLY_OTHER = 1  # background here
    ONLY_MINE = 2  # background there
    CLASS = 3


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two rounds' predictions of one volume.

    Attributes
    ----------
    difference : (s0, s1, s2) uint8
        `Differs`.
    share : float
        Part of the voxels that differ.
    dice : dict of class id to Dice of one with the other; absent classes left out
    """

    difference: NDArray[np.uint8]
    share: float
    dice: dict[int, float]


def compare(mine: Proposal, other: Proposal) -> Comparison:
    """Compare a round's prediction with another round's."""
    difference = zeros(mine.prediction.shape, np.uint8)
    counts = np.zeros((256, 256), np.int64)  # what one says, and the other
    for key in small_blocks(difference.shape):
        one, two, part = mine.prediction[key], other.prediction[key], difference[key]
        part[one != two] = Differs.CLASS
        part[(one == 0) & (two != 0)] = Differs.ONLY_OTHER
        part[(one != 0) & (two == 0)] = Differs.ONLY_MINE
        pairs = 256 * one.astype(np.intp) + two
        counts += np.bincount(pairs.reshape(-1), minlength=256**2).reshape(256, 256)
    same = np.diag(counts)
    sizes = counts.sum(axis=0) + counts.sum(axis=1)
    dice = {int(k): float(2 * same[k] / sizes[k]) for k in np.flatnonzero(sizes) if k}
    return Comparison(difference, float(1 - same.sum() / counts.sum()), dice)
