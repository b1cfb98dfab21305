"""The review queue trusts what was checked."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.session.derived import take_slices
from napari_contrastseg.session.derived_proposal import DerivedProposal, DerivedSlices
from napari_contrastseg.session.sources import INTERPOLATION, Source
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.review_queue import review_order
from tests.kit.sessions import SHAPE, a_round, a_session


def test_the_queue_trusts_what_was_checked() -> None:
    session = a_session(0)
    (name,) = session.records
    record = session.records[name]
    prediction = np.zeros(SHAPE, int)
    prediction[:, 3:9, 3:9] = 1
    a_round(session, prediction, 0.95, settled=[0])
    scores = {
        name: score_slices(prediction, session.records[name].proposal.confidence, 0)  # type: ignore[union-attr]
    }
    first = review_order(session, scores)
    assert {s.index for s in first.suggestions} == set(range(8))
    assert first.trust.slices == 0
    dice = first.suggestions[0].dice
    record.status[:5] = Status.DONE  # empty after all: the network was wrong
    second = review_order(session, scores)
    assert {s.index for s in second.suggestions} == {5, 6, 7}
    assert second.trust.slices == 4, "slice 0 was no evidence"
    assert second.suggestions[0].dice < dice - 0.1


def test_a_slice_that_is_answered_otherwise_by_now_is_judged_by_that() -> None:
    session = a_session(0)
    (name,) = session.records
    record = session.records[name]
    prediction = np.zeros(SHAPE, int)
    prediction[:, 3:9, 3:9] = 1
    a_round(session, prediction, 0.55, settled=[0])
    proposal = record.proposal
    assert proposal is not None
    scores = {name: score_slices(prediction, proposal.confidence, 0)}
    ground = DerivedProposal.on(proposal, SHAPE, 0)
    plane = np.zeros((1, *SHAPE[1:]), np.uint8)
    sure = np.ones_like(plane, np.float16)
    for index in (4, 5):
        source = Source(INTERPOLATION, "between slices 3 and 6")
        found = DerivedSlices(np.array([index]), plane, sure, source)
        take_slices(session, name, ground, found)
    ranked = review_order(session, scores).suggestions
    assert {s.index for s in ranked[-2:]} == {4, 5}, "nothing there is in doubt"
    unsure = np.full_like(sure, 0.5)
    later = Source(INTERPOLATION, "between slices 3 and 6")
    again = DerivedSlices(np.array([5]), plane + 1, unsure, later)
    take_slices(session, name, ground, again)
    ranked = review_order(session, scores).suggestions
    assert ranked[-1].index == 4
