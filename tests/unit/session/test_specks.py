"""Specks: small pieces of a class are left out where its labels are one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.session import painting, review
from napari_contrastseg.session.specks import SPECK_SHARE, find_pieces
from napari_contrastseg.session.storage.load import open_folder
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.session import Session

#: A structure through all slices, two specks and a piece that is too large for one.
BODY = (slice(0, 16), slice(5, 15), slice(5, 15))
SPECK = (slice(2, 4), 30, slice(30, 33))
LARGE = (slice(8, 14), slice(25, 37), slice(20, 23))
TOUCHING = (slice(15, 16), slice(15, 16), slice(15, 16))  # the body's corner


def proposed(session: Session) -> np.ndarray:
    labels = np.zeros(session.records[NAME].volume.shape, np.uint8)
    for place in (BODY, SPECK, LARGE, TOUCHING):
        labels[place] = 1
    return labels


def finish(session: Session, labels: np.ndarray, *slices: int) -> None:
    """Label slices in full, without the speck."""
    true = labels.copy()
    true[SPECK] = 0
    for index in slices:
        here = np.zeros(true.shape, bool)
        here[index] = true[index] == 1
        painting.paint(session, NAME, here, 1)
        painting.mark(session, NAME, index, Status.DONE)


def look(session: Session) -> None:
    record = session.records[NAME]
    pieces = record.look_at_pieces(c.id for c in session.classes)
    session.take_pieces(NAME, pieces)


def test_what_is_labelled_says_whether_a_class_is_one_piece() -> None:
    labels = np.zeros((6, 9, 9), np.uint8)
    labels[:, 1:4, 1:4] = 1
    labels[2, 7, 7] = 1
    settled = np.zeros(labels.shape, bool)
    assert find_pieces(labels, settled, 0, (1, 2)).keys() == {1}
    assert find_pieces(labels, settled, 0, (1,))[1].one is None
    settled[0] = True
    assert find_pieces(labels, settled, 0, (1,))[1].one is None, "one slice is few"
    settled[4] = True
    found = find_pieces(labels, settled, 0, (1,))[1]
    assert found.one
    assert np.array_equal(found.specks, [np.ravel_multi_index((2, 7, 7), labels.shape)])
    settled[2] = True  # a person has labelled the lone voxel
    found = find_pieces(labels, settled, 0, (1,))[1]
    assert not len(found.specks)
    labels[2, 5:9, 5:9] = 1
    assert find_pieces(labels, settled, 0, (1,))[1].one is False


@pytest.mark.parametrize("size", [int(SPECK_SHARE * 100) - 1, int(SPECK_SHARE * 100)])
def test_a_speck_is_clearly_smaller_than_the_largest_piece(size: int) -> None:
    labels = np.zeros((3, 10, 40), np.uint8)
    labels[0, :, :10] = 3
    labels[0, 0, 20 : 20 + size] = 3
    nothing = np.zeros(labels.shape, bool)
    found = find_pieces(labels, nothing, 0, (3,))[3]
    assert len(found.specks) == (size if size < SPECK_SHARE * 100 else 0)


def test_a_large_piece_is_one_where_a_slice_that_is_done_has_nothing() -> None:
    labels = np.zeros((9, 12, 12), np.uint8)
    labels[:, 1:5, 1:5] = 1
    labels[3:8, 7:11, 7:11] = 1
    settled = np.zeros(labels.shape, bool)
    settled[0], settled[8] = True, True  # the lone piece ends at slice 8, at its widest
    found = find_pieces(labels, settled, 0, (1,))[1]
    assert np.array_equal(
        np.isin(np.arange(labels.size), found.specks).reshape(labels.shape),
        np.pad(np.ones((5, 4, 4), bool), ((3, 1), (7, 1), (7, 1))),
    )
    labels[7, 7:11, 7:11] = 0  # it ends before
    assert not len(find_pieces(labels, settled, 0, (1,))[1].specks)


def test_specks_go_where_labels_are_one_piece_and_come_back_by_one_undo(
    session: Session,
) -> None:
    labels = proposed(session)
    finish(session, labels, 1, 6)
    add_round(session, labels)
    record = session.records[NAME]
    assert (record.prediction[SPECK] == 1).all()
    look(session)
    assert session.without_specks == {1}
    without = labels.copy()
    without[SPECK] = 0
    assert np.array_equal(record.prediction, without), "only the speck goes"
    assert not record.pseudo[SPECK].any(), "where a speck was nothing is sure"
    session.leave_out_specks([1], left_out=False)
    assert np.array_equal(record.prediction, labels)
    assert session.undo() == "show specks"
    assert np.array_equal(record.prediction, without)
    session.redo()
    assert np.array_equal(record.prediction, labels)


def test_a_speck_that_someone_paints_into_stays(session: Session) -> None:
    labels = proposed(session)
    finish(session, labels, 1, 6)
    add_round(session, labels)
    look(session)
    record = session.records[NAME]
    painting.paint(session, NAME, box(session, 2, 30, 30), 1)
    assert record.prediction[2, 30, 30] == 1, "ink is always shown"
    look(session)
    assert (record.prediction[SPECK] == 1).all()


def test_a_hidden_speck_is_never_accepted(session: Session) -> None:
    labels = proposed(session)
    finish(session, labels, 1, 6)
    add_round(session, labels)
    look(session)
    record = session.records[NAME]
    review.accept_slice(session, NAME, 2)
    review.accept_slice(session, NAME, 3, "pseudo")
    assert not (record.ink[SPECK] == 1).any()


def test_the_choice_is_saved_and_undone_after_opening(
    session: Session, tmp_path: Path
) -> None:
    labels = proposed(session)
    finish(session, labels, 1, 6)
    add_round(session, labels)
    look(session)
    save_session(session, tmp_path / "learned")
    learned = open_folder(tmp_path / "learned").session.records[NAME]
    assert not learned.prediction[SPECK].any()
    session.leave_out_specks([1], left_out=False)
    save_session(session, tmp_path / "chosen")
    again = open_folder(tmp_path / "chosen").session
    assert again.specks_chosen == {1: False}
    assert (again.records[NAME].prediction[SPECK] == 1).all()
    again.undo()
    assert not again.records[NAME].prediction[SPECK].any()
