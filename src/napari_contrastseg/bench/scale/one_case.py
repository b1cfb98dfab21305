"""One volume or picture, step by step, in a process of its own; prints one JSON line.

Run as ``python -m napari_contrastseg.bench.scale.one_case CASE``, where CASE is the
JSON of a `Case`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.measure.anonymous import anonymous, peak
from napari_contrastseg.bench.scale.inputs import picture_truth, truth_of
from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.models.predict import SlicesPrediction, predict_volume
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.learning.runtime.device import pick_device, prepare
from napari_contrastseg.recipes import DEFAULT
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.freeze import (
    FrozenVolumes,
    frozen_classes,
    labelled_slices,
    settled_slices,
)
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.derive import derive, derive_request
from napari_contrastseg.tasks.events import TrainingBegan
from napari_contrastseg.tasks.exports import Output
from napari_contrastseg.tasks.exports import masks as mask_export
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.review_queue import review_order
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.volume_record import VolumeRecord

#: Slices that are labelled whole, as parts of the volume.
LABELLED: Final = (0.2, 0.4, 0.6, 0.8)
#: Slices that are derived from labels after one has been accepted.
DERIVED: Final = 4
_DISC: Final = 12
_EVERY_TENTH: Final = 10
#: Squares of a picture that are labelled, and pixels of their sides.
_SQUARES, _SIDE = ((0.5, 0.5), (0.1, 0.1), (0.5, 0.26)), 512


@dataclass(frozen=True)
class Case:
    """What to go through.

    Attributes
    ----------
    kind : {"volume", "picture"}
    path, folder : str
        The image, and where files may be written.
    steps : int
        Training steps.
    slices : int or None
        Slices to predict; None for all.
    """

    kind: str
    path: str
    folder: str
    steps: int
    slices: int | None = None


class Stopwatch:
    """Seconds and peak memory of each step; what cannot be done is noted.

    Memory is that of this process and of any that it started, together.
    """

    def __init__(self) -> None:
        self.imports = anonymous()
        self.steps: dict[str, dict[str, Any]] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Measure one step; the steps after one that failed are left out."""
        found = self.steps[name] = {}
        try:
            with peak(self.imports) as seen:
                began = time.perf_counter()
                yield found
                found["seconds"] = round(time.perf_counter() - began, 3)
        except (MemoryError, RuntimeError, ValueError) as error:
            cause = " ".join(str(error).split()) or type(error).__name__
            found["failed"] = cause[:300]
            raise StepFailedError from error
        finally:
            found["peak_mb"] = round(seen.together / 2**20, 1)


class StepFailedError(Exception):
    """A step could not be done, so that those after it have nothing to go on with."""


@dataclass
class Work:
    """The session as the steps make it."""

    case: Case
    watch: Stopwatch = field(default_factory=Stopwatch)
    session: Session = field(default_factory=Session)
    model: Model | None = None
    predicted: list[int] = field(default_factory=list)

    @property
    def record(self) -> VolumeRecord:
        """The only volume."""
        (record,) = self.session.records.values()
        return record

    @property
    def name(self) -> str:
        """Its id."""
        return self.record.volume.id


def go_through(case: Case) -> dict[str, Any]:
    """Do all steps; what was measured of each."""
    work = Work(case)
    order = [add, paint, learn, predict, in_memory, judge, accept, export, reopen]
    if case.kind == "volume":
        order.insert(order.index(export), derived)
    else:
        order.remove(accept)  # a picture's slice is all that there is
        order.remove(in_memory)
    try:
        for step in order:
            with work.watch.step(step.__name__) as found:
                step(work, found)
    except StepFailedError:
        pass
    steps = work.watch.steps
    most = max(step["peak_mb"] for step in steps.values())
    whole = round(work.watch.imports / 2**20, 1)
    return {"imports_mb": whole, "peak_mb": most, "steps": steps}


def add(work: Work, _found: dict[str, Any]) -> None:
    """Read the image and add it."""
    work.session.add_volume(read_volume(Path(work.case.path), as_one=True))
    work.session.add_class("tube")


def paint(work: Work, found: dict[str, Any]) -> None:
    """Label some slices whole, or squares of a picture; then time small strokes."""
    for window, truth in _labels(work.record, work.case.kind):
        values = np.where(truth, 1, BACKGROUND).astype(np.int64)
        _stroke(work, window, values)
        if work.case.kind == "volume":
            painting.mark(work.session, work.name, window[0].start, Status.DONE)
    shape, times = work.record.volume.shape, []
    for number in range(_EVERY_TENTH):
        z = shape[0] // 2 if number % 2 else 0
        y = min(shape[1] - _DISC, 8 + _DISC * number)
        window = (slice(z, z + 1), slice(y, y + _DISC), slice(0, _DISC))
        began = time.perf_counter()
        _stroke(work, window, np.full((1, _DISC, _DISC), BACKGROUND))
        times.append(time.perf_counter() - began)
    found["stroke_ms"] = round(1000 * max(times), 2)


