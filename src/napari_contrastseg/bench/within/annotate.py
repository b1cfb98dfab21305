"""Annotators who go on within single volumes: one file each, minutes beside a rival's.

Run as a module it does one volume in a process of its own.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from napari_contrastseg.bench.compare.cells import as_name
from napari_contrastseg.bench.compare.datasets import as_dataset, name_of
from napari_contrastseg.bench.compare.provenance import provenance
from napari_contrastseg.bench.measure.subprocess_runner import end_with_caller
from napari_contrastseg.bench.simulate.annotator import TimeModel
from napari_contrastseg.bench.within import answers
from napari_contrastseg.bench.within.courses import LEVELS, minutes_to, summarise
from napari_contrastseg.bench.within.going_on import (
    EVEN,
    PAINTED,
    PlainProposals,
    WayOfWorking,
    WindowProposals,
    go_on,
)
from napari_contrastseg.bench.within.one_volume import read_one
from napari_contrastseg.bench.within.plain import PLAIN
from napari_contrastseg.bench.within.protocol import LAST_AXIS
from napari_contrastseg.bench.within.run_cells import Work, do_cells
from napari_contrastseg.bench.within.within import (
    cases_of,
    check_list,
    folder_of,
)
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import to_plain, write_json
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.query import DEFAULT, strategy_named
from napari_contrastseg.recipes import base_of, catalogue
from napari_contrastseg.tasks.priority import TASK_NICENESS, lower_priority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.bench.within.going_on import Course, Proposes
    from napari_contrastseg.bench.within.one_volume import OneVolume
    from napari_contrastseg.io.dataset import Dataset
    from napari_contrastseg.tasks.events import Note, Progress

MODULE: Final = "napari_contrastseg.bench.within.annotate"
#: Dice from which a proposed slice is accepted as it is.
ACCEPT_FROM: Final = 0.95


@dataclass(frozen=True)
class GoingOnRequest:
    """Annotators within single volumes, as the command line asks for them."""

    dataset: Path
    recipe: str
    slices: tuple[int, ...]
    cases: tuple[str, ...] | None = None
    suggest: str = DEFAULT
    minutes: float | None = None
    steps: int | None = None
    axis: int = LAST_AXIS
    preset: str = "sound"
    seed: int = 0
    accept_from: float = ACCEPT_FROM
    time: TimeModel = field(default_factory=TimeModel)
    out: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class GoingOnCell:
    """One annotator with one volume; fields as in `WithinCell` and `WayOfWorking`."""

    dataset: str
    case: str
    method: str
    slices: tuple[int, ...]
    suggest: str
    axis: int
    seed: int
    preset: str
    minutes: float | None
    steps: int | None
    accept_from: float
    seconds: tuple[float, float, float, float]
    device: str
    busy: int = 0

    @property
    def recipe(self) -> str:
        """Whose settings it is run with."""
        return self.method

    @property
    def quick(self) -> bool:
        """Whether it needs no process of its own."""
        return answers.is_quick(self.method)

    @property
    def name(self) -> str:
        """Name of its file, without ending."""
        counts = "+".join(str(n) for n in self.slices)
        parts = ["goes-on", self.case, self.method, f"{counts}slices"]
        parts += [f"axis{self.axis}", self.suggest]
        if self.minutes is not None:
            parts.append(f"{self.minutes:g}min")
        if self.steps is not None:
            parts.append(f"{self.steps}steps")
        if self.preset != "sound":
            parts.append(self.preset)
        return as_name("-".join([*parts, f"seed{self.seed}"]))

    @property
    def title(self) -> str:
        """Name for people."""
        return f"{self.case} {self.method}"


def annotate_within(
    request: GoingOnRequest,
) -> Iterator[Progress | Note | dict[str, Any]]:
    """Let annotators go on, with the recipe and with the rival; last comes the report.

    A volume that fails is named in the report's ``failed``; the others go on.

    Raises
    ------
    InputError
        Something that was asked for makes no sense; nothing is run then.
    """
    _check(request)
    with folder_of(request.out) as folder:
        dataset = read_dataset(as_dataset(request.dataset, folder / "data"))
        wanted = []
        for case in cases_of(dataset, request.cases):
            reach = read_one(dataset, case, request.axis).extent
            if not reach.is_few(min(request.slices)):
                raise InputError(
                    f"--slices: {min(request.slices)} is more than half of the "
                    f"{reach.length} slices of {case}; begin with fewer."
                )
            wanted += [_cell(request, dataset, case, way) for way in PLAIN]
            wanted.append(_cell(request, dataset, case, request.recipe))
        work = Work(MODULE, run, lambda cell: asked(cell, dataset), _said)
        found, failed = yield from do_cells(wanted, folder, work)
        yield {
            "dataset": name_of(dataset),
            "within": True,
            "recipe": request.recipe,
            "preset": request.preset,
            "fold": None,
            "seed": request.seed,
            "suggest": request.suggest,
            "axis": request.axis,
            "slices": list(request.slices),
            "minutes": request.minutes,
            "steps": request.steps,
            "accept_from": request.accept_from,
            "cells": [{k: v for k, v in c.items() if k != "request"} for c in found],
            **summarise(found, request.recipe),
            "failed": failed,
        }


def _check(request: GoingOnRequest) -> None:
    strategy_named(request.suggest)
    check_list("--slices", request.slices)
    if request.cases is not None:
        check_list("--cases", request.cases)
    if list(request.slices) != sorted(request.slices):
        raise InputError("--slices: give rising numbers.")
    if base_of(request.recipe) not in catalogue():
        raise InputError(
            f"There is no recipe {request.recipe!r}; choose of "
            f"{', '.join(catalogue())}."
        )
    answers.check(request.recipe, request.preset, request.device)


def _cell(
    request: GoingOnRequest, dataset: Dataset, case: str, method: str
) -> GoingOnCell:
    rival, cost = method in PLAIN, request.time
    return GoingOnCell(
        dataset=str(dataset.root),
        case=case,
        method=method,
        slices=request.slices[:1] if rival else request.slices,
        suggest=EVEN if rival else request.suggest,
        axis=request.axis,
        seed=request.seed,
        preset=request.preset,
        minutes=None if rival else request.minutes,
        steps=None if rival else request.steps,
        accept_from=request.accept_from,
        seconds=(
            cost.slice_base,
            cost.per_boundary_voxel,
            cost.correction_base,
            cost.accept,
        ),
        device=request.device,
    )


def asked(cell: GoingOnCell, dataset: Dataset) -> dict[str, Any]:
    """Give all that decides a cell's result, as its file keeps it."""
    request = asdict(cell) | {
        "dataset": name_of(dataset),
        "classes": {str(k): name for k, name in dataset.classes.items()},
        "settings": to_plain(answers.settings(cell.method, cell.preset)),
        "painted": PAINTED,
    }
    del request["device"]
    return dict(json.loads(json.dumps(request)))


