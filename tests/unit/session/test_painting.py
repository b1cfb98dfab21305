"""Strokes, corrections and masks become ink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Origin, Status
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


def test_strokes_set_ink_origin_and_status(session: Session) -> None:
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    record = session.records[NAME]
    assert (record.ink[3, :4, 0] == 1).all()
    assert (record.origin[3, :4, 0] == Origin.PAINTED).all()
    assert record.status[3] == Status.SPARSE
    painting.paint(session, NAME, box(session, 3), 0)
    assert record.status[3] == Status.UNTOUCHED
    assert not record.origin.any()


def test_a_label_that_is_no_class_is_taken_back(session: Session) -> None:
    record = session.records[NAME]
    record.ink[0, 0, 0] = 7  # as napari leaves it after a stroke with label 7
    stroke = ((np.array([0]), np.array([0]), np.array([0])), np.array([0]), 7)
    with pytest.raises(InputError, match="Label 7 is not a class"):
        painting.commit_stroke(session, NAME, [stroke])
    assert not record.ink.any()
    assert session.history.last == "add class"


def test_a_stroke_over_itself_is_undone_at_once(session: Session) -> None:
    record = session.records[NAME]
    place = tuple(np.array([i]) for i in (2, 5, 5))
    record.ink[2, 5, 5] = 2
    strokes = [(place, np.array([0]), 1), (place, np.array([1]), 2)]
    painting.commit_stroke(session, NAME, strokes)
    assert record.ink[2, 5, 5] == 2
    session.undo()
    assert record.ink[2, 5, 5] == 0
    session.redo()
    assert record.ink[2, 5, 5] == 2


def test_corrections_become_ink(session: Session, sample: Sample) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    places = np.argwhere(sample.truth[8] == 2)[:2]
    spot = (8, *places[0])
    stroke = (tuple(np.array([i]) for i in spot), np.array([2]), 0)
    painting.commit_stroke(session, NAME, [stroke], "prediction")
    assert record.ink[spot] == 255  # erasing in a proposal means background
    assert record.origin[spot] == Origin.CORRECTED
    assert record.prediction[spot] == 0
    assert record.pseudo[spot] == 255
    assert session.rounds.current is not None
    raw = session.rounds.current.proposals[NAME].prediction
    assert raw[spot] == 2, "what the network said must stay as it was"
    session.undo()
    assert record.ink[spot] == 0
    assert record.prediction[spot] == 2
    assert record.pseudo[spot] == 2


def test_undo_of_a_correction_reaches_an_earlier_round(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    painting.paint(session, NAME, box(session, 8, slice(0, 9), 0), 1)
    add_round(session, sample.truth)
    assert (record.prediction[8, :9, 0] == 1).all()
    session.undo()
    assert np.array_equal(record.prediction, sample.truth)
    session.bring_back(1)
    assert np.array_equal(record.prediction, sample.truth)
