"""Recipes and peers on one data set: fractions, folds, one JSON file a cell."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from napari_contrastseg.bench.compare import peers
from napari_contrastseg.bench.compare.cells import MODULE, Cell, asked
from napari_contrastseg.bench.compare.datasets import as_dataset, name_of, split_of
from napari_contrastseg.bench.compare.stored_result import stored_result
from napari_contrastseg.bench.compare.summary import summarise, table
from napari_contrastseg.bench.measure.subprocess_runner import Job, run_parallel
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder, replacing
from napari_contrastseg.io.json import read_json
from napari_contrastseg.recipes import catalogue
from napari_contrastseg.tasks.events import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from napari_contrastseg.io.dataset import Dataset

#: Compared when nothing is chosen, as far as there is such a recipe.
USUAL: Final = (
    "supervised",
    "simclr",
    "hu2021",
    "cssl2021",
    "mean_teacher",
    "recommended",
)
#: GPU memory that a cell is given, and the most cells at once.
CELL_GB, MOST_AT_ONCE = 12, 8


@dataclass(frozen=True)
class MethodsRequest:
    """A comparison, as the command line asks for it.

    Attributes
    ----------
    recipes : tuple of str
        Recipes or peers; empty for the usual ones.
    at_once : int or None
        Cells that run side by side; by free memory on CUDA, else one.
    steps : int or None
        Of every stage, in place of the budget's.
    inner : bool
        Test on the last quarter of each fold's training cases, to choose settings by.
    start : Path, optional
        Folder of a model, of other data maybe, whose weights stand for the pretraining.
    cluster : str, optional
        Address of a Dask scheduler whose workers do the cells.
    """

    dataset: Path
    out: Path
    recipes: tuple[str, ...] = ()
    fractions: tuple[float, ...] = (0.05, 0.1, 0.2)
    folds: tuple[int, ...] = (0,)
    budget: Literal["full", "short"] = "short"
    preset: str = "sound"
    device: str = "auto"
    seed: int = 0
    at_once: int | None = None
    steps: int | None = None
    inner: bool = False
    start: Path | None = None
    cluster: str | None = None


def methods(request: MethodsRequest) -> Iterator[Progress | Note | dict[str, Any]]:
    """Do the cells that are not there yet; the last event is the report.

    A cell that fails is named in the report's ``failed``; the others go on.

    Raises
    ------
    InputError
        Something that was asked for makes no sense; nothing is trained then.
    """
    from napari_contrastseg.learning.runtime.device import pick_device  # noqa: PLC0415

    recipes = request.recipes or tuple(n for n in USUAL if n in catalogue())
    _check_lists(recipes, request)
    device = request.device  # of a worker; this computer may have no GPU
    if request.cluster is None:
        device = str(pick_device(device))
    for recipe in recipes:
        peers.check(recipe, request.preset, device)
    need_folder(request.out)
    dataset = read_dataset(as_dataset(request.dataset, request.out / "data"))
    _check_split(dataset, request)
    cells = [
        Cell(
            str(dataset.root), recipe, request.preset, fraction, fold, request.seed,
            request.budget, device, request.steps, request.inner,
            None if request.start is None else str(request.start),
        )
        for fold in request.folds
        for fraction in request.fractions
        for recipe in recipes
    ]  # fmt: skip
    files = {cell: request.out / f"{cell.name}.json" for cell in cells}
    there = {c: stored_result(p, asked(c, dataset), c) for c, p in files.items()}
    left = [cell for cell in cells if there[cell] is None]
    if len(left) < len(cells):
        yield Note(f"{len(cells) - len(left)} of {len(cells)} cells are there already.")
    failed = yield from _do(left, files, _ends(left, files, request, device))
    found = [read_json(path) for path in files.values() if path.exists()]
    name = name_of(dataset)
    summary = summarise(found, name)
    where = "training cases held back" if request.inner else "test cases"
    about = (
        f"On {where}. Preset {request.preset}, budget {request.budget}, "
        f"seed {request.seed}, "
        f"{' and '.join(sorted({cell['device'] for cell in found}))}."
    )
    text = table(summary, name, about)
    with replacing(request.out / "table.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    yield {
        "dataset": name,
        "cells": [{k: v for k, v in c.items() if k != "request"} for c in found],
        "summary": summary,
        "failed": failed,
        "table": text,
    }


def _ends(
    cells: Sequence[Cell], files: dict[Cell, Path], request: MethodsRequest, device: str
) -> Iterator[Note | tuple[int, str | None]]:
    """Run cells, on a cluster or in processes of their own; gives each one's end."""
    if request.cluster is not None:
        from napari_contrastseg.bench.compare.cells_there import run_on_cluster  # noqa: PLC0415

        return run_on_cluster(cells, files, request.cluster)
    jobs = [
        Job(
            MODULE,
            (json.dumps(asdict(cell)), str(files[cell])),
            files[cell].with_suffix(".log"),
        )
        for cell in cells
    ]
    return run_parallel(jobs, request.at_once or usual_at_once(device))


def _do(
    cells: Sequence[Cell],
    files: dict[Cell, Path],
    ends: Iterator[Note | tuple[int, str | None]],
) -> Generator[Progress | Note, None, dict[str, str]]:
    """Say how cells end; returns what failed, by name."""
    failed: dict[str, str] = {}
    number = 0
    for end in ends:
        if isinstance(end, Note):
            yield end
            continue
        which, why = end
        cell, number = cells[which], number + 1
        if why is not None:
            failed[cell.name] = why
            yield Note(f"{cell.title}: failed: {why}")
        else:
            found = read_json(files[cell])
            yield Note(
                f"{cell.title}: Dice {found['mean_dice']}, {found['seconds']:.0f} s"
            )
        yield Progress("cells", number / len(cells))
    return failed


def usual_at_once(device: str) -> int:
    """How many cells fit side by side: by free memory on CUDA, else one."""
    if device != "cuda":
        return 1
    import torch

    free, _ = torch.cuda.mem_get_info()
    return max(1, min(MOST_AT_ONCE, free // (CELL_GB * 2**30)))


def _check_lists(recipes: Sequence[str], request: MethodsRequest) -> None:
    for option, values in (
        ("--recipes", recipes),
        ("--fractions", request.fractions),
        ("--folds", request.folds),
    ):
        if not values:
            raise InputError(f"{option}: names nothing; give at least one.")
        twice = next((v for v in values if list(values).count(v) > 1), None)
        if twice is not None:
            raise InputError(f"{option}: {twice} is there twice; give it once.")
    wrong = next((f for f in request.fractions if not 0 < f <= 1), None)
    if wrong is not None:
        raise InputError(f"--fractions: {wrong:g} must lie within 0 and 1.")
    negative = next((f for f in request.folds if f < 0), None)
    if negative is not None:
        raise InputError(f"--folds: {negative} must be 0 or above.")


def _check_split(dataset: Dataset, request: MethodsRequest) -> None:
    """See that every fold has something to learn from and to be tested on."""
    with_labels = {case.id for case in dataset.cases if case.label is not None}
    for fold in request.folds:
        split = split_of(dataset, fold, inner=request.inner)
        for what, names in (("training", split.train), ("test", split.test)):
            if not with_labels & set(names):
                raise InputError(
                    f"{dataset.root}: has no {what} case with labels in fold {fold} "
                    f"({len(dataset.cases)} cases); give a larger data set."
                )
