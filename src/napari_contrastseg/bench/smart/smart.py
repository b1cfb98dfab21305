"""bench smart: time and quality of the smart brush, boxes and clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.bench.compare.datasets import name_of
from napari_contrastseg.bench.smart.hand import structures
from napari_contrastseg.bench.smart.quality import Trial, trials
from napari_contrastseg.bench.smart.times import times
from napari_contrastseg.io.dataset import read_dataset, read_truth
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_contrastseg.io.dataset import Dataset

#: Dice that a tool may lose against what was painted without being called worse.
_ALIKE = 0.01


@dataclass(frozen=True)
class SmartRequest:
    """What is to be measured, as the command line asks for it.

    Attributes
    ----------
    dataset : Path, optional
        For quality; without one only times are measured.
    cases : tuple of str, optional
        All cases with labels by default.
    slices : int
        Of each case, evenly spaced through the structure.
    file_axis : int
        Slice axis, of the file's array.
    sizes : tuple of int
        Sides of the slices that times are measured on, pixels; none: no times.
    """

    dataset: Path | None
    cases: tuple[str, ...] | None
    slices: int
    file_axis: int
    sizes: tuple[int, ...]
    seed: int


def smart(request: SmartRequest) -> Iterator[Progress | dict[str, Any]]:
    """Measure times on made slices, and quality on those of a data set.

    Yields
    ------
    Progress, and at last a dict

    Raises
    ------
    InputError
        There is no such case, or it has no labels.
    """
    report: dict[str, Any] = {"seed": request.seed}
    if request.dataset is not None:
        dataset = read_dataset(request.dataset)
        cases = _cases(dataset, request.cases)
        found: dict[int, list[Trial]] = {}
        for done, case in enumerate(cases):
            yield Progress(case, done / len(cases))
            for class_id, trial in _of_case(dataset, case, request):
                found.setdefault(class_id, []).append(trial)
        report |= {
            "dataset": name_of(dataset),
            "cases": list(cases),
            "slices": request.slices,
            "axis": request.file_axis,
            "quality": {
                dataset.classes[class_id]: _means(found[class_id])
                for class_id in sorted(found)
            },
        }
    report["times"] = {}
    for size in request.sizes:
        yield Progress(f"{size} x {size}", 0.0)
        report["times"][str(size)] = times(size, request.seed)
    yield report


def _cases(dataset: Dataset, wanted: Sequence[str] | None) -> tuple[str, ...]:
    labelled = tuple(case.id for case in dataset.cases if case.label is not None)
    if wanted is None:
        return labelled
    found = tuple(dataset.case(name).id for name in wanted)
    bare = next((name for name in found if name not in labelled), None)
    if bare is not None:
        raise InputError(
            f"{dataset.root}: case {bare} has no labels in labelsTr; choose others "
            "with --cases."
        )
    return found


def _of_case(
    dataset: Dataset, case_id: str, request: SmartRequest
) -> Iterator[tuple[int, Trial]]:
    """Try all structures on some slices of a case."""
    case = dataset.case(case_id)
    volume = dataset.read(case)
    session = Session(SliceAxis("file", request.file_axis))
    record = session.add_volume(volume)
    for class_id in sorted(dataset.classes):
        session.add_class_with_id(class_id)
    planes = np.moveaxis(read_truth(dataset, case, volume), record.axis, 0)
    there = np.flatnonzero((planes > 0).any(axis=(1, 2)))
    if not len(there):
        return
    even = np.linspace(there[0], there[-1], request.slices + 2)[1:-1]
    for index in sorted({round(float(place)) for place in even}):
        for number, (class_id, piece) in enumerate(structures(planes[index])):
            seed = (request.seed, index, number)
            for trial in trials(session, record, index, class_id, piece, seed):
                yield class_id, trial


def _means(found: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Mean Dice of each way, and how often ours was worse than what was painted."""
    means = {}
    for way in dict.fromkeys(trial.way for trial in found):
        mine = [trial for trial in found if trial.way == way]
        dice = {
            name: round(float(np.mean([getattr(t, name) for t in mine])), 3)
            for name in ("plain", "walker", "ours")
        }
        worse = float(np.mean([t.ours < t.plain - _ALIKE for t in mine]))
        means[way] = {"count": len(mine), **dice, "worse": round(worse, 2)}
    return means
