"""A round made of what a run gave, in a session that has changed meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from napari_contrastseg.io.cohort import find_cohort, read_case
from napari_contrastseg.learning.models.predict import Prediction
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.round_result import RoundResult, round_of
from napari_contrastseg.ui.learn.requests import freeze
from tests.kit import nifti

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.samples.samples import Sample

MODEL: Any = SimpleNamespace()


def test_a_round_knows_its_seconds_and_silhouettes(
    session: Session, sample: Sample
) -> None:
    request, result = freeze(session, "round", None), result_of(sample)
    scores = SimpleNamespace(classes={1: 0.5, 2: 0.25})
    result.embedding = cast("Any", SimpleNamespace(silhouettes=scores))
    made = round_of(session, request, result, 12.5)
    assert made.info.number == 3
    assert made.info.seconds == 12.5
    assert made.info.silhouette == {"core": 0.5, "shell": 0.25}
    assert made.embedding is result.embedding
    assert made.model is MODEL
    assert np.array_equal(made.proposals[sample.volume.id].prediction, sample.truth)
    assert list(made.slices) == [sample.volume.id]


def test_a_prediction_that_was_joined_with_interpolation_says_so(
    session: Session, sample: Sample
) -> None:
    request, result = freeze(session, "round", None), result_of(sample)
    name = sample.volume.id
    alone = round_of(session, request, result, 1.0)
    assert alone.proposals[name].source_at(0).words == "round 3"
    result.take(Predicted(name, result.predictions[name], joined=True))
    made = round_of(session, request, result, 1.0)
    assert made.info.joined == [name]
    assert made.proposals[name].source_at(0).words == "round 3 with interpolation"


def test_a_class_that_was_deleted_meanwhile_is_background(
    session: Session, sample: Sample
) -> None:
    request = freeze(session, "round", None)
    session.delete_class(2)
    made = round_of(session, request, result_of(sample), 1.0)
    wanted = np.where(sample.truth == 2, 0, sample.truth)
    assert np.array_equal(made.proposals[sample.volume.id].prediction, wanted)


@pytest.mark.parametrize("returned", [False, True])
def test_a_volume_that_was_removed_meanwhile_has_no_proposal(
    session: Session, sample: Sample, *, returned: bool
) -> None:
    """Nor has another volume that goes by its name."""
    request = freeze(session, "round", None)
    assert len(request.volumes) == 1
    session.remove_volume(sample.volume.id)
    if returned:
        session.add_volume(phantom(0).volume)
        assert sample.volume.id in session.records
    made = round_of(session, request, result_of(sample), 1.0)
    assert not made.proposals
    assert not made.slices


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("opened", [False, True])
def test_a_case_closed_meanwhile_keeps_its_proposal(
    tmp_path: Path, sample: Sample, *, labelled: bool, opened: bool
) -> None:
    """Its image is read again when it is opened."""
    image = np.asarray(sample.volume.data[0])
    nifti.save(tmp_path / "case.nii.gz", image.T, np.diag([1.0, 1, 2, 1]))
    cohort, session = find_cohort(tmp_path), Session()
    (case,) = cohort.cases
    session.set_cohort(cohort)
    session.add_volume(read_case(cohort, case))
    session.add_class("core")
    session.add_class("shell")
    if labelled:
        painting.mark(session, case.id, 2, Status.DONE)
    request = freeze(session, "round", None)
    session.close_volume(case.id)
    if opened and labelled:
        again = read_case(cohort, case)
        session.open_volume(case.id, again.data)
    elif opened:
        session.add_volume(read_case(cohort, case))
    result = result_of(sample)
    result.predictions = {case.id: result.predictions[sample.volume.id]}
    made = round_of(session, request, result, 1.0)
    assert np.array_equal(made.proposals[case.id].prediction, sample.truth)


def result_of(sample: Sample) -> RoundResult:
    """Give a result in which the truth is predicted."""
    sure = np.full(sample.truth.shape, 0.9, np.float16)
    name = sample.volume.id
    return RoundResult(
        RoundInfo(3, "supervised", 1, 0.0),
        MODEL,
        {name: Prediction(sample.truth.astype(np.uint8), sure)},
        {name: cast("Any", SimpleNamespace())},
    )
