"""The feature table: a fixed sample of voxels that a network is asked about.

Every voxel has a rank that follows from the seed, its volume and its place alone; of
each group the voxels of lowest rank are taken. So the sample hardly changes when some
more slices are labelled, and the map of the next round goes on from this one's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from napari_contrastseg.learning.data.targets import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.data.targets import TrainingVolume

    Group = tuple[int, int]
    #: Ranks and rows (volume, s0, s1, s2) of the voxels of one group so far.
    Found = dict[Group, list[tuple[NDArray[np.uint64], NDArray[np.int64]]]]


class LabelKind(IntEnum):
    """What is known of a voxel's class."""

    TRUTH = 0
    PSEUDO = 1
    UNLABELLED = 2


#: Part of the table for each kind, where there are voxels enough of it.
PARTS = {LabelKind.TRUTH: 0.5, LabelKind.PSEUDO: 0.25, LabelKind.UNLABELLED: 0.25}
#: Part of the slices that are read for their labels.
FOR_LABELS = 0.75
#: Pixels from which on parts of a slice are read in place of the whole, and the side of
#: such a part.
LARGE, SIDE = 2**21, 512


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Voxels, and what a network makes of them.

    Attributes
    ----------
    names : tuple of str
        Ids of the volumes.
    volume : (n,) int, number of the volume
    position : (n, 3) int, voxel index in the volume's order
    label : (n,) int
        Class id, 0 for background; of unlabelled voxels the prediction, or -1.
    kind : (n,) int, a `LabelKind`
    features : (n, d) float32, at the chosen tap
    """

    names: tuple[str, ...]
    volume: NDArray[np.int64]
    position: NDArray[np.int64]
    label: NDArray[np.int64]
    kind: NDArray[np.int64]
    features: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether a person said it, (n,)."""
        return np.asarray(self.kind == LabelKind.TRUTH)


def sample_voxels(
    volumes: Sequence[TrainingVolume],
    axis: int,
    count: int,
    pixels: int,
    seed: int,
    guesses: Mapping[str, NDArray[Any]] | None = None,
    least: int = 1,
) -> FeatureTable:
    """Choose voxels: half of them labelled, and of each kind as many of every class.

    They lie on slices of `pixels` in all, or on parts of large ones, so that reading
    their features takes no longer than these do, however large the cohort.

    Parameters
    ----------
    axis : int
        0 for slices along each volume's slice axis, 1 and 2 for the others.
    guesses : mapping of volume id to (s0, s1, s2) class ids, optional
        Predictions, so that rare classes are found among unlabelled voxels, too.
    least : int
        Labelled slices that are read in any case, if there are as many.

    Returns
    -------
    FeatureTable
        With no features yet: shape (n, 0).
    """
    found: Found = {}
    for number, part in _parts(volumes, axis, pixels, seed, least):
        entry = volumes[number]
        truth, label = _labels(entry, part)
        guess = (guesses or {}).get(entry.volume.id)
        guessed = np.full_like(label, UNKNOWN)
        if guess is not None:
            guessed = guess[part.key].astype(np.int64)
        kind = np.where(label >= 0, LabelKind.PSEUDO, LabelKind.UNLABELLED)
        kind[truth >= 0] = LabelKind.TRUTH
        label = np.where(label >= 0, label, guessed)
        ranks = _ranks(seed, f"{entry.volume.id} {part.name}", label.size)
        _add(found, kind, label, ranks, (number, part), count)
    groups = {g: _lowest(parts, count) for g, parts in sorted(found.items())}
    shares = _shares({g: len(rows) for g, rows in groups.items()}, count)
    chosen = [np.zeros((0, 6), np.int64)]
    for group, rows in groups.items():
        some = rows[: shares[group]]
        chosen.append(np.column_stack([some, np.tile(group, (len(some), 1))]))
    table = np.concatenate(chosen)
    return FeatureTable(
        tuple(v.volume.id for v in volumes),
        table[:, 0],
        table[:, 1:4],
        table[:, 5],
        table[:, 4],
        np.zeros((len(table), 0), np.float32),
    )


@dataclass(frozen=True)
class _Part:
    """A slice, or a part of a large one.

    Attributes
    ----------
    axis, index : int
    start, shape : (int, int)
        Rows and columns, in the volume's order.
    number : int, optional
        Which part of its slice; None for all of it.
    """

    axis: int
    index: int
    start: tuple[int, int]
    shape: tuple[int, int]
    number: int | None = None

    @property
    def name(self) -> str:
        """Identify it among the voxels of its volume."""
        return f"{self.index}" + ("" if self.number is None else f" {self.number}")

    @property
    def key(self) -> tuple[int | slice, ...]:
        """Where it lies in an array of the volume's shape."""
        sides = zip(self.start, self.shape, strict=True)
        found: list[int | slice] = [slice(a, a + n) for a, n in sides]
        found.insert(self.axis, self.index)
        return tuple(found)

    @classmethod
    def of(cls, volume: Volume, axis: int) -> list[_Part]:
        """List what is read of a volume's slices along an array axis."""
        rows, columns = (n for a, n in enumerate(volume.shape) if a != axis)
        slices = range(volume.shape[axis])
        if rows * columns <= LARGE:
            return [cls(axis, index, (0, 0), (rows, columns)) for index in slices]
        places = [
            (row, column)
            for row in range(0, rows, SIDE)
            for column in range(0, columns, SIDE)
        ]
        return [
            cls(axis, i, (r, c), (min(SIDE, rows - r), min(SIDE, columns - c)), n)
            for i in slices
            for n, (r, c) in enumerate(places)
        ]


