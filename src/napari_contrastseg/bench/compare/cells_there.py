"""Cells of `bench methods` on the workers of a cluster: one a task, each in a process.

The data set travels once to each worker that does not read the same files itself.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.bench.compare.cells import MODULE, asked
from napari_contrastseg.bench.measure.subprocess_runner import Job, run_job
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json, write_json
from napari_contrastseg.tasks.cluster.connection import connected
from napari_contrastseg.tasks.cluster.parcel import NotSharedError, pack
from napari_contrastseg.tasks.cluster.place import (
    Connection,
    resources,
    submit,
    why_failed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from napari_contrastseg.bench.compare.cells import Cell
    from napari_contrastseg.tasks.cluster.parcel import Parcel
    from napari_contrastseg.tasks.events import Note

#: Seconds between two looks at the cells.
PAUSE: Final = 0.2
_ADVICE: Final = "what is done stays; give the same command again for the rest."


def run_on_cluster(
    cells: Sequence[Cell], files: Mapping[Cell, Path], address: str
) -> Iterator[Note | tuple[int, str | None]]:
    """Do cells on workers and write their files here.

    Yields
    ------
    Note, or the number of the cell that ended with why it failed or None

    Raises
    ------
    InputError
        The cluster cannot be used, or the connection is lost.
    """
    if not cells:
        return
    with connected(address) as client:
        yield from _Cells(Connection(client, address), cells, files).all()


class _Cells:
    """Cells on their way through a cluster."""

    def __init__(
        self, connection: Connection, cells: Sequence[Cell], files: Mapping[Cell, Path]
    ) -> None:
        self._connection, self._cells, self._files = connection, cells, files
        self._dataset = read_dataset(Path(cells[0].dataset))
        paths = [Path(cells[0].dataset), *(Path(c.start) for c in cells[:1] if c.start)]
        self._sent: dict[str, Any] = {}
        self._parcels = {str(path): _pack(path) for path in paths}
        self._resources = resources(connection.client, cells[0].device)

    def all(self) -> Iterator[Note | tuple[int, str | None]]:
        """Give each cell's end as it comes."""
        running = {self._send(cell): n for n, cell in enumerate(self._cells)}
        while running:
            ended = [future for future in running if future.status != "pending"]
            self._connection.check(_ADVICE)
            for future in ended:
                number = running.pop(future)
                if self._lacks_files(future):
                    running[self._send(self._cells[number])] = number
                else:
                    yield number, self._written(self._cells[number], future)
            yield from self._connection.notes()
            if not ended:
                time.sleep(PAUSE)

    def _send(self, cell: Cell) -> Any:
        places = {path: self._place(path) for path in self._parcels}
        data, start = places[cell.dataset], places.get(cell.start or "")
        return submit(
            self._connection.client, cell_there, cell, data, start,
            resources=self._resources, key=f"cell-{cell.name}-{time.time_ns()}",
        )  # fmt: skip

    def _place(self, path: str) -> Any:
        return self._sent.get(path, self._parcels[path])

    def _lacks_files(self, future: Any) -> bool:
        """Whether its worker could not read the files; then they are sent from now."""
        if not isinstance(self._error(future), NotSharedError):
            return False
        for path, parcel in self._parcels.items():
            if path not in self._sent:
                # workers hand it on to each other, and make it again if one is lost
                self._sent[path] = submit(
                    self._connection.client, _as_it_is, parcel.with_content()
                )
        return True

    def _error(self, future: Any) -> BaseException | None:
        try:
            error: BaseException | None = future.exception()
        except (OSError, CancelledError) as lost:
            raise self._connection.lost(_ADVICE) from lost
        return error

    def _written(self, cell: Cell, future: Any) -> str | None:
        """Write what came of a cell; returns why it failed, or None."""
        error = self._error(future)
        if error is not None:
            return why_failed(error)
        try:
            found: dict[str, Any] = future.result()
        except (OSError, CancelledError) as lost:
            raise self._connection.lost(_ADVICE) from lost
        write_json(self._files[cell], found | {"request": asked(cell, self._dataset)})
        return None


def cell_there(cell: Cell, data: Parcel, start: Parcel | None) -> dict[str, Any]:
    """Do a cell on a worker, in a process of its own; returns what its file holds.

    Raises
    ------
    NotSharedError
        The files were not sent, and are not here.
    InputError
        The cell failed.
    """
    name = Path(cell.dataset).name
    with data.opened() as folder, TemporaryDirectory(prefix="contrastseg-") as own:
        mine = replace(cell, dataset=str(folder / name))
        if start is None:
            return _done(mine, Path(own))
        with start.opened() as models:
            model = models / Path(cell.start or "").name
            return _done(replace(mine, start=str(model)), Path(own))


def _done(cell: Cell, folder: Path) -> dict[str, Any]:
    """Run a cell's process; it ends with the wish for it."""
    out, closed = folder / "cell.json", threading.Event()
    watch = threading.Thread(
        target=_watch, args=(_is_wanted(), closed), name="contrastseg-cell", daemon=True
    )
    watch.start()
    try:
        job = Job(MODULE, (json.dumps(asdict(cell)), str(out)), folder / "cell.log")
        why = run_job(job, closed)
    finally:
        closed.set()
    if why is not None:
        raise InputError(why)
    return dict(read_json(out))


def _is_wanted() -> Callable[[], bool]:
    """Give what says whether the scheduler still wants this very task."""
    from distributed import get_worker  # noqa: PLC0415

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    return wanted


def _watch(wanted: Callable[[], bool], closed: threading.Event) -> None:
    while not closed.wait(1.0):
        if not wanted():
            closed.set()


def _pack(folder: Path) -> Parcel:
    """List a folder's files, with its name."""
    folder = folder.absolute()
    return pack(folder.parent, [folder])


def _as_it_is(files: Parcel) -> Parcel:
    return files
