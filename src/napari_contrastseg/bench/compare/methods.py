"""Recipes and peers on one data set: fractions, folds, one JSON file a cell."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from napari_contrastseg.bench.compare import peers
from napari_contrastseg.bench.compare.cells import MODULE, Cell, asked
from napari_contrastseg.bench.compare.controls import KINDS, can_have, control_cell
from napari_contrastseg.bench.compare.datasets import as_dataset, name_of, split_of
from napari_contrastseg.bench.compare.orders import orders, orders_table
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
    scale : float, optional
        Part of the budget's steps that every stage takes.
    controls : bool
        Do two controls of each recipe as well.
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
    at_once: int | None = None
    steps: int | None = None
    inner: bool = False
    start: Path | None = None
    seeds: tuple[int, ...] = (0,)
    scale: float | None = None
    controls: bool = False
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
    run = _Run(request, dataset, device)
    cells = [
        Cell(
            str(dataset.root), recipe, request.preset, fraction, fold, seed,
            request.budget, device, request.steps, request.inner,
            None if request.start is None else str(request.start), request.scale,
        )
        for seed in request.seeds
        for fold in request.folds
        for fraction in request.fractions
        for recipe in recipes
    ]  # fmt: skip
    if request.controls:
        for recipe in recipes:  # one after the other: each is whole when it is done
            own = [cell for cell in cells if cell.recipe == recipe]
            yield from run.with_controls(own)
    else:
        yield from run.do(cells)
    found = list(run.found.values())
    name = name_of(dataset)
    summary = summarise(found, name)
    where = "training cases held back" if request.inner else "test cases"
    scaled = f", {request.scale:g} of its steps" if request.scale else ""
    seeds = ", ".join(str(seed) for seed in request.seeds)
    about = (
        f"On {where}. Preset {request.preset}, budget {request.budget}{scaled}, "
        f"seed {seeds}, "
        f"{' and '.join(sorted({cell['device'] for cell in found}))}."
    )
    rows = orders(found)
    text = table(summary, name, about)
    if request.controls:
        text += f"\n{orders_table(rows)}\n"
    with replacing(request.out / "table.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    yield {
        "dataset": name,
        "cells": [{k: v for k, v in c.items() if k != "request"} for c in found],
        "summary": summary,
        "orders": rows,
        "failed": run.failed,
        "table": text,
    }


@dataclass
class _Run:
    """The cells of a command: what was found, and what failed, by name."""

    request: MethodsRequest
    dataset: Dataset
    device: str
    found: dict[Cell, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def do(self, cells: Sequence[Cell]) -> Iterator[Progress | Note]:
        """Do the cells that are not there yet."""
        files = {cell: self.request.out / f"{cell.name}.json" for cell in cells}
        there = {
            cell: stored_result(path, asked(cell, self.dataset), cell)
            for cell, path in files.items()
        }
        left = [cell for cell in cells if there[cell] is None]
        if len(left) < len(cells):
            done = len(cells) - len(left)
            yield Note(f"{done} of {len(cells)} cells are there already.")
        ends = _ends(left, files, self.request, self.device)
        self.failed |= yield from _do(left, files, ends)
        self.found |= {
            cell: read_json(path) for cell, path in files.items() if path.exists()
        }

    def with_controls(self, cells: Sequence[Cell]) -> Iterator[Progress | Note]:
        """Do the cells of a recipe, then their controls."""
        yield from self.do(cells)
        if not can_have(cells[0].recipe):
            return
        first: dict[Cell, Cell] = {}
        for kind in KINDS:
            controls = {}
            for cell in cells:
                if cell not in self.found:
                    continue
                before = self.found.get(first[cell]) if cell in first else None
                control = control_cell(cell, kind, self.found[cell], before)
                if control is not None:
                    controls[cell] = control
                elif kind == "steps":
                    yield Note(
                        f"{cell.title}: has no controls, for its result is older than "
                        "the figures that they are made from."
                    )
            first = first or controls
            yield from self.do(list(controls.values()))


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
        ("--seed", request.seeds),
    ):
        if not values:
            raise InputError(f"{option}: names nothing; give at least one.")
        twice = next((v for v in values if list(values).count(v) > 1), None)
        if twice is not None:
            raise InputError(f"{option}: {twice} is there twice; give it once.")
    wrong = next((f for f in request.fractions if not 0 < f <= 1), None)
    if wrong is not None:
        raise InputError(f"--fractions: {wrong:g} must lie within 0 and 1.")
    for option, values in (("--folds", request.folds), ("--seed", request.seeds)):
        negative = next((value for value in values if value < 0), None)
        if negative is not None:
            raise InputError(f"{option}: {negative} must be 0 or above.")
    if request.steps is not None and (request.scale or request.controls):
        raise InputError(
            "--steps: gives every stage the same length, which leaves nothing for "
            "--scale and --controls; leave it or them out."
        )


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
