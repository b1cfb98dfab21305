"""Training on a cluster: events and checkpoints come back, the model is saved here."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.cluster.connection import connected
from napari_contrastseg.tasks.cluster.kept_files import changes, take_over
from napari_contrastseg.tasks.cluster.parcel import (
    NotSharedError,
    pack,
    write_content,
)
from napari_contrastseg.tasks.cluster.place import (
    Connection,
    resources,
    submit,
    why_failed,
)
from napari_contrastseg.tasks.cluster.run_there import (
    ABANDONED,
    Seen,
    Trained,
    begin,
    cancel,
    look,
    train_there,
    without_places,
)
from napari_contrastseg.tasks.dataset import (
    CHECKPOINT,
    MODEL_CARD,
    forget_unfinished,
    is_unfinished,
)
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.splits import split_cases

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_contrastseg.tasks.cluster.parcel import Parcel
    from napari_contrastseg.tasks.dataset import DatasetTraining

#: Seconds between two looks at the run.
PAUSE: Final = 0.5
#: Seconds that a run has to end when it is cancelled.
LAST_SECONDS: Final = 30.0
_ADVICE: Final = (
    "the last checkpoint is kept; give the same command again to go on from it, with "
    "--cluster or without."
)


def train_on_cluster(
    request: DatasetTraining, address: str
) -> Generator[Progress | Note | dict[str, Any], None, None]:
    """Train on a worker of a cluster and save the model; the last event is the report.

    The checkpoints of the run are kept here, as those of a run without a cluster: when
    a worker is lost, another goes on from the last one.

    Raises
    ------
    InputError
        Something that was asked for cannot be had, or the connection is lost.
    """
    keep = request.out / CHECKPOINT
    unfinished = is_unfinished(request, keep)
    settings_of(recipe_named(request.recipe), request.preset, request.changes)
    data = _pack(request)
    need_folder(request.out)
    with connected(address) as client:
        if not unfinished:
            forget_unfinished(keep)
        run = _Run(Connection(client, address), request, data)
        try:
            trained = yield from run.to_its_end()
        except (KeyboardInterrupt, GeneratorExit):
            run.cancel()
            raise
    if trained.failed:
        raise InputError(trained.failed)
    if not trained.files:
        raise InputError(
            f"{address}: the run was ended, as nobody had asked about it for "
            f"{ABANDONED:g} s; {_ADVICE}"
        )
    # the card comes last: with it the model is whole
    names = sorted(trained.files, key=lambda name: (name == MODEL_CARD, name))
    write_content(request.out, {name: trained.files[name] for name in names})
    shutil.rmtree(keep, ignore_errors=True)
    yield trained.report | {"model": str(request.out), "worker": trained.worker}


def _pack(request: DatasetTraining) -> Parcel:
    """List the data set's files; of test cases only the names are of use."""
    root = request.dataset.absolute()
    dataset = read_dataset(root)
    test = {dataset.case(name) for name in split_cases(dataset, request.fold).test}
    unused = [path for case in test for path in case.images]
    unused += [case.label for case in test if case.label is not None]
    folders = [root / "imagesTr", root / "labelsTr"]
    there = [folder for folder in folders if folder.is_dir()]
    return pack(root, [root / "dataset.json", *there], unused)


class _Run:
    """A run on its way through a cluster: the task, and what is seen of it."""

    def __init__(
        self, connection: Connection, request: DatasetTraining, data: Parcel
    ) -> None:
        self._connection, self._request, self._data = connection, request, data
        self._keep = request.out / CHECKPOINT
        self._name = f"train-{uuid4().hex}"
        self._resources = resources(connection.client, request.device)
        self._begun, self._notes = False, 0
        self._marks: dict[str, str] = {}
        self._future = self._submit(data)

    def _submit(self, data: Parcel) -> Any:
        return submit(
            self._connection.client, train_there, self._name, data,
            without_places(self._request), str(self._request.out),
            resources=self._resources, key=self._name,
        )  # fmt: skip

    def to_its_end(self) -> Generator[Progress | Note, None, Trained]:
        """Follow the run; returns how it ended."""
        while True:
            while self._future.status == "pending":
                yield from self._look()
                yield from self._connection.notes()
                time.sleep(PAUSE)
            trained = self._result()
            if trained is not None:
                notes = trained.seen.notes[self._notes :]
                seen = replace(trained.seen, notes=notes)
                yield from self._take(seen, final=bool(trained.files))
                return trained
            self._name = f"train-{uuid4().hex}"
            self._future = self._submit(self._data.with_content())

    def _look(self) -> Iterator[Progress | Note]:
        found = self._ask(look, self._name, self._notes, self._marks)
        for worker, seen in found.items():
            if not isinstance(seen, Seen):
                continue
            if seen.waits:  # a worker that begins, be it the first or after a loss
                if self._begun:
                    yield Note(f"A worker was lost; {worker} takes the run up.")
                self._begun = True
                self._notes, self._marks = 0, {}
                kept = changes(self._keep, {})
                self._ask(
                    begin,
                    self._name,
                    kept.content if kept else {},
                    workers=[worker],
                )
            else:
                yield from self._take(seen)

    def _take(self, seen: Seen, *, final: bool = False) -> Iterator[Progress | Note]:
        """Keep the checkpoint, and pass on what was said."""
        if seen.checkpoint is not None and seen.checkpoint.marks and not final:
            take_over(self._keep, seen.checkpoint)
            self._marks = seen.checkpoint.marks
        yield from seen.notes
        self._notes += len(seen.notes)
        if seen.progress is not None:
            yield seen.progress

    def _ask(
        self, function: Any, *arguments: Any, workers: list[str] | None = None
    ) -> dict[str, Any]:
        """Ask all workers, or some; those that are just lost do not answer."""
        run = self._connection.client.run
        try:
            return dict(run(function, *arguments, workers=workers, on_error="return"))
        except (OSError, CancelledError) as error:
            raise self._connection.lost(_ADVICE) from error

    def _result(self) -> Trained | None:
        """Give how the run ended; None where its files have to be sent."""
        try:
            error = self._future.exception()
            if error is None:
                trained: Trained = self._future.result()
                return trained
        except (OSError, CancelledError) as lost:
            raise self._connection.lost(_ADVICE) from lost
        if isinstance(error, NotSharedError):
            return None
        raise InputError(
            f"{self._connection.address}: the training failed: {why_failed(error)}"
        )

    def cancel(self) -> None:
        """End the run after its step, and keep its last checkpoint."""
        if not self._begun:
            return  # it waits at the scheduler, who drops it with the connection
        deadline = time.monotonic() + LAST_SECONDS
        try:
            self._ask(cancel, self._name)
            while self._future.status == "pending" and time.monotonic() < deadline:
                time.sleep(PAUSE)
            if self._future.status == "finished":
                for _ in self._take(self._future.result().seen):
                    pass
        except (InputError, OSError, CancelledError):
            return  # the connection is lost: the checkpoint of before stays
