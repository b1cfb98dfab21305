"""A round made of what a run gave, in a session that has changed meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from napari_contrastseg.learning.models.predict import Prediction
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.ui.learn.requests import freeze
from napari_contrastseg.ui.learn.result import RoundResult, round_of

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session

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
