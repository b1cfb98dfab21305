"""A session with one volume of a data set, labelled as its truth says."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_contrastseg.bench.simulate.annotator import Annotator
from napari_contrastseg.bench.within.protocol import extent
from napari_contrastseg.bench.within.scribbles import scribbles
from napari_contrastseg.io.dataset import read_truth
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.intensities import levelled
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.proposers.proposer import LabelledVolume
from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.derived import settle_derived, take_slices
from napari_contrastseg.session.freeze import FrozenVolumes, frozen_classes
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.derive import derive, derive_request
from napari_contrastseg.tasks.events import Progress, StageReport
from napari_contrastseg.tasks.predict import Predicted, PredictedSlices, ShownSlice
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.round import Trained
from napari_contrastseg.tasks.round_in_session import round_in_session, take_up

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.bench.within.protocol import Extent
    from napari_contrastseg.io.dataset import Dataset
    from napari_contrastseg.learning.models.predict import Prediction
    from napari_contrastseg.learning.plan.stage import Budget
    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.tasks.round import RoundEvent


@dataclass(frozen=True, eq=False)
class OneVolume:
    """A session with one volume, and its truth.

    Attributes
    ----------
    session : Session
    record : VolumeRecord
    truth : (s0, s1, s2) int16
        -1 unknown, 0 background, else a class id.
    classes : dict of class id to name
    extent : Extent
        Of all classes along the slice axis.
    """

    session: Session
    record: VolumeRecord
    truth: NDArray[np.int16]
    classes: dict[int, str]
    extent: Extent

    @property
    def id(self) -> str:
        """Name of the volume."""
        return self.record.volume.id

    def planes(self, array: NDArray[Any]) -> NDArray[Any]:
        """Give a view of an array with its slice axis first."""
        return np.moveaxis(array, self.record.axis, 0)

    def label(self, slices: Sequence[int]) -> None:
        """Label slices in full."""
        Annotator(self.session, {self.id: self.truth}).label(self.id, slices)

    def scribble(self, slices: Sequence[int], seed: int) -> None:
        """Scribble on slices (see `scribbles`)."""
        ink = np.full(self.truth.shape, -1, np.int16)
        for index in slices:
            plane = self.planes(self.truth)[index]
            self.planes(ink)[index] = scribbles(plane, (seed, index))
        where = ink >= 0
        values = ink[where]
        values[values == NOTHING] = BACKGROUND
        painting.paint(self.session, self.id, where, values)

    def follow(self) -> None:
        """Bring the proposal up to date with the labels, as the window does."""
        request = derive_request(self.session, self.id)
        if request is not None:
            for part in derive(request, self.shown):
                take_slices(self.session, self.id, part.ground, part.found)
            settle_derived(self.session)
        self.leave_out_specks()

    def leave_out_specks(self) -> None:
        """Leave specks out of the proposal, as the window does."""
        if self.record.proposal is not None:
            pieces = self.record.look_at_pieces(sorted(self.classes))
            self.session.take_pieces(self.id, pieces)

    @property
    def shown(self) -> int:
        """Slice that a person looks at: the one in the middle of the structure."""
        return (self.extent.first + self.extent.last) // 2

    def known(self) -> LabelledVolume:
        """Give what a source of proposals sees."""
        volume, axis = self.record.volume, self.record.axis
        others = [i for i in range(3) if i != axis]
        z, y, x = (float(volume.spacing[i]) for i in (axis, *others))
        return LabelledVolume(
            truth=self.planes(self.record.truth),
            classes=tuple(sorted(self.classes)),
            image=levelled(volume, axis),
            spacing=(z, y, x),
            related=volume.kind == "volume",
        )


def read_one(dataset: Dataset, case_id: str, file_axis: int) -> OneVolume:
    """Open a case in a session of its own.

    Parameters
    ----------
    file_axis : int
        Slice axis, of the file's array.

    Raises
    ------
    InputError
        There is no such case, it has no labels, or none of a class.
    """
    case = dataset.case(case_id)
    if case.label is None:
        raise InputError(
            f"{dataset.root}: case {case_id} has no labels in labelsTr; choose others "
            "with --cases."
        )
    volume = dataset.read(case)
    truth = read_truth(dataset, case, volume)
    session = Session(SliceAxis("file", file_axis))
    record = session.add_volume(volume)
    for class_id, name in sorted(dataset.classes.items()):
        session.add_class_with_id(class_id)
        session.change_class(class_id, name=name)
    reach = extent(np.moveaxis(truth, record.axis, 0))
    if reach is None:
        raise InputError(
            f"{case.label}: holds no voxel of a class; choose others with --cases."
        )
    return OneVolume(session, record, truth, dict(dataset.classes), reach)


@dataclass
class RoundReport:
    """What a round gave, and when.

    Attributes
    ----------
    shown_s : float or None
        Seconds from the beginning to an answer for the shown slice.
    first : Prediction or None
        The first answer for the whole volume.
    first_s, trained_s, final_s : float
        Seconds from the beginning to that answer, to the end of training and to the
        last answer.
    steps : int
        Of all stages.
    """

    shown_s: float | None = None
    first: Prediction | None = None
    first_s: float = 0.0
    trained_s: float = 0.0
    final_s: float = 0.0
    steps: int = 0
    stages: list[dict[str, Any]] = field(default_factory=list)


def run_a_round(
    one: OneVolume, recipe: str, preset: str, budget: Budget, seed: int, device: str
) -> Generator[Progress, None, RoundReport]:
    """Do what *Run round* does in the window; the session holds the new proposal."""
    session, report = one.session, RoundReport()
    start = time.perf_counter()
    request = TrainRequest(
        volumes=FrozenVolumes(session),
        classes=frozen_classes(session),
        slices=session.slices,
        recipe=recipe,
        preset=preset,
        budget=budget,
        device=device,
        seed=seed,
        start=session.rounds.weights,
        spare_core=True,
        proposes=True,
    )
    shown = ShownSlice(one.id, one.record.axis, one.shown)
    events = round_in_session(session, request, look=lambda: shown)
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            take_up(session, cast("Round", end.value))
            break
        _note(report, event, time.perf_counter() - start)
        if isinstance(event, Progress):
            yield event
    one.leave_out_specks()
    return report


def _note(report: RoundReport, event: RoundEvent, now: float) -> None:
    """Note what a round's event says, and when."""
    if isinstance(event, StageReport):
        report.steps += event.steps
        report.stages.append({"name": event.name, "steps": event.steps})
    elif isinstance(event, Trained):
        report.trained_s = now
    elif isinstance(event, PredictedSlices) and report.shown_s is None:
        report.shown_s = now
    elif isinstance(event, Predicted):
        report.final_s = now
        if report.first is None:
            report.first, report.first_s = event.prediction, now
