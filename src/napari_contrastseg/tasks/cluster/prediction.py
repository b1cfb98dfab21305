"""Prediction on a cluster: one case a task, a large one several; files written here."""

from __future__ import annotations

import shutil
import time
from collections import Counter, deque
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from napari_contrastseg.learning.models.model import CARD, WEIGHTS, load_model
from napari_contrastseg.tasks.cluster.case_there import (
    Answer,
    Parts,
    join_there,
    predict_part_there,
    predict_there,
    task_for,
)
from napari_contrastseg.tasks.cluster.connection import connected
from napari_contrastseg.tasks.cluster.done_cases import DoneCases
from napari_contrastseg.tasks.cluster.parcel import (
    NotSharedError,
    pack,
    with_companions,
    write_content,
)
from napari_contrastseg.tasks.cluster.place import (
    Connection,
    resources,
    submit,
    why_failed,
)
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.failed_cases import FailedCases
from napari_contrastseg.tasks.file_prediction import (
    cases_to_predict,
    forget_other_names,
    refuse_outputs,
    write_classes,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from napari_contrastseg.io.dataset import Dataset
    from napari_contrastseg.tasks.cluster.parcel import Parcel
    from napari_contrastseg.tasks.file_prediction import CaseFiles, FilePrediction

#: Seconds between two looks at the tasks.
PAUSE: Final = 0.05
#: Cases that run or wait at the scheduler, for each worker.
AHEAD: Final = 3
_ADVICE: Final = "what is written stays; give the same command again for the rest."


def predict_on_cluster(
    request: FilePrediction, address: str
) -> Generator[Note | Progress | dict[str, Any], None, None]:
    """Predict images on the workers of a cluster; the last event is the JSON report.

    A case that fails is named in the report's ``failed``; the others go on. What the
    same prediction wrote before it was interrupted is not predicted again.

    Raises
    ------
    InputError
        Model, input or cluster cannot be used, or the connection is lost.
    """
    request = _absolute(request)
    model = load_model(request.model)
    cases, dataset = cases_to_predict(request, model)
    images = _Images(request, dataset)
    packed = _pack_model(request.model)
    done = DoneCases(request, packed.digest)
    known = [c for c in cases if done.named(c) and done.has(c, images.of(c).digest)]
    left = [case for case in cases if case not in known]
    refuse_outputs(request, left, model)
    if known:
        yield Note(f"{len(known)} of {len(cases)} cases are there already.")
    failed, by, ended = FailedCases(len(cases)), Counter[str](), 0
    start = time.perf_counter()
    with connected(address) as client:
        forget_other_names(request, model)
        run = _Run(Connection(client, address), request, packed, images)
        for event in run.all(left):
            if isinstance(event, Note):
                yield event
                continue
            if isinstance(event, float):  # parts of cases that are done
                yield Progress("predict", (ended + event) / len(left))
                continue
            case, answer = event
            ended += 1
            if isinstance(answer, Answer):
                yield from map(Note, answer.notes)
                _write(case, answer)
                done.add(case, images.of(case).digest)
                by[answer.worker] += 1
            else:
                yield failed.add(case.case, answer)
            yield Progress("predict", (ended + run.done_of_parts()) / len(left))
    if not failed.why:
        done.forget()
    written = [case for case in cases if case.case not in failed.why]
    if written:
        write_classes(request, model)
    yield {
        "cases": [case.case for case in written],
        "files": [str(path) for case in written for path in case.outputs],
        "failed": failed.why,
        "workers": dict(by),
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mb": None,
    }


def _absolute(request: FilePrediction) -> FilePrediction:
    """Name files in full, as a worker has another working directory."""
    return replace(
        request, model=request.model.absolute(), source=request.source.absolute()
    )


def _pack_model(folder: Path) -> Parcel:
    names = [folder / CARD, folder / WEIGHTS, *folder.glob("axis-*")]
    return pack(folder, names)


def _write(case: CaseFiles, answer: Answer) -> None:
    """Write what a worker made of a case."""
    for path in case.outputs:
        if path.is_dir():  # of several files, which are not all of the same name
            shutil.rmtree(path)
    write_content(case.mask.parent, answer.files)


class _Images:
    """The image files of cases, hashed when they are asked for."""

    def __init__(self, request: FilePrediction, dataset: Dataset | None) -> None:
        self.dataset = dataset
        self.root = request.source if dataset is not None else request.source.parent
        self._packed: dict[str, Parcel] = {}

    def of(self, case: CaseFiles) -> Parcel:
        """List the files of a case."""
        if case.case not in self._packed:
            files = [p for file in case.images for p in with_companions(file)]
            self._packed[case.case] = pack(self.root, files)
        return self._packed[case.case]


class _Run:
    """Cases on their way through a cluster."""

    def __init__(
        self,
        connection: Connection,
        request: FilePrediction,
        model: Parcel,
        images: _Images,
    ) -> None:
        self._connection, self._request, self._images = connection, request, images
        self._packed = model
        self._model: Any = model
        self._shared = True
        self._resources = resources(connection.client, request.device)
        self._running: dict[Any, CaseFiles] = {}
        #: The parts of a case whose answer joins them.
        self._parts: dict[Any, list[Any]] = {}

    def all(
        self, cases: Sequence[CaseFiles]
    ) -> Iterator[Note | float | tuple[CaseFiles, Answer | str]]:
        """Give each case's answer, or why it failed, as they come.

        With them comes how much is done of cases in parts, as a number of cases.
        """
        waiting, before = deque(cases), 0.0
        while waiting or self._running:
            while waiting and len(self._running) < AHEAD * self._connection.workers:
                self._send(waiting.popleft())
            ended = [future for future in self._running if future.status != "pending"]
            self._connection.check(_ADVICE)
            for future in ended:
                case = self._running.pop(future)
                answer = self._answer(future)
                self._parts.pop(future, None)
                if answer is None:
                    waiting.appendleft(case)
                elif isinstance(answer, Parts):
                    self._send_parts(case, answer.count)
                else:
                    yield case, answer
            yield from self._connection.notes()
            if (done := self.done_of_parts()) > before:
                yield done
            before = done
            if not ended:
                time.sleep(PAUSE)

    def _send(self, case: CaseFiles) -> None:
        future = self._submit(predict_there, case, self._of(case))
        self._running[future] = case

    def _send_parts(self, case: CaseFiles, count: int) -> None:
        """Let several workers predict slices of a case, and one put them together."""
        images = self._of(case)
        if not self._shared:  # once to each worker
            images = submit(self._connection.client, _as_it_is, images)
        parts = [
            self._submit(predict_part_there, case, images, (number, count))
            for number in range(count)
        ]
        future = self._submit(join_there, case, images, parts)
        self._running[future], self._parts[future] = case, parts

    def done_of_parts(self) -> float:
        """Say how much is done of cases in parts, as a number of cases."""
        done = (
            sum(part.status == "finished" for part in parts) / (len(parts) + 1)
            for parts in self._parts.values()
        )
        return float(sum(done))

    def _of(self, case: CaseFiles) -> Any:
        """List the images of a case, with their bytes where these have to be sent."""
        images = self._images.of(case)
        return images if self._shared else images.with_content()

    def _submit(self, function: Any, case: CaseFiles, images: Any, *more: Any) -> Any:
        task = task_for(
            self._request, case, self._images.dataset, self._images.root,
            self._connection.workers,
        )  # fmt: skip
        return submit(
            self._connection.client, function, self._model, images, task, *more,
            resources=self._resources, key=f"predict-{case.case}-{uuid4().hex}",
        )  # fmt: skip

    def _answer(self, future: Any) -> Answer | Parts | str | None:
        """Give what came of a task; None where its files have to be sent."""
        try:
            error = future.exception()
            if error is None:
                answer: Answer | Parts = future.result()
                return answer
        except (OSError, CancelledError) as error:
            raise self._connection.lost(_ADVICE) from error
        if not isinstance(error, NotSharedError):
            return why_failed(error)
        if self._shared:
            self._shared = False
            # workers hand it on to each other, and make it again if one is lost
            model = self._packed.with_content()
            self._model = submit(self._connection.client, _as_it_is, model)
        return None


def _as_it_is(model: Parcel) -> Parcel:
    return model