def _labels(
    record: VolumeRecord, kind: str
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_]]]:
    """Give what is labelled: windows of the volume, and where the structure is."""
    shape = record.volume.shape
    if kind == "volume":
        for part in LABELLED:
            z = round(part * (shape[0] - 1))
            whole = (slice(z, z + 1), slice(0, shape[1]), slice(0, shape[2]))
            yield whole, truth_of(z, shape)[None]
        return
    side = shape[1]
    size = min(_SIDE, side // 8)
    for down, right in _SQUARES:
        top, left = (round(at * side - size / 2) for at in (down, right))
        window = (slice(0, 1), slice(top, top + size), slice(left, left + size))
        yield window, picture_truth(side, top, left, size)[None]


def _stroke(work: Work, window: tuple[slice, ...], values: NDArray[Any]) -> None:
    """Paint a window of the volume as the brush does."""
    ink = work.record.ink
    old = ink[window].copy()
    ink[window] = values
    grid = np.indices(values.shape).reshape(3, -1)
    places = [at + part.start for at, part in zip(grid, window, strict=True)]
    stroke = (tuple(places), old.reshape(-1), values.reshape(-1))
    painting.commit_stroke(work.session, work.name, [stroke])


def learn(work: Work, found: dict[str, Any]) -> None:
    """Train the default recipe for some steps."""
    request = TrainRequest(
        volumes=FrozenVolumes(work.session),
        classes=frozen_classes(work.session),
        recipe=DEFAULT,
        budget=Budget(steps=work.case.steps),
        device="cpu",
        slices=work.session.slices,
    )
    for event in train(resolve_here(request)):
        if isinstance(event, TrainingBegan) and work.model is None:
            work.model = event.model
    found["steps"] = work.case.steps


def predict(work: Work, found: dict[str, Any]) -> None:
    """Predict all slices, or some from the middle one outward; show what was said."""
    model, record = work.model, work.record
    assert model is not None
    volume, axis = record.volume, record.axis
    labels, confidence = zeros(volume.shape, np.uint8), zeros(volume.shape, np.float16)
    count = volume.shape[axis]
    wanted = min(count, work.case.slices or count)
    began = time.perf_counter()
    for slices, said, sure in _predictions(model, volume, count // 2):
        np.moveaxis(labels, axis, 0)[slices] = said
        np.moveaxis(confidence, axis, 0)[slices] = sure
        work.predicted += slices.tolist()
        if len(work.predicted) >= wanted:
            break
    seconds, done = time.perf_counter() - began, len(work.predicted)
    area = math.prod(volume.shape) // count
    found["slices"], found["of"] = done, count
    found["whole_volume_seconds"] = round(seconds * count / done, 1)
    found["extrapolated"] = done < count
    found["voxels_per_s"] = round(done * area / seconds)
    info = RoundInfo(
        1, DEFAULT, labelled_slices(work.session), seconds,
        settled=settled_slices(work.session),
    )  # fmt: skip
    proposals = Proposals({work.name: Proposal(1, labels, confidence)})
    work.session.add_round(Round(info, model, proposals))


def _predictions(
    model: Model, volume: Any, first: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint8], NDArray[np.float16]]]:
    """Predict a few slices at a time, from one outward, by the first network."""
    device = pick_device("cpu")
    prepare(model.network, device)
    alone = replace(model, others=[])
    for event in predict_volume(alone, volume, device, first):
        if isinstance(event, SlicesPrediction):
            yield event.slices, event.labels, event.confidence


def in_memory(work: Work, found: dict[str, Any]) -> None:
    """Predict some of the slices once more, from an array in memory."""
    volume, model = work.record.volume, work.model
    assert model is not None
    first = max(0, volume.shape[0] // 2 - 8)
    part = slice(first, min(first + 16, volume.shape[0]))
    held = [np.array(volume.part(c, part)) for c in range(len(volume.data))]
    small = replace(volume, data=tuple(held))
    began = time.perf_counter()
    for _ in _predictions(model, small, small.shape[0] // 2):
        pass
    seconds = time.perf_counter() - began
    found["voxels_per_s"] = round(math.prod(small.shape) / seconds)


def judge(work: Work, found: dict[str, Any]) -> None:
    """Score the slices, find specks, and put the slices in order."""
    record = work.record
    assert record.proposal is not None
    said = record.proposal.prediction, record.proposal.confidence
    scores = score_slices(*said, record.axis)
    pieces = record.look_at_pieces(c.id for c in work.session.classes)
    work.session.take_pieces(work.name, pieces)
    queue = review_order(work.session, {work.name: scores})
    found["suggested"] = len(queue.suggestions)


def accept(work: Work, found: dict[str, Any]) -> None:
    """Accept a slice that was predicted and is not done."""
    open_ = set(review.slices_to_review(work.record).tolist())
    index = next(z for z in work.predicted if z in open_)
    changed = review.accept_slice(work.session, work.name, index)
    found["voxels"] = changed.voxels


def derived(work: Work, found: dict[str, Any]) -> None:
    """Derive some slices from the labels, as the window does after that."""
    request = derive_request(work.session, work.name)
    if request is None:
        return
    slices = derive(request, work.record.volume.shape[work.record.axis] // 2)
    began = time.perf_counter()
    for _ in zip(range(DERIVED), slices, strict=False):
        pass
    each = (time.perf_counter() - began) / DERIVED
    found["seconds_a_slice"] = round(each, 3)


def export(work: Work, found: dict[str, Any]) -> None:
    """Export what is labelled as a mask."""
    folder = Path(work.case.folder) / "masks"
    folder.mkdir()
    options = replace(mask_export.EXPORT.options, complete=False)
    written = mask_export.EXPORT.write(work.session, options, Output(folder, False))
    found["files"] = [path.name for path in written]


def reopen(work: Work, found: dict[str, Any]) -> None:
    """Save the session and open it."""
    folder = Path(work.case.folder) / "session"
    began = time.perf_counter()
    save_session(work.session, folder)
    found["save_seconds"] = round(time.perf_counter() - began, 3)
    back = load_session(folder)
    same = all(
        np.array_equal(mine, theirs)
        for mine, theirs in zip(
            work.record.ink, back.records[work.name].ink, strict=True
        )
    )
    found["same_ink"] = same


if __name__ == "__main__":
    print(json.dumps(go_through(Case(**json.loads(sys.argv[1])))))  # noqa: T201
