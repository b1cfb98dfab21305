"""Which cases of a data set train, which are labelled, which test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.dataset import read_truth
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file
from napari_contrastseg.io.slice_axis import COARSEST, SliceAxis
from napari_contrastseg.learning.data.slice_axes import count_labelled_slices
from napari_contrastseg.learning.data.targets import TrainingVolume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.dataset import Dataset

#: ``--slices`` are taken from at most this many cases.
CASES_FOR_SLICES = 3


@dataclass(frozen=True)
class Labels:
    """How much of the training cases is labelled; at most one field is set."""

    slices: int | None = None
    fraction: float | None = None
    cases: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.slices, self.fraction, self.cases) if v is not None]
        if len(given) > 1:
            raise InputError(
                "Give one of --slices, --fraction and --labelled, not two."
            )
        if self.slices is not None and self.slices < 1:
            raise InputError(f"--slices {self.slices}: must be at least 1.")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise InputError(f"--fraction {self.fraction}: must lie within 0 and 1.")


@dataclass(frozen=True)
class Split:
    """Case ids that train and that test."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def split_cases(dataset: Dataset, fold: int | None) -> Split:
    """Shuffle the sorted case names with seed `fold`; the last n // 4 are for testing.

    Without a fold all cases train.
    """
    names = sorted(case.id for case in dataset.cases)
    if fold is None:
        return Split(tuple(names), ())
    if fold < 0:
        raise InputError(f"--fold {fold}: must be 0 or above.")
    shuffled = [str(n) for n in np.random.default_rng(fold).permutation(names)]
    tests = len(names) // 4
    return Split(
        tuple(shuffled[: len(names) - tests]), tuple(shuffled[len(names) - tests :])
    )


def even_slices(count: int, wanted: int) -> NDArray[np.int64]:
    """Space `wanted` slices evenly through `count`."""
    if wanted > count:
        raise InputError(
            f"{wanted} slices are asked for, but there are only {count}; ask for fewer."
        )
    return np.floor((np.arange(wanted) + 0.5) * count / wanted).astype(np.int64)


def share_slices(wanted: int, counts: Sequence[int]) -> list[int]:
    """Share slices out among cases that have `counts`; short ones give all they have.

    Raises
    ------
    InputError
        More are asked for than there are.
    """
    if wanted > sum(counts):
        raise InputError(
            f"--slices {wanted}: the first {len(counts)} training cases have "
            f"{sum(counts)} slices; ask for fewer."
        )
    shares = [0] * len(counts)
    while sum(shares) < wanted:
        left = wanted - sum(shares)
        room = [i for i, count in enumerate(counts) if shares[i] < count]
        for i in room[:left]:
            shares[i] += 1
    return shares


@dataclass(frozen=True, eq=False)
class Training:
    """The training part of a data set, read.

    Attributes
    ----------
    volumes : tuple of TrainingVolume
    slices : SliceAxis
        By which rule they have their slice axes.
    labelled_cases : tuple of str
    labelled_slices : int
    """

    volumes: tuple[TrainingVolume, ...]
    slices: SliceAxis
    labelled_cases: tuple[str, ...]
    labelled_slices: int


def read_training(
    dataset: Dataset,
    split: Split,
    labels: Labels,
    *,
    axis: int | None,
    unlabelled: bool,
) -> Training:
    """Read training cases with as much of their truth as `labels` grants.

    Parameters
    ----------
    axis : int, optional
        Slice axis in the order of each file's own array; each volume's coarsest by
        default.
    unlabelled : bool
        Also read the cases that stay unlabelled, for pretraining.

    Raises
    ------
    InputError
        More cases or slices are asked for than there are, or a case lacks a file.
    """
    dataset.check_labels(split.train)
    with_labels = [n for n in split.train if dataset.case(n).label is not None]
    chosen = _labelled_cases(with_labels, labels, dataset, len(split.train))
    cases = [dataset.case(n) for n in split.train if unlabelled or n in chosen]
    dataset.check_channels(case.id for case in cases)
    for case in cases:
        if case.id in chosen and case.label is not None:
            need_file(case.label)
    slices = COARSEST if axis is None else SliceAxis("file", axis)
    images = {case.id: slices.on(dataset.read(case)) for case in cases}
    shares: list[int] | None = None
    if labels.slices is not None:
        counts = [images[name].shape[images[name].axis] for name in chosen]
        shares = share_slices(labels.slices, counts)
    volumes = []
    for name, volume in images.items():
        target: NDArray[Any] | None = None
        if name in chosen:
            target = read_truth(dataset, dataset.case(name), volume)
            if shares is not None:
                share = shares[chosen.index(name)]
                target = _keep_slices(target, volume.axis, share)
        volumes.append(TrainingVolume(volume, target))
    count = count_labelled_slices(volumes)
    return Training(tuple(volumes), slices, tuple(chosen), count)


def _labelled_cases(
    available: Sequence[str], labels: Labels, dataset: Dataset, training: int
) -> list[str]:
    if not available:
        raise dataset.no_labels()
    if labels.cases is not None and not labels.cases:
        raise InputError("--labelled: names no case; give ID,ID,...")
    if labels.cases is not None:
        missing = [name for name in labels.cases if name not in available]
        if missing:
            raise InputError(
                f"--labelled: {', '.join(missing)} is not a labelled training case of "
                f"{dataset.root} (in this fold); choose from {available[0]}, ..."
            )
        return list(labels.cases)
    if labels.fraction is not None:
        return list(available[: max(1, int(labels.fraction * training + 1e-9))])
    if labels.slices is not None:
        return list(available[: min(CASES_FOR_SLICES, labels.slices)])
    return list(available)


def _keep_slices(truth: NDArray[Any], axis: int, wanted: int) -> NDArray[Any]:
    """Make every slice unknown but `wanted` evenly spaced ones."""
    kept = np.full_like(truth, -1)
    where: list[Any] = [slice(None)] * 3
    where[axis] = even_slices(truth.shape[axis], wanted)
    kept[tuple(where)] = truth[tuple(where)]
    return kept
