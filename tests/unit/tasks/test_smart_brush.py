"""A smart stroke is one action: locks hold, undo takes back every voxel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.tasks.smart_brush import refined_stroke
from tests.kit.bright_ball import bright_ball, disc
from tests.kit.sessions import NAME, add_round

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session


def brush(session: Session, where: np.ndarray, value: int, *, smart: float) -> None:
    """Do what the window does with a stroke of napari's."""
    record = session.records[NAME]
    places = np.nonzero(where & (record.ink != value))
    before = record.ink[places]
    record.ink[places] = value  # napari writes into the array
    refine = partial(refined_stroke, radius=smart)
    painting.commit_stroke(session, NAME, [(places, before, value)], refine=refine)


def test_a_smart_stroke_is_one_action_that_fills_up_to_the_edge() -> None:
    session = bright_ball()
    record = session.records[NAME]
    before = record.ink.copy()
    brush(session, disc(session, (5, 20, 22), 7), 1, smart=7)
    truth = disc(session, (5, 20, 22), 10)
    overlap = (
        2 * ((record.ink == 1) & truth).sum() / ((record.ink == 1).sum() + truth.sum())
    )
    assert overlap > 0.95 > 2 * 7**2 / (7**2 + 10**2)
    assert record.status[5] == Status.SPARSE
    assert session.history.last == "stroke"
    assert [a.label for a in session.history.done].count("stroke") == 1
    painted = record.ink.copy()
    session.undo()
    assert np.array_equal(record.ink, before)
    assert not record.status.any()
    assert not record.origin.any()
    session.redo()
    assert np.array_equal(record.ink, painted)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_stroke_along_another_axis_stays_in_its_plane(axis: int) -> None:
    session = bright_ball()
    brush(session, disc(session, (5, 20, 22), 5, axis), 1, smart=5)
    found = np.nonzero(session.records[NAME].ink)
    assert set(found[axis].tolist()) == {(5, 20, 22)[axis]}
    assert len(found[0]) > 30


def test_a_stroke_through_several_slices_stays_as_it_was_painted() -> None:
    session = bright_ball()
    where = disc(session, (5, 20, 22), 6) | disc(session, (6, 20, 22), 6)
    brush(session, where, 1, smart=6)
    assert np.array_equal(session.records[NAME].ink == 1, where)


def test_a_smart_correction_of_a_proposal_is_ink_up_to_the_edge() -> None:
    session = bright_ball()
    record = session.records[NAME]
    add_round(session, np.zeros(record.volume.shape, np.uint8))
    where = disc(session, (5, 20, 22), 7)
    before = record.prediction[where]
    record.prediction[where] = 1  # napari writes into the array
    stroke = (np.nonzero(where), before, 1)
    refine = partial(refined_stroke, radius=7)
    painting.commit_stroke(session, NAME, [stroke], "prediction", refine=refine)
    found = record.ink == 1
    assert found.sum() > 1.5 * where.sum()
    assert (record.origin[found] == Origin.CORRECTED).all()
    assert np.array_equal(record.prediction == 1, found)
    session.undo()
    assert not record.ink.any()
    assert not record.prediction.any()


def test_the_eraser_stays_as_it_is() -> None:
    session = bright_ball()
    painting.paint(session, NAME, disc(session, (5, 20, 22), 10), 1)
    where = disc(session, (5, 20, 30), 5)
    brush(session, where, 0, smart=5)
    assert not session.records[NAME].ink[where].any()


def test_a_locked_slice_and_a_locked_class_stay() -> None:
    session = bright_ball()
    painting.lock_slice(session, NAME, 5, locked=True)
    with pytest.raises(InputError, match="Slice 5 is locked"):
        brush(session, disc(session, (5, 20, 22), 7), 1, smart=7)
    painting.lock_slice(session, NAME, 5, locked=False)
    session.change_class(1, locked=True)
    with pytest.raises(InputError, match="'one' is locked"):
        brush(session, disc(session, (5, 20, 22), 7), 1, smart=7)
    assert not session.records[NAME].ink.any()


def test_all_on_other_ink_is_refused_with_what_to_do() -> None:
    session = bright_ball()
    painting.paint(session, NAME, disc(session, (5, 20, 22), 12), 2)
    before = session.records[NAME].ink.copy()
    with pytest.raises(InputError, match="turn it off"):
        brush(session, disc(session, (5, 20, 22), 5), 1, smart=5)
    assert np.array_equal(session.records[NAME].ink, before)


def test_a_slice_that_is_done_stays_done() -> None:
    session = bright_ball()
    painting.mark(session, NAME, 5, Status.DONE)
    brush(session, disc(session, (5, 20, 22), 7), 1, smart=7)
    assert session.records[NAME].status[5] == Status.DONE


@settings(max_examples=25, deadline=None)
@given(
    strokes=st.lists(
        st.tuples(
            st.tuples(st.integers(4, 6), st.integers(0, 39), st.integers(0, 43)),
            st.floats(0.5, 9),
            st.sampled_from([1, 2, 3, BACKGROUND]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_is_painted_other_ink_stays_and_undo_takes_it_back(
    strokes: list[tuple[tuple[int, int, int], float, int]],
) -> None:
    session = bright_ball()
    session.change_class(3, locked=True)
    record = session.records[NAME]
    painted = [(record.ink.copy(), record.origin.copy(), record.status.copy())]
    for middle, radius, value in strokes:
        before, done = record.ink.copy(), len(session.history.done)
        try:
            brush(session, disc(session, middle, radius), value, smart=radius)
        except InputError:
            assert np.array_equal(record.ink, before)
        changed = record.ink != before
        assert (before[changed] == 0).all()
        assert set(np.unique(record.ink[changed]).tolist()) <= {value}
        assert set(np.nonzero(changed)[0].tolist()) <= {middle[0]}
        if len(session.history.done) > done:
            painted.append(
                (record.ink.copy(), record.origin.copy(), record.status.copy())
            )
    assert not (record.ink == 3).any()
    while len(painted) > 1:
        painted.pop()
        session.undo()
        for now, then in zip(
            (record.ink, record.origin, record.status), painted[-1], strict=True
        ):
            assert np.array_equal(now, then)


def test_no_number_and_one_grey_value_harm_nothing() -> None:
    session = bright_ball()
    volume = session.records[NAME].volume
    image = np.asarray(volume.data[0])
    image[4], image[5, :, :20], image[6] = np.nan, np.nan, 1
    for index in (4, 5, 6):
        brush(session, disc(session, (index, 20, 22), 6), 1, smart=6)
    ink = session.records[NAME].ink
    assert (ink[4:7].reshape(3, -1) == 1).any(axis=1).all()


def test_the_same_stroke_again_changes_nothing() -> None:
    session = bright_ball()
    where = disc(session, (5, 20, 22), 7)
    brush(session, where, 1, smart=7)
    once = session.records[NAME].ink.copy()
    brush(session, where, 1, smart=7)
    assert np.array_equal(session.records[NAME].ink, once)