def _labels(
    entry: TrainingVolume, part: _Part
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give a person's labels of a part, and the targets of training; -1 elsewhere."""
    if entry.target is None:
        nothing = np.full(part.shape, UNKNOWN, np.int64)
        return nothing, nothing
    label = entry.target[part.key].astype(np.int64)
    label = np.maximum(label, UNKNOWN)
    if entry.weight is None:
        return label, label
    weight = entry.weight[part.key]
    truth = np.where(weight >= 1, label, UNKNOWN)  # guesses are no truth
    return truth, np.where(weight > 0, label, UNKNOWN)


def _is_labelled(entry: TrainingVolume, part: _Part) -> bool:
    """Whether a person said anything of a part."""
    if entry.target is None:
        return False
    truth = entry.target[part.key] >= 0
    if entry.weight is not None:
        truth = truth & (entry.weight[part.key] >= 1)
    return bool(truth.any())


def _parts(
    volumes: Sequence[TrainingVolume], axis: int, pixels: int, seed: int, least: int
) -> list[tuple[int, _Part]]:
    """Choose (volume, part): most of them labelled, one of the others at least."""
    labelled: list[tuple[int, int, int, _Part]] = []
    others: list[tuple[int, int, int, _Part]] = []
    for number, entry in enumerate(volumes):
        parts = _Part.of(entry.volume, entry.volume.axis_of(axis))
        ranks = _ranks(seed, entry.volume.id, len(parts))
        for at, part in enumerate(parts):
            sort = labelled if _is_labelled(entry, part) else others
            sort.append((int(ranks[at]), number, at, part))
    chosen: list[tuple[int, _Part]] = []
    most = FOR_LABELS if others else 1.0
    for sort, share, few in ((labelled, most, least), (others, 1.0, 1)):
        left = share * pixels
        ordered = sorted(sort, key=lambda found: found[:3])
        for at, (_, number, _, part) in enumerate(ordered):
            area = math.prod(part.shape)
            if at >= few and area > left:
                break
            left -= area
            pixels -= area
            chosen.append((number, part))
    return chosen


def _ranks(seed: int, name: str, count: int) -> NDArray[np.uint64]:
    """Give numbers as good as random that only the arguments decide (splitmix64)."""
    start = np.uint64(crc32(f"{seed} {name}".encode())) << np.uint64(32)
    x = (np.arange(count, dtype=np.uint64) + start) * np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _add(
    found: Found,
    kind: NDArray[np.int64],
    label: NDArray[np.int64],
    ranks: NDArray[np.uint64],
    where: tuple[int, _Part],
    count: int,
) -> None:
    """Add the best voxels of a slice, or a part of one, to each group."""
    number, part = where
    for one in np.unique(kind):
        for name in np.unique(label[kind == one]):
            flat = np.flatnonzero((kind == one) & (label == name))
            if len(flat) > count:
                flat = flat[np.argpartition(ranks[flat], count)[:count]]
            place = np.stack(np.unravel_index(flat, label.shape), axis=1)
            place = np.insert(place + part.start, part.axis, part.index, axis=1)
            rows = np.insert(place, 0, number, axis=1)
            found.setdefault((int(one), int(name)), []).append((ranks[flat], rows))


def _lowest(
    parts: list[tuple[NDArray[np.uint64], NDArray[np.int64]]], count: int
) -> NDArray[np.int64]:
    ranks = np.concatenate([r for r, _ in parts])
    rows = np.concatenate([r for _, r in parts])
    return rows[np.argsort(ranks, kind="stable")[:count]]


def _shares(sizes: dict[Group, int], total: int) -> dict[Group, int]:
    """How many of each group: first by kind, then alike; what is left goes on."""
    kinds = sorted({kind for kind, _ in sizes})
    parts = sum(PARTS[LabelKind(kind)] for kind in kinds)
    shares: dict[Group, int] = {}
    given = 0
    for at, kind in enumerate(reversed(kinds)):  # labelled voxels take what is left
        part = round(total * PARTS[LabelKind(kind)] / parts) if parts else 0
        room = total - given if at == len(kinds) - 1 else part
        mine = {g: n for g, n in sizes.items() if g[0] == kind}
        for group, share in _alike(mine, room).items():
            shares[group] = share
            given += share
    left = total - given
    for group in sorted(sizes, reverse=True):
        more = min(left, sizes[group] - shares[group])
        shares[group] += more
        left -= more
    return shares


def _alike(sizes: dict[Group, int], total: int) -> dict[Group, int]:
    """Share out evenly; small groups give all they have."""
    shares, left = {}, total
    for at, group in enumerate(sorted(sizes, key=lambda g: sizes[g])):
        shares[group] = min(sizes[group], left // (len(sizes) - at))
        left -= shares[group]
    return shares


def match(
    mine: FeatureTable, other: FeatureTable
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the voxels that two tables share: their rows here, and there."""
    _, here, there = np.intersect1d(
        _keys(mine, mine.names), _keys(other, mine.names), return_indices=True
    )
    return here, there


def _keys(table: FeatureTable, names: tuple[str, ...]) -> NDArray[Any]:
    """One key for each voxel; volumes that `names` lacks get numbers of their own."""
    known = {name: i for i, name in enumerate(names)}
    numbers = [known.get(n, len(names) + i) for i, n in enumerate(table.names)]
    volume = np.asarray(numbers, np.int64)[table.volume]
    return np.rec.fromarrays([volume, *table.position.T])
