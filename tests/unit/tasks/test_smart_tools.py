"""A smart stroke or a box is one action: locks hold, undo takes back every voxel."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.tasks.smart_tools import paint_in_box, refined_stroke
from tests.kit.sessions import NAME, add_round


def a_session(axis: int = 0) -> Session:
    """A bright ball in noise, and three classes."""
    made, shape = Session(SliceAxis("array", axis)), (10, 40, 44)
    places = np.indices(shape) - np.array([5, 20, 22])[:, None, None, None]
    ball = (places**2).sum(0) <= 10**2
    noise = np.random.default_rng(0).normal(0, 0.15, shape)
    volume = phantom(0).volume
    data = ((ball + noise).astype(np.float32),)
    made.add_volume(replace(volume, data=data, affine=np.eye(4)))
    for name in ("one", "two", "three"):
        made.add_class(name)
    return made


def brush(session: Session, where: np.ndarray, value: int, *, smart: float) -> None:
    """Do what the window does with a stroke of napari's."""
    record = session.records[NAME]
    places = np.nonzero(where & (record.ink != value))
    before = record.ink[places]
    record.ink[places] = value  # napari writes into the array
    refine = partial(refined_stroke, radius=smart)
    painting.commit_stroke(session, NAME, [(places, before, value)], refine=refine)


def disc(
    session: Session, middle: tuple[int, int, int], radius: float, axis: int = 0
) -> np.ndarray:
    """What a brush touches on one slice along an axis."""
    grid = np.indices(session.records[NAME].volume.shape)
    far = sum((grid[a] - middle[a]) ** 2 for a in range(3) if a != axis)
    return np.asarray((far <= radius**2) & (grid[axis] == middle[axis]))


def test_a_smart_stroke_is_one_action_that_fills_up_to_the_edge() -> None:
    session = a_session()
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
    session = a_session()
    brush(session, disc(session, (5, 20, 22), 5, axis), 1, smart=5)
    found = np.nonzero(session.records[NAME].ink)
    assert set(found[axis].tolist()) == {(5, 20, 22)[axis]}
    assert len(found[0]) > 30


def test_a_stroke_through_several_slices_stays_as_it_was_painted() -> None:
    session = a_session()
    where = disc(session, (5, 20, 22), 6) | disc(session, (6, 20, 22), 6)
    brush(session, where, 1, smart=6)
    assert np.array_equal(session.records[NAME].ink == 1, where)


def test_a_smart_correction_of_a_proposal_is_ink_up_to_the_edge() -> None:
    session = a_session()
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
    session = a_session()
    painting.paint(session, NAME, disc(session, (5, 20, 22), 10), 1)
    where = disc(session, (5, 20, 30), 5)
    brush(session, where, 0, smart=5)
    assert not session.records[NAME].ink[where].any()


def test_a_locked_slice_and_a_locked_class_stay() -> None:
    session = a_session()
    painting.lock_slice(session, NAME, 5, locked=True)
    with pytest.raises(InputError, match="Slice 5 is locked"):
        brush(session, disc(session, (5, 20, 22), 7), 1, smart=7)
    painting.lock_slice(session, NAME, 5, locked=False)
    session.change_class(1, locked=True)
    with pytest.raises(InputError, match="'one' is locked"):
        brush(session, disc(session, (5, 20, 22), 7), 1, smart=7)
    with pytest.raises(InputError, match="'one' is locked"):
        paint_in_box(session, NAME, 5, (8, 33), (10, 35), 1)
    assert not session.records[NAME].ink.any()


def test_all_on_other_ink_is_refused_with_what_to_do() -> None:
    session = a_session()
    painting.paint(session, NAME, disc(session, (5, 20, 22), 12), 2)
    before = session.records[NAME].ink.copy()
    with pytest.raises(InputError, match="turn it off"):
        brush(session, disc(session, (5, 20, 22), 5), 1, smart=5)
    assert np.array_equal(session.records[NAME].ink, before)


def test_a_slice_that_is_done_stays_done() -> None:
    session = a_session()
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
    session = a_session()
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


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_box_is_painted_within_itself_as_one_action(axis: int) -> None:
    session = a_session(axis)
    record = session.records[NAME]
    middle = (5, 20, 22)
    painting.paint(session, NAME, disc(session, middle, 3, axis), 2)
    before = record.ink.copy()
    a, b = (n for k, n in enumerate(middle) if k != axis)
    reach = 10 if axis == 0 else 5
    rows, columns = (a - reach, a + reach + 1), (b - 10, b + 11)
    count = paint_in_box(session, NAME, middle[axis], rows, columns, 1)
    found = record.ink == 1
    inside = np.zeros(found.shape, np.bool_)
    key = [slice(*rows), slice(*columns)]
    key.insert(axis, slice(middle[axis], middle[axis] + 1))
    inside[tuple(key)] = True
    assert count == found.sum() > 50
    assert not (found & ~inside).any()
    assert (record.ink[before == 2] == 2).all()
    assert session.history.last == "box"
    session.undo()
    assert np.array_equal(record.ink, before)


@pytest.mark.parametrize(
    ("rows", "columns", "class_id", "words"),
    [
        ((5, 7), (5, 30), 1, "less than 4 x 4 pixels"),
        ((-30, 2), (5, 30), 1, "less than 4 x 4 pixels"),
        ((5, 30), (5, 30), BACKGROUND, "choose one in step Data"),
    ],
)
def test_a_box_that_says_nothing_is_refused(
    rows: tuple[int, int], columns: tuple[int, int], class_id: int, words: str
) -> None:
    session = a_session()
    with pytest.raises(InputError, match=words):
        paint_in_box(session, NAME, 5, rows, columns, class_id)
    assert not session.records[NAME].ink.any()


def test_no_number_and_one_grey_value_harm_nothing() -> None:
    session = a_session()
    volume = session.records[NAME].volume
    image = np.asarray(volume.data[0])
    image[4], image[5, :, :20], image[6] = np.nan, np.nan, 1
    for index in (4, 5, 6):
        brush(session, disc(session, (index, 20, 22), 6), 1, smart=6)
        paint_in_box(session, NAME, index, (5, 30), (5, 30), 2)
    ink = session.records[NAME].ink
    assert (ink[4:7].reshape(3, -1) == 1).any(axis=1).all()
