"""The session: classes, axis, volumes, rounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session import painting, volume_record
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.volume_record import mask_of
from tests.kit.rounds import a_model
from tests.kit.sessions import NAME, add_round, box


def test_a_number_that_a_run_speaks_of_is_not_given_again(session: Session) -> None:
    session.delete_class(2)
    session.in_training = frozenset({1, 2})
    assert session.add_class() == 3


def test_no_class_is_called_background(session: Session) -> None:
    before = session.classes
    with pytest.raises(InputError, match="Background' is what belongs to no class"):
        session.change_class(1, name="Background")
    with pytest.raises(InputError, match="is there already"):
        session.add_class("background")
    assert session.classes == before


def test_classes_with_ink_stay(session: Session) -> None:
    painting.paint(session, NAME, box(session, 0, 0, 0), 1)
    with pytest.raises(InputError, match="has 1 painted voxel;"):
        session.delete_class(1)
    session.delete_class(2)
    assert [c.id for c in session.classes] == [1]
    session.undo()
    assert [c.id for c in session.classes] == [1, 2]


def test_the_axis_is_fixed_once_something_is_painted(session: Session) -> None:
    session.set_slices(SliceAxis("file", 1))
    assert len(session.records[NAME].status) == 40
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    with pytest.raises(InputError, match="axis is fixed"):
        session.set_slices(SliceAxis("file", 2))


def test_a_voxel_size_that_a_person_knows_moves_the_slice_axis_while_it_may(
    session: Session, sample: Sample
) -> None:
    session.set_voxel_size(NAME, (1.0, 1.0, 4.0))
    record = session.records[NAME]
    assert record.volume.spacing.tolist() == [1, 1, 4]
    assert record.axis == 2
    painting.paint(session, NAME, np.ones(record.volume.shape, bool), 1)
    session.set_voxel_size(NAME, (1.0, 4.0, 1.0))
    assert session.records[NAME].volume.spacing.tolist() == [1, 4, 1]
    assert session.records[NAME].axis == 2, "the slices that are labelled stay"
    with pytest.raises(InputError, match="longer than 0"):
        session.set_voxel_size(NAME, (0.0, 1.0, 1.0))
    add_round(session, sample.truth)
    with pytest.raises(InputError, match="press New"):
        session.set_voxel_size(NAME, (1.0, 1.0, 1.0))


def test_a_round_brought_back_brings_its_model(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    add_round(session, sample.truth)
    session.bring_back(1)
    assert session.rounds.weights is session.rounds[0].model


def test_a_deleted_class_is_no_longer_proposed(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    session.delete_class(2)
    assert set(np.unique(mask_of(record, complete=True))) == {0, 1}
    session.undo()
    assert set(np.unique(mask_of(record, complete=True))) == {0, 1, 2}
    session.delete_class(2)
    assert session.add_class() == 3, "a number that rounds know is not used again"


def test_removing_one_volume_leaves_the_others_history(session: Session) -> None:
    other = phantom(1).volume
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    session.add_volume(other)
    session.remove_volume(other.id)
    session.undo()
    assert not session.records[NAME].ink.any()


def test_bringing_a_round_back(session: Session, sample: Sample) -> None:
    add_round(session, sample.truth)
    add_round(session, np.zeros_like(sample.truth))
    record = session.records[NAME]
    assert record.proposal is not None
    assert not record.proposal.prediction.any()
    session.bring_back(1)
    assert record.proposal.round == 1
    assert np.array_equal(record.proposal.prediction, sample.truth)
    stroke = (tuple(np.array([i]) for i in (0, 0, 0)), np.array([0]), 1)
    painting.commit_stroke(session, NAME, [stroke], "prediction")
    session.bring_back(2)
    session.undo()
    session.undo()
    assert not record.ink.any()


def test_bringing_a_round_back_is_undone(session: Session, sample: Sample) -> None:
    add_round(session, sample.truth)
    add_round(session, np.zeros_like(sample.truth))
    session.add_weights(a_model())
    newer = session.rounds.start
    session.bring_back(1)
    assert session.rounds.start is None
    session.undo()
    assert session.rounds.start is newer
    assert session.rounds.current is session.rounds[1]
    session.redo()
    assert session.rounds.current is session.rounds[0]
    add_round(session, sample.truth)
    session.undo()
    assert session.rounds.current is session.rounds[2], (
        "undo goes behind no newer round"
    )


def test_a_round_that_there_is_no_room_to_show_changes_nothing(
    session: Session, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add_volume(replace(phantom(1).volume, id="other"))
    add_round(session, sample.truth)
    first, shown = session.rounds.current, session.records[NAME].prediction
    before = shown.copy()
    entries: list[object] = []
    session.entry_added.connect(entries.append)
    made: list[object] = []

    def full(shape: tuple[int, ...], dtype: type) -> np.ndarray:
        made.append(shape)
        if len(made) > 2:  # enough for one of two volumes
            raise InputError("no room")
        return np.zeros(shape, dtype)

    monkeypatch.setattr(volume_record, "zeros", full)
    with pytest.raises(InputError, match="no room"):
        add_round(session, np.roll(sample.truth, 2, axis=2))
    assert list(session.rounds) == [first]
    assert session.rounds.current is first
    assert session.records[NAME].prediction is shown
    assert np.array_equal(shown, before)
    assert not entries
    monkeypatch.undo()
    add_round(session, np.roll(sample.truth, 2, axis=2))
    assert [r.info.number for r in session.rounds] == [1, 2]


def test_an_action_that_fails_within_another_leaves_nothing() -> None:
    session = Session()
    told = []
    session.classes_changed.connect(lambda: told.append(session.classes))

    def fail() -> None:
        with session.action("both"):
            session.add_class("core")
            raise InputError("no")

    with pytest.raises(InputError):
        fail()
    assert session.classes == ()
    assert told[-1] == ()
    assert session.undo() is None
    session.add_class("core")
    assert session.undo() == "add class"
