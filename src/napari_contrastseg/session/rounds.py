"""Rounds: what was trained when, and how sure one may be of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.truth import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.model import Model
    from napari_contrastseg.session.record import Proposal, VolumeRecord


def new_key(kind: str) -> str:
    """Make a name for something that a session's folder holds; no two are the same."""
    return f"{kind}-{uuid.uuid4().hex[:16]}"


@dataclass(frozen=True)
class RoundInfo:
    """What is kept of a round as plain values.

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
    """

    number: int
    recipe: str
    labelled_slices: int
    seconds: float
    silhouette: dict[str, float] = field(default_factory=dict)
    settled: dict[str, list[int]] = field(default_factory=dict)
    key: str = field(default_factory=lambda: new_key("round"))


@dataclass(eq=False)
class Round:
    """A round with its model and, for each volume, its proposal.

    The embedding and the scores of slices are made anew when a session is opened.
    """

    info: RoundInfo
    model: Model
    proposals: dict[str, Proposal]
    embedding: Any = None
    slices: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """How a class's pseudo-labels of the last round fared on slices settled since."""

    precision: float | None
    checked: int


def evidence(
    records: dict[str, VolumeRecord],
    settled: Mapping[str, Sequence[int]],
    pseudo: dict[str, NDArray[np.int16]],
    class_id: int,
) -> Evidence:
    """Compare pseudo-labels with slices that a human has marked done since.

    Parameters
    ----------
    settled : mapping of volume id to slice numbers
        Those that were done already when the round was frozen.
    pseudo : dict of volume id to labels
        -1 unsure, 0 background, k class, from the round's own prediction.
    class_id : int
        0 for background.
    """
    right = claimed = checked = 0
    for volume_id, record in records.items():
        if volume_id not in pseudo:
            continue
        before = set(settled.get(volume_id, ()))
        done = np.flatnonzero(record.status == Status.DONE).tolist()
        for index in sorted(set(done) - before):
            key = record.window(index)
            mine = pseudo[volume_id][key] == class_id
            ink = np.where(record.ink[key] == 255, 0, record.ink[key])  # noqa: PLR2004
            right += int((mine & (ink == class_id)).sum())
            claimed += int(mine.sum())
            checked += bool(mine.any())
    return Evidence(right / claimed if claimed else None, checked)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two rounds' predictions of one volume.

    Attributes
    ----------
    difference : (s0, s1, s2) uint8
        Where they differ, what the other one says: a class id, 255 for background; 0
        where they agree.
    share : float
        Part of the voxels that differ.
    dice : dict of class id to Dice of one with the other; absent classes left out
    """

    difference: NDArray[np.uint8]
    share: float
    dice: dict[int, float]


def compare(mine: Proposal, other: Proposal) -> Comparison:
    """Compare a round's prediction with another round's."""
    one, two = mine.prediction, other.prediction
    differs = one != two
    says = np.where(two == 0, BACKGROUND, two)
    difference = np.where(differs, says, 0).astype(np.uint8)
    dice = {}
    for class_id in sorted({*np.unique(one).tolist(), *np.unique(two).tolist()} - {0}):
        a, b = one == class_id, two == class_id
        dice[class_id] = float(2 * (a & b).sum() / (a.sum() + b.sum()))
    return Comparison(difference, float(differs.mean()), dice)
