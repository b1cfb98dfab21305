"""Methods within one volume: a few slices labelled, one JSON file a cell, a summary."""

from __future__ import annotations

import json
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.bench.compare.datasets import as_dataset, name_of
from napari_contrastseg.bench.compare.stored_result import stored_result
from napari_contrastseg.bench.measure.subprocess_runner import Job, run_parallel
from napari_contrastseg.bench.within import answers, cells
from napari_contrastseg.bench.within.busy import spinning
from napari_contrastseg.bench.within.cells import WithinCell, asked
from napari_contrastseg.bench.within.one_volume import read_one
from napari_contrastseg.bench.within.plain import PLAIN
from napari_contrastseg.bench.within.summary import summarise
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder
from napari_contrastseg.io.json import read_json, write_json
from napari_contrastseg.tasks.events import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_contrastseg.io.dataset import Dataset

#: Axes of a file's array.
AXES: Final = 3


@dataclass(frozen=True)
class WithinRequest:
    """A comparison within single volumes, as the command line asks for it.

    Attributes
    ----------
    methods : tuple of str
        The plain ways are always added.
    cases : tuple of str, optional
        All cases with labels by default.
    out : Path, optional
        Folder for the cells; without one nothing is kept.
    """

    dataset: Path
    slices: tuple[int, ...]
    methods: tuple[str, ...]
    cases: tuple[str, ...] | None = None
    minutes: float | None = None
    steps: int | None = None
    scribbles: bool = False
    busy: int = 0
    axis: int = AXES - 1
    out: Path | None = None
    preset: str = "sound"
    device: str = "auto"
    seed: int = 0


def within(request: WithinRequest) -> Iterator[Progress | Note | dict[str, Any]]:
    """Do the cells that are not there yet; the last event is the report.

    A cell that fails is named in the report's ``failed``; the others go on.

    Raises
    ------
    InputError
        Something that was asked for makes no sense; nothing is run then.
    """
    check_lists(request)
    methods = (*PLAIN, *(m for m in request.methods if m not in PLAIN))
    for method in methods:
        answers.check(method, request.preset, request.device)
    if request.out is not None:
        need_folder(request.out)
    keep = nullcontext(request.out) if request.out else tempfile.TemporaryDirectory()
    with keep as folder:
        yield from _within(request, methods, Path(str(folder)))


def check_lists(request: WithinRequest) -> None:
    """Refuse lists that name nothing, something twice, or no number of slices.

    Raises
    ------
    InputError
        Naming the option.
    """
    for option, values in (
        ("--methods", request.methods),
        ("--slices", request.slices),
        ("--cases", request.cases),
    ):
        if values is not None:
            check_list(option, values)
    if min(request.slices) < 1:
        raise InputError(f"--slices: {min(request.slices)} must be at least 1.")


def check_list(option: str, values: Sequence[Any]) -> None:
    """Refuse a list that names nothing, or something twice.

    Raises
    ------
    InputError
        Naming the option.
    """
    if not values:
        raise InputError(f"{option}: names nothing; give at least one.")
    twice = next((v for v in values if list(values).count(v) > 1), None)
    if twice is not None:
        raise InputError(f"{option}: {twice} is there twice; give it once.")


def cases_of(dataset: Dataset, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Find the cases to work on: those that are wanted, or all with labels.

    Raises
    ------
    InputError
        There is no such case, or none has labels.
    """
    if wanted is not None:
        return tuple(dataset.case(name).id for name in wanted)
    found = tuple(case.id for case in dataset.cases if case.label is not None)
    if not found:
        raise InputError(f"{dataset.root}: no case has labels in labelsTr.")
    return found


def _within(
    request: WithinRequest, methods: Sequence[str], folder: Path
) -> Iterator[Progress | Note | dict[str, Any]]:
    dataset = read_dataset(as_dataset(request.dataset, folder / "data"))
    wanted: list[WithinCell] = []
    for case in cases_of(dataset, request.cases):
        reach = read_one(dataset, case, request.axis).extent
        for count in request.slices:
            if reach.is_few(count):
                wanted += [_cell(request, dataset, case, count, m) for m in methods]
            else:
                yield Note(
                    f"{case}: {count} is more than half of its {reach.length} slices; "
                    "left out."
                )
    files = {cell: folder / f"{cell.name}.json" for cell in wanted}
    there = {c: stored_result(p, asked(c, dataset), c) for c, p in files.items()}
    left = [cell for cell in wanted if there[cell] is None]
    if len(left) < len(wanted):
        done = len(wanted) - len(left)
        yield Note(f"{done} of {len(wanted)} cells are there already.")
    failed = yield from _do(left, files)
    found = [read_json(path) for path in files.values() if path.exists()]
    yield {
        "dataset": name_of(dataset),
        "axis": request.axis,
        "busy": request.busy,
        "scribbles": request.scribbles,
        "minutes": request.minutes,
        "steps": request.steps,
        "seed": request.seed,
        "cells": [{k: v for k, v in c.items() if k != "request"} for c in found],
        **summarise(found),
        "failed": failed,
    }


def _cell(
    request: WithinRequest, dataset: Dataset, case: str, count: int, method: str
) -> WithinCell:
    limited = answers.has_budget(method)
    return WithinCell(
        dataset=str(dataset.root),
        case=case,
        method=method,
        slices=count,
        axis=request.axis,
        scribbles=request.scribbles,
        busy=request.busy,
        seed=request.seed,
        preset=request.preset,
        minutes=request.minutes if limited else None,
        steps=request.steps if limited else None,
        device=request.device,
    )


def _do(
    left: Sequence[WithinCell], files: dict[WithinCell, Path]
) -> Generator[Progress | Note, None, dict[str, str]]:
    """Run cells one after the other; returns what failed, by name."""
    failed: dict[str, str] = {}
    for number, cell in enumerate(left, start=1):
        with spinning(cell.busy):
            why = _run(cell, files[cell])
        if why is not None:
            failed[cell.name] = why
            yield Note(f"{cell.title}: failed: {why}")
        else:
            found = read_json(files[cell])
            yield Note(f"{cell.title}: Dice {found['dice']}, {found['final_s']:.1f} s")
        yield Progress("cells", number / len(left))
    return failed


def _run(cell: WithinCell, path: Path) -> str | None:
    """Run a cell, what trains in a process of its own; why it failed, or None."""
    if answers.is_quick(cell.method):
        try:
            write_json(path, cells.run(cell))
        except InputError as error:
            return str(error)
        return None
    order = (json.dumps(asdict(cell)), str(path))
    job = Job(cells.MODULE, order, path.with_suffix(".log"))
    ((_, why),) = run_parallel([job], 1)
    return why
