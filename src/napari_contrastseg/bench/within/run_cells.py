"""Run cells one after the other: each leaves a JSON file, and none is done twice."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari_contrastseg.bench.compare.stored_result import stored_result
from napari_contrastseg.bench.measure.spinning import spinning
from napari_contrastseg.bench.measure.subprocess_runner import Job, run_parallel
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json, write_json
from napari_contrastseg.tasks.events import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path


class AnyCell(Protocol):
    """A frozen dataclass that asks for a result."""

    @property
    def recipe(self) -> str:
        """Whose settings it is run with."""

    @property
    def preset(self) -> str:
        """Preset of these settings."""

    @property
    def name(self) -> str:
        """Name of its file, without ending."""

    @property
    def title(self) -> str:
        """Name for people."""

    @property
    def busy(self) -> int:
        """Programs that spin meanwhile."""

    @property
    def quick(self) -> bool:
        """Whether it needs no process of its own."""


@dataclass(frozen=True)
class Work:
    """How cells of one kind are done.

    Attributes
    ----------
    module : str
        Does a cell as a program, given the cell as JSON and a file.
    run : callable of a cell to what its file holds
    asked : callable of a cell to all that decides its result
    said : callable of a file's content to words for people
    """

    module: str
    run: Callable[[Any], dict[str, Any]]
    asked: Callable[[Any], dict[str, Any]]
    said: Callable[[dict[str, Any]], str]


def do_cells(
    cells: Sequence[AnyCell], folder: Path, work: Work
) -> Generator[Progress | Note, None, tuple[list[dict[str, Any]], dict[str, str]]]:
    """Do the cells that are not there yet.

    A cell that fails is named with the reason; the others go on.

    Returns
    -------
    what the files hold, and what failed

    Raises
    ------
    InputError
        A file is the result of another request.
    """
    files = {cell.name: folder / f"{cell.name}.json" for cell in cells}
    left = [
        cell
        for cell in cells
        if stored_result(files[cell.name], work.asked(cell), cell) is None
    ]
    if len(left) < len(cells):
        there = len(cells) - len(left)
        yield Note(f"{there} of {len(cells)} cells are there already.")
    failed: dict[str, str] = {}
    for number, cell in enumerate(left, start=1):
        with spinning(cell.busy):
            why = _do(cell, files[cell.name], work)
        if why is not None:
            failed[cell.name] = why
        said = f"failed: {why}" if why else work.said(read_json(files[cell.name]))
        yield Note(f"{cell.title}: {said}")
        yield Progress("cells", number / len(left))
    return [read_json(path) for path in files.values() if path.exists()], failed


def _do(cell: Any, path: Path, work: Work) -> str | None:
    """Do a cell, what trains in a process of its own; why it failed, or None."""
    if cell.quick:
        try:
            write_json(path, work.run(cell))
        except InputError as error:
            return str(error)
        return None
    order = (json.dumps(asdict(cell)), str(path))
    job = Job(work.module, order, path.with_suffix(".log"))
    ((_, why),) = run_parallel([job], 1)
    return why
