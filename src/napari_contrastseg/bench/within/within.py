"""Methods within one volume: a few slices labelled, one JSON file a cell, a summary."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_contrastseg.bench.compare.datasets import as_dataset, name_of
from napari_contrastseg.bench.within import answers, cells
from napari_contrastseg.bench.within.cells import WithinCell
from napari_contrastseg.bench.within.one_volume import read_one
from napari_contrastseg.bench.within.plain import PLAIN
from napari_contrastseg.bench.within.protocol import LAST_AXIS
from napari_contrastseg.bench.within.run_cells import Work, do_cells
from napari_contrastseg.bench.within.summary import summarise
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder
from napari_contrastseg.tasks.events import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_contrastseg.io.dataset import Dataset


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
    axis: int = LAST_AXIS
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
    with folder_of(request.out) as folder:
        yield from _within(request, methods, folder)


@contextmanager
def folder_of(out: Path | None) -> Iterator[Path]:
    """Give the folder for cells: `out`, or one that is gone afterwards."""
    if out is not None:
        need_folder(out)
        yield out
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


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
    left_out: list[Note] = []
    for case in cases_of(dataset, request.cases):
        reach = read_one(dataset, case, request.axis).extent
        for count in request.slices:
            if reach.is_few(count):
                wanted += [_cell(request, dataset, case, count, m) for m in methods]
            else:
                why = f"is more than half of its {reach.length} slices; left out."
                left_out.append(Note(f"{case}: {count} {why}"))
    if not wanted:
        raise InputError(
            "--slices: no case has slices enough; give at most half of the slices "
            "that its structures lie on."
        )
    yield from left_out
    work = Work(
        cells.MODULE,
        cells.run,
        lambda cell: cells.asked(cell, dataset),
        lambda found: f"Dice {found['dice']}, {found['final_s']:.1f} s",
    )
    found, failed = yield from do_cells(wanted, folder, work)
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
