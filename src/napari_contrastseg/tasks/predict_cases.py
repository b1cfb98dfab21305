"""Predict all cases of a cohort, one after the other; one that fails stops no other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.cohort import read_case
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder
from napari_contrastseg.io.formats import mask_ending
from napari_contrastseg.io.images import file_stems, write_mask
from napari_contrastseg.io.scratch import copy_of
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.storage.large_files import LargeFileWriter
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.drive import failure
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.exports import Output
from napari_contrastseg.tasks.predict import Predicted, PredictRequest, predict
from napari_contrastseg.tasks.review_queue import trust_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.cohort import Cohort
    from napari_contrastseg.io.dataset import Case
    from napari_contrastseg.io.slice_axis import SliceAxis
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

#: Takes a case's volume and what is predicted of it, a little at each step.
Keep = Callable[["CaseWork", "Volume", Proposal], Iterable[object]]


@dataclass(frozen=True, eq=False)
class CaseWork:
    """A case to predict.

    Attributes
    ----------
    id : str
    read : callable
        Gives its volume, with its slice axis.
    record : VolumeRecord or None
        A copy of what a person did on it.
    proposal : Proposal or None
        What the round proposes already, of a case that is open.
    """

    id: str
    read: Callable[[], Volume]
    record: VolumeRecord | None = None
    proposal: Proposal | None = None


@dataclass(frozen=True, eq=False)
class CasesRequest:
    """A round's network, the cases, and where what it says of them is kept.

    Attributes
    ----------
    right : (STEPS + 1,) float
        How often a voxel of each confidence is right.
    """

    model: Model
    round: int
    cases: tuple[CaseWork, ...]
    keep: Keep
    right: NDArray[np.float64]
    device: str = "auto"


@dataclass(frozen=True)
class CasePredicted:
    """A case is predicted, and kept.

    Attributes
    ----------
    dice : float or None
        Foreground Dice to expect; None where all is background.
    """

    case_id: str
    dice: float | None


@dataclass(frozen=True)
class CaseFailed:
    """A case could not be predicted; `why` is one sentence."""

    case_id: str
    why: str


def cases_request(
    session: Session, keep: Keep, *, every: bool, device: str = "auto"
) -> CasesRequest:
    """Freeze what the prediction of a cohort needs; a person may go on.

    Parameters
    ----------
    every : bool
        Whether cases that are done are among them.
    """
    cohort, current = session.cohort, session.rounds.current
    assert cohort is not None
    assert current is not None
    records = session.all_records
    works = []
    for case in cohort.cases:
        note, record = session.case_notes.get(case.id), records.get(case.id)
        is_open = case.id in session.records
        if not every and note is not None and note.done:
            continue
        read = partial(_read, cohort, case, session.slices, current.model)
        proposal = None
        if record is not None:
            proposal = current.proposals.get(case.id) if is_open else None
            record, read = record.frozen(), partial(_volume_of, record.volume)
        works.append(CaseWork(case.id, read, record, proposal))
    return CasesRequest(
        _apart(current.model),
        current.info.number,
        tuple(works),
        keep,
        trust_of(session).right,
        device,
    )


def predict_cases(
    request: CasesRequest,
) -> Generator[Progress | CasePredicted | CaseFailed, None, None]:
    """Predict the cases; yields how each ended."""
    for number, work in enumerate(request.cases):
        try:
            for event in _predict_one(request, work):
                if isinstance(event, CasePredicted):
                    yield event
                else:
                    done = (number + event) / len(request.cases)
                    yield Progress("predict", done)
        except Exception as error:  # noqa: BLE001  the others go on
            yield CaseFailed(work.id, failure(error).message)


def _predict_one(
    request: CasesRequest, work: CaseWork
) -> Generator[float | CasePredicted, None, None]:
    from napari_contrastseg.insight.slice_scores import score_slices  # noqa: PLC0415

    volume, found = work.read(), work.proposal
    if found is None:
        asked = PredictRequest(request.model, (volume,), request.device, True)
        for event in predict(asked):
            if isinstance(event, Progress):
                yield event.fraction
            elif isinstance(event, Predicted):
                said = event.prediction
                found = Proposal(request.round, said.labels, said.confidence)
    assert found is not None
    scores = score_slices(found.prediction, found.confidence, volume.axis)
    for _ in request.keep(work, volume, found):
        yield 1.0
    dice = scores.whole_dice(request.right)
    yield CasePredicted(work.id, None if math.isnan(dice) else min(max(dice, 0), 1))


def into_session(folder: Callable[[], Path | None], current: Round) -> Keep:
    """Keep proposals in the session's folder, until their cases are opened.

    Parameters
    ----------
    folder : callable
        Gives it; a person may have the session kept elsewhere meanwhile.
    current : Round
    """

    def keep(work: CaseWork, _volume: Volume, found: Proposal) -> Iterable[object]:
        if work.proposal is not None:
            return ()  # the round has it
        place = folder()
        if place is None:
            raise InputError(
                "The session cannot be kept on the disk; save it elsewhere first."
            )
        files = LargeFileWriter(place)
        return files.write_proposal(current.info.key, work.id, found)

    return keep


def into_folder(session: Session, folder: Path, *, overwrite: bool) -> Keep:
    """Write masks as the export does: labels, and what is predicted elsewhere.

    Raises
    ------
    InputError
        One of the files is there already; nothing is written then.
    """
    assert session.cohort is not None
    names = [case.id for case in session.cohort.cases]
    endings = map(_mask_ending, session.cohort.cases)
    files_of = map("".join, zip(file_stems(names), endings, strict=True))
    paths = Output(folder, overwrite).claim(*files_of)
    need_folder(folder)
    files = dict(zip(names, paths, strict=True))

    def keep(work: CaseWork, volume: Volume, found: Proposal) -> Iterable[object]:
        write_mask(files[work.id], _with_labels(work, found), volume)
        return ()

    return keep


def _mask_ending(case: Case) -> str:
    """Give the ending of a case's mask, also of one that cannot be read by now."""
    try:
        return mask_ending(case.images[0])
    except InputError:
        return ".nii.gz"


def _with_labels(work: CaseWork, found: Proposal) -> NDArray[np.uint8]:
    if work.record is None:
        return found.prediction
    mask = copy_of(found.prediction)
    record = work.record
    ink = record.ink  # unpacked once
    for key in record.blocks():
        known, here = record.truth_in(key, ink), mask[key]
        np.copyto(here, known, where=known >= 0, casting="unsafe")
        here[here == BACKGROUND] = 0
    return mask


def _read(cohort: Cohort, case: Case, slices: SliceAxis, model: Model) -> Volume:
    """Read a case that nobody opened yet, as the model is to see it."""
    from napari_contrastseg.learning.models.voxel_size import sized  # noqa: PLC0415

    volume, _ = sized(model.card, model.in_order(read_case(cohort, case)))
    return slices.on(volume)


def _volume_of(volume: Volume) -> Volume:
    return volume


def _apart(model: Model) -> Model:
    """Copy a model: its networks move to a device and back, and others use them."""
    from copy import deepcopy  # noqa: PLC0415

    others = [_apart(other) for other in model.others]
    return replace(model, network=deepcopy(model.network), others=others)
