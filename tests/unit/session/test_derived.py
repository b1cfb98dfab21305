"""Derived proposals: shown, rejected, accepted, and never in the way of a round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.session import painting, review
from napari_contrastseg.session.derived import (
    counts_of_sources,
    drop_derived,
    take_slices,
    where_from,
    words_of_sources,
)
from napari_contrastseg.session.derived_proposal import DerivedProposal, DerivedSlices
from napari_contrastseg.session.sources import INTERPOLATION, Source, of_round
from napari_contrastseg.session.targets import Origin, Status
from tests.kit.sessions import NAME, SHAPE, a_session, add_round

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session

BETWEEN = Source(INTERPOLATION, "interpolated between slices 1 and 6")


def propose(session: Session, index: int, class_id: int, sure: float = 0.95) -> None:
    """Interpolate one slice: a class everywhere."""
    record = session.records[NAME]
    ground = DerivedProposal.on(record.proposal, record.volume.shape, record.axis)
    labels = np.full((1, *SHAPE[1:]), class_id, np.uint8)
    confidence = np.full(labels.shape, sure, np.float16)
    found = DerivedSlices(np.array([index]), labels, confidence, BETWEEN)
    take_slices(session, NAME, ground, found)


def all_of(class_id: int) -> np.ndarray:
    return np.full(SHAPE, class_id, np.uint8)


def test_a_derived_slice_is_shown_below_human_ink() -> None:
    session = a_session(0)
    record = session.records[NAME]
    where = np.zeros(SHAPE, bool)
    where[3, :2] = True
    painting.paint(session, NAME, where, 2)
    before = record.ink.copy()
    propose(session, 3, 1)
    assert (record.pseudo[3, :2] == 2).all()
    assert (record.pseudo[3, 2:] == 1).all()
    assert not record.pseudo[4].any()
    assert np.array_equal(record.ink, before)
    assert where_from(record, 3) == BETWEEN.words
    assert where_from(record, 4) == "nothing proposed yet"


def test_accepting_a_derived_slice_notes_its_source_and_undo_takes_it_back() -> None:
    session = a_session(0)
    record = session.records[NAME]
    propose(session, 3, 1)
    review.accept_slice(session, NAME, 3)
    assert (record.ink[3] == 1).all()
    assert (record.origin[3] == Origin.ACCEPTED_INTERPOLATION).all()
    assert where_from(record, 3) == "done, as you labelled it"
    session.undo()
    assert not record.ink.any()
    assert not record.origin.any()
    assert (record.pseudo[3] == 1).all(), "it is proposed again"


def test_a_slice_that_nothing_was_said_of_cannot_be_accepted_as_empty() -> None:
    session = a_session(0)
    propose(session, 3, 1)
    with pytest.raises(Exception, match="Nothing is proposed on slice 4 yet"):
        review.accept_slice(session, NAME, 4)
    assert session.records[NAME].status[4] != Status.DONE


def test_accepting_from_a_round_is_noted_as_before() -> None:
    session = a_session(0)
    add_round(session, all_of(1))
    review.accept_slice(session, NAME, 3)
    assert (session.records[NAME].origin[3] == Origin.ACCEPTED).all()


def test_what_was_rejected_before_any_round_stays_so_until_the_first_one() -> None:
    session = a_session(0)
    record = session.records[NAME]
    propose(session, 3, 1)
    review.reject_slice(session, NAME, 3)
    propose(session, 3, 1)  # derived again
    assert not record.pseudo[3].any()
    assert not record.prediction[3].any()
    add_round(session, all_of(2))
    assert (record.prediction[3] == 2).all()
    review.accept_slice(session, NAME, 3)
    assert (record.ink[3] == 2).all()


def test_what_was_rejected_of_a_round_stays_so_when_labels_refine_it() -> None:
    session = a_session(0)
    record = session.records[NAME]
    add_round(session, all_of(1))
    review.reject_slice(session, NAME, 3)
    propose(session, 3, 2)
    assert not record.prediction[3].any()
    assert not record.pseudo[3].any()


def test_a_derived_slice_replaces_a_rounds_and_the_round_keeps_what_it_said() -> None:
    session = a_session(0)
    record = session.records[NAME]
    add_round(session, all_of(1))
    propose(session, 3, 2)
    assert (record.prediction[3] == 2).all()
    assert (record.prediction[4] == 1).all()
    assert where_from(record, 4) == "round 1"
    said = session.rounds[0].proposals[NAME]
    assert (said.prediction == 1).all()
    drop_derived(session, NAME)
    assert record.proposal is said
    assert (record.prediction == 1).all()


def test_a_round_that_says_nothing_does_not_empty_what_labels_say() -> None:
    session = a_session(0)
    record = session.records[NAME]
    propose(session, 3, 1)
    add_round(session, all_of(0))
    assert (record.prediction[3] == 1).all()
    add_round(session, all_of(2))
    assert (record.prediction == 2).all()


def test_an_edit_of_a_derived_proposal_becomes_corrected_ink() -> None:
    session = a_session(0)
    record = session.records[NAME]
    propose(session, 3, 1)
    record.pseudo[3, 0, 0] = 2
    place = tuple(np.array([i]) for i in (3, 0, 0))
    painting.commit_stroke(session, NAME, [(place, np.array([1]), 2)], "pseudo")
    assert record.ink[3, 0, 0] == 2
    assert record.origin[3, 0, 0] == Origin.CORRECTED
    assert (record.ink > 0).sum() == 1


def test_sources_are_counted_and_named_for_an_export() -> None:
    session = a_session(0)
    record = session.records[NAME]
    assert words_of_sources(session) == ""
    add_round(session, all_of(1))
    assert words_of_sources(session) == ""
    propose(session, 3, 2)
    assert counts_of_sources(record) == {"network": 7, "interpolation": 1}
    words = words_of_sources(session)
    assert "7 slices from network" in words
    assert "1 slice from interpolation" in words


def test_an_export_names_joined_answers_in_words() -> None:
    session = a_session(0)
    record = session.records[NAME]
    add_round(session, all_of(1))
    propose(session, 3, 2)
    assert isinstance(record.proposal, DerivedProposal)
    record.proposal.sources[3] = of_round(1, "network+interpolation")
    assert "1 slice from network and interpolation" in words_of_sources(session)