def run(cell: GoingOnCell) -> dict[str, Any]:
    """Do a cell here; returns what its file holds.

    Raises
    ------
    InputError
        The data or the recipe cannot be used.
    """
    made_with = provenance()
    dataset = read_dataset(Path(cell.dataset))
    one = read_one(dataset, cell.case, cell.axis)
    way = WayOfWorking(
        tuple(cell.slices),
        cell.suggest,
        cell.accept_from,
        max(LEVELS),
        TimeModel(*cell.seconds),
        cell.seed,
    )
    course = _to_the_end(one, _proposes(cell, one), way)
    return {
        "case": cell.case,
        "method": cell.method,
        "preset": cell.preset,
        "seed": cell.seed,
        "suggest": cell.suggest,
        "minutes_to": {
            f"{level:g}": minutes_to(level, course.points) for level in LEVELS
        },
        "done": course.done,
        "rounds": course.rounds,
        "points": course.points,
        **made_with,
        "request": asked(cell, dataset),
    }


def _proposes(cell: GoingOnCell, one: OneVolume) -> Proposes:
    for kind in PLAIN:
        if cell.method == kind:
            return PlainProposals(one, kind)
    import torch  # noqa: F401  the window has loaded it before

    lower_priority(TASK_NICENESS)
    budget = Budget(cell.steps, cell.minutes)
    return WindowProposals(
        one, cell.method, cell.preset, budget, cell.seed, cell.device
    )


def _to_the_end(one: OneVolume, proposes: Proposes, way: WayOfWorking) -> Course:
    events = go_on(one, proposes, way)
    while True:
        try:
            next(events)
        except StopIteration as end:
            return cast("Course", end.value)


def _said(found: dict[str, Any]) -> str:
    last = found["points"][-1]
    return f"Dice {last['dice']:.3f} after {last['annotator_seconds'] / 60:.1f} min"


def main(words: str, out: str) -> None:
    """Do the cell that `words` describe as JSON, and write its file."""
    given = json.loads(words)
    given |= {name: tuple(given[name]) for name in ("slices", "seconds")}
    try:
        write_json(Path(out), run(GoingOnCell(**given)))
    except InputError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    end_with_caller()
    main(*sys.argv[1:])
