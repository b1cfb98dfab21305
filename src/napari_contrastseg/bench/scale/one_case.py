"""One volume or picture, step by step, in a process of its own.

Run as ``python -m napari_contrastseg.bench.scale.one_case CASE``, where CASE is the
JSON of a `Case`; prints a line of JSON for each step as it ends.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.measure.anonymous import anonymous
from napari_contrastseg.bench.measure.measured import limit_data, measured
from napari_contrastseg.bench.measure.subprocess_runner import (
    end_with_caller,
    print_found,
)
from napari_contrastseg.bench.scale.inputs import picture_truth, truth_of
from napari_contrastseg.bench.scale.kept_work import (
    keep_so_far,
    kept_so_far,
    save_part,
    save_work,
    saved_model,
    saved_part,
    saved_session,
)
from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.models.predict import SlicesPrediction, predict_part
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
    from collections.abc import Callable, Generator, Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.bench.measure.measured import Found
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.volume_record import VolumeRecord

    Step = Callable[["Work", Found], None]

#: Slices that are labelled whole, as parts of the volume.
LABELLED: Final = (0.2, 0.4, 0.6, 0.8)
#: Slices that are derived from labels after one has been accepted.
DERIVED: Final = 4
_DISC: Final = 12
_EVERY_TENTH: Final = 10
#: Slices that are predicted in one part, which is kept once it is there.
PART: Final = 16
#: Times that prediction from the file and from memory are compared.
TURNS: Final = 2
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
    keeps : bool
        Whether the session is kept between steps, so that a later process goes on.
    limit : float
        GB of data memory that this process may take; 0 for any.
    done : tuple of str
        Steps that an earlier process has done.
    """

    kind: str
    path: str
    folder: str
    steps: int
    slices: int | None = None
    keeps: bool = False
    limit: float = 0
    done: tuple[str, ...] = ()


@dataclass
class Work:
    """The session as the steps make it."""

    case: Case
    session: Session = field(default_factory=Session)
    model: Model | None = None

    @property
    def record(self) -> VolumeRecord:
        """The only volume."""
        (record,) = self.session.records.values()
        return record

    @property
    def name(self) -> str:
        """Its id."""
        return self.record.volume.id

    @property
    def folder(self) -> Path:
        """Where files may be written."""
        return Path(self.case.folder)


def go_through(case: Case) -> Generator[tuple[str, Found]]:
    """Do the steps that are not done; yields each with what was measured of it.

    The steps after one that failed are left out.
    """
    imports = anonymous()
    work = Work(case)
    if case.done:
        work.session, work.model = saved_session(work.folder), saved_model(work.folder)
    for name, step in steps_of(case.kind).items():
        if name in case.done:
            continue
        with measured(imports) as found:
            step(work, found)
        if case.keeps and "failed" not in found:
            save_work(work.folder, work.session, work.model)
        yield name, found
        if "failed" in found:
            return


def steps_of(kind: str) -> dict[str, Step]:
    """Give the steps of a volume, or of a picture, in order."""
    steps: dict[str, Step] = {
        "add": add,
        "paint": paint,
        "train": learn,
        "predict": predict,
        "in_memory": in_memory,
        "judge": judge,
        "accept": accept,
        "derived": derived,
        "export": export,
        "reopen": reopen,
    }
    if kind == "picture":  # its slice is all that there is
        for name in ("in_memory", "accept", "derived"):
            del steps[name]
    return steps


def add(work: Work, _found: Found) -> None:
    """Read the image and add it."""
    work.session.add_volume(read_volume(Path(work.case.path), as_one=True))
    work.session.add_class("tube")


def paint(work: Work, found: Found) -> None:
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


def learn(work: Work, found: Found) -> None:
    """Train the default recipe for some steps, on from the last checkpoint."""
    request = TrainRequest(
        volumes=FrozenVolumes(work.session),
        classes=frozen_classes(work.session),
        recipe=DEFAULT,
        budget=Budget(steps=work.case.steps),
        device="cpu",
        slices=work.session.slices,
        keep=work.folder / "checkpoint" if work.case.keeps else None,
    )
    seconds, found["earlier_peak"] = kept_so_far(work.folder)
    began, model = time.perf_counter() - seconds, None
    for event in train(resolve_here(request)):
        if isinstance(event, TrainingBegan) and model is None:
            model = event.model
        if work.case.keeps:
            most = max(found.seen.together, found["earlier_peak"])
            keep_so_far(work.folder, time.perf_counter() - began, most)
    work.model = model
    found["steps"] = work.case.steps
    found["seconds"] = round(time.perf_counter() - began, 3)


def predict(work: Work, found: Found) -> None:
    """Predict all slices, or parts from the middle outward; show what was said."""
    model, record = work.model, work.record
    assert model is not None
    volume, axis = record.volume, record.axis
    labels, confidence = zeros(volume.shape, np.uint8), zeros(volume.shape, np.float16)
    count = volume.shape[axis]
    wanted = min(count, work.case.slices or count)
    parts, seconds, done = max(1, count // min(PART, wanted)), 0.0, 0
    for part in sorted(range(parts), key=lambda n: abs(n - parts // 2)):
        said = _part(work, model, (part, parts))
        np.moveaxis(labels, axis, 0)[said["slices"]] = said["labels"]
        np.moveaxis(confidence, axis, 0)[said["slices"]] = said["confidence"]
        seconds, done = seconds + float(said["seconds"]), done + len(said["slices"])
        if done >= wanted:
            break
    area = math.prod(volume.shape) // count
    found["seconds"] = round(seconds, 3)
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


def _part(work: Work, model: Model, part: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """Predict a part of the slices, or give what an earlier process said of them."""
    said = saved_part(work.folder, part[0]) if work.case.keeps else None
    if said is None:
        began = time.perf_counter()
        said = _predicted(model, work.record.volume, part)
        said["seconds"] = np.array(time.perf_counter() - began)
        if work.case.keeps:
            save_part(work.folder, part[0], said)
    return said


def _predicted(
    model: Model, volume: Volume, part: tuple[int, int] = (0, 1)
) -> dict[str, NDArray[Any]]:
    """Predict a part of the slices by the first network."""
    device = pick_device("cpu")
    prepare(model.network, device)
    alone = replace(model, others=[])
    area = tuple(np.delete(volume.shape, volume.axis_of(model.card.input.axis)))
    found = [
        (event.slices, event.labels, event.confidence)
        for event in predict_part(alone, volume, device, part)
        if isinstance(event, SlicesPrediction)
    ]
    names = ("slices", "labels", "confidence")
    if len(found) == 1:  # a large picture is not copied
        return dict(zip(names, found[0], strict=True))
    # batches are not parted, so that a part may have none
    none = np.empty(0, int), np.empty((0, *area), np.uint8), np.empty((0, *area), "f2")
    joined = map(np.concatenate, zip(none, *found, strict=True))
    return dict(zip(names, joined, strict=True))


def in_memory(work: Work, found: Found) -> None:
    """Predict a part of the slices from the file, and from memory, by turns."""
    volume, model = work.record.volume, work.model
    assert model is not None
    parts = max(1, volume.shape[volume.axis] // PART)
    from_file, from_memory, voxels = 0.0, 0.0, 0
    for _ in range(TURNS):
        began = time.perf_counter()
        read = read_volume(Path(work.case.path), as_one=True)
        again = replace(volume, data=read.data)
        slices = _predicted(model, again, (parts // 2, parts))["slices"]
        from_file += time.perf_counter() - began
        part = slice(slices[0], slices[-1] + 1)
        held = [np.array(volume.part(c, part)) for c in range(len(volume.data))]
        small = replace(volume, data=tuple(held))
        began = time.perf_counter()
        _predicted(model, small)
        from_memory += time.perf_counter() - began
        voxels += math.prod(small.shape)
    found["voxels_per_s"] = round(voxels / from_memory)
    found["from_file_voxels_per_s"] = round(voxels / from_file)
    found["from_file_part"] = round(from_memory / from_file, 3)


def judge(work: Work, found: Found) -> None:
    """Score the slices, find specks, and put the slices in order."""
    record = work.record
    assert record.proposal is not None
    said = record.proposal.prediction, record.proposal.confidence
    scores = score_slices(*said, record.axis)
    pieces = record.look_at_pieces(c.id for c in work.session.classes)
    work.session.take_pieces(work.name, pieces)
    queue = review_order(work.session, {work.name: scores})
    found["suggested"] = len(queue.suggestions)


def accept(work: Work, found: Found) -> None:
    """Accept a slice that was predicted and is not done."""
    middle = work.record.volume.shape[work.record.axis] // 2
    open_ = review.slices_to_review(work.record).tolist()
    index = min(open_, key=lambda z: abs(z - middle))  # predicted, whatever the number
    changed = review.accept_slice(work.session, work.name, index)
    found["voxels"] = changed.voxels


def derived(work: Work, found: Found) -> None:
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


def export(work: Work, found: Found) -> None:
    """Export what is labelled as a mask."""
    folder = work.folder / "masks"
    folder.mkdir(exist_ok=True)
    options = replace(mask_export.EXPORT.options, complete=False)
    written = mask_export.EXPORT.write(
        work.session, options, Output(folder, overwrite=True)
    )
    found["files"] = [path.name for path in written]


def reopen(work: Work, found: Found) -> None:
    """Save the session and open it."""
    folder = work.folder / "session"
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier process
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
    end_with_caller()
    asked = Case(**json.loads(sys.argv[1]))
    limit_data(asked.limit)
    for name, found in go_through(asked):
        print_found({"step": name, "found": found})
