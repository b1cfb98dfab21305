"""A box or clicks become a suggestion, and accepting it is one action."""

from __future__ import annotations

from dataclasses import replace

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
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.suggestions import Pointed, accept_suggestion, suggest
from tests.kit.bright_ball import bright_ball, disc
from tests.kit.sessions import NAME

MIDDLE = (5, 20, 22)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def accept(session: Session, pointed: Pointed) -> int:
    return accept_suggestion(session, pointed, suggest(session, pointed))


@pytest.mark.parametrize(
    "pointed",
    [
        Pointed(NAME, 5, 1, ((9, 32), (11, 34))),
        Pointed(NAME, 5, 1, inside=((20, 22),)),
        Pointed(NAME, 5, 1, inside=((18, 20), (23, 25)), outside=((5, 5),)),
        Pointed(NAME, 5, 1, ((9, 32), (11, 34)), ((26, 22),)),
    ],
    ids=["box", "click", "clicks", "box and click"],
)
def test_what_is_pointed_at_is_found_and_accepted_as_one_action(
    pointed: Pointed,
) -> None:
    session = bright_ball()
    record = session.records[NAME]
    truth = disc(session, MIDDLE, 10)[5]
    found = suggest(session, pointed)
    assert dice(found, truth) > 0.9
    assert not record.ink.any(), "it is a suggestion"
    assert not session.history.done or session.history.last != "accept suggestion"
    count = accept_suggestion(session, pointed, found)
    assert count == found.sum()
    assert np.array_equal(record.ink[5] == 1, found)
    assert record.status[5] == Status.SPARSE
    assert session.history.last == "accept suggestion"
    assert not suggest(session, pointed).any(), "the same again adds nothing"
    session.undo()
    assert not record.ink.any()
    assert not record.origin.any()
    assert not record.status.any()
    session.redo()
    assert np.array_equal(record.ink[5] == 1, found)


def test_a_click_outside_takes_away_what_it_is_on() -> None:
    session = bright_ball()
    image = np.asarray(session.records[NAME].volume.data[0])
    hole = disc(session, MIDDLE, 4)
    image[hole] -= 1
    box = ((9, 32), (11, 34))
    filled = suggest(session, Pointed(NAME, 5, 1, box))
    ring = suggest(session, Pointed(NAME, 5, 1, box, outside=((20, 22),)))
    truth = (disc(session, MIDDLE, 10) & ~hole)[5]
    assert dice(ring, truth) > max(0.9, dice(filled, truth))


def test_a_place_clicked_away_far_from_the_structure_changes_nothing() -> None:
    session, side = Session(SliceAxis("array", 0)), 300
    grey = np.random.default_rng(0).normal(0, 1, (1, side, side)).astype(np.float32)
    session.add_volume(replace(phantom(0).volume, data=(grey,), affine=np.eye(4)))
    session.add_class()
    pointed = Pointed(NAME, 0, 1, inside=((80, 80),))
    alone = suggest(session, pointed)
    away = suggest(session, replace(pointed, outside=((side - 5, side - 5),)))
    assert np.array_equal(alone, away)


@pytest.mark.parametrize("painted", [True, False])
def test_a_thin_ring_is_a_box_and_its_hole_clicked_away_or_painted(
    painted: bool,
) -> None:
    session = bright_ball()
    image = np.asarray(session.records[NAME].volume.data[0])
    hole = disc(session, MIDDLE, 6)
    image[hole] += 1
    truth = (disc(session, MIDDLE, 10) & ~hole)[5]
    alone = Pointed(NAME, 5, 1, ((9, 32), (11, 34)))
    before = dice(suggest(session, alone), truth)
    if painted:
        painting.paint(session, NAME, hole, 2)
        found = suggest(session, alone)
    else:
        found = suggest(session, replace(alone, outside=((20, 22),)))
    assert dice(found, truth) > max(0.85, before)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_box_along_any_axis_keeps_to_itself_and_to_free_voxels(axis: int) -> None:
    session = bright_ball(axis)
    record = session.records[NAME]
    painting.paint(session, NAME, disc(session, MIDDLE, 3, axis), 2)
    before = record.ink.copy()
    a, b = (n for k, n in enumerate(MIDDLE) if k != axis)
    reach = 10 if axis == 0 else 5
    rows, columns = (a - reach, a + reach + 1), (b - 10, b + 11)
    count = accept(session, Pointed(NAME, MIDDLE[axis], 1, (rows, columns)))
    found = record.ink == 1
    inside = np.zeros(found.shape, np.bool_)
    key = [slice(*rows), slice(*columns)]
    key.insert(axis, slice(MIDDLE[axis], MIDDLE[axis] + 1))
    inside[tuple(key)] = True
    assert count == found.sum() > 50
    assert not (found & ~inside).any()
    assert (record.ink[before == 2] == 2).all()
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
    session = bright_ball()
    with pytest.raises(InputError, match=words):
        suggest(session, Pointed(NAME, 5, class_id, (rows, columns)))


def test_locks_hold() -> None:
    session = bright_ball()
    pointed = Pointed(NAME, 5, 1, inside=((20, 22),))
    painting.lock_slice(session, NAME, 5, locked=True)
    with pytest.raises(InputError, match="Slice 5 is locked"):
        accept(session, pointed)
    painting.lock_slice(session, NAME, 5, locked=False)
    session.change_class(1, locked=True)
    with pytest.raises(InputError, match="'one' is locked"):
        accept(session, pointed)
    assert not session.records[NAME].ink.any()


def test_no_number_and_one_grey_value_harm_nothing() -> None:
    session = bright_ball()
    image = np.asarray(session.records[NAME].volume.data[0])
    image[4], image[5, :, :20], image[6] = np.nan, np.nan, 1
    for index in (4, 5, 6):
        accept(session, Pointed(NAME, index, 2, ((5, 30), (5, 30))))
        accept(session, Pointed(NAME, index, 2, inside=((20, 22),)))


PLACES = st.lists(
    st.tuples(st.integers(0, 39), st.integers(0, 43)), min_size=0, max_size=3
)


@settings(max_examples=25, deadline=None)
@given(PLACES, PLACES, st.booleans())
def test_wherever_is_clicked_other_ink_stays_and_undo_takes_all_back(
    inside: list[tuple[int, int]], outside: list[tuple[int, int]], boxed: bool
) -> None:
    session = bright_ball()
    record = session.records[NAME]
    painting.paint(session, NAME, disc(session, (5, 20, 30), 6), 2)
    painting.paint(session, NAME, disc(session, (5, 10, 10), 4), BACKGROUND)
    before = record.ink.copy(), record.origin.copy(), record.status.copy()
    box = ((6, 30), (4, 36)) if boxed else None
    if not boxed and not inside:
        inside = [(20, 22)]
    pointed = Pointed(NAME, 5, 1, box, tuple(inside), tuple(outside))
    found = suggest(session, pointed)
    assert np.array_equal(found, suggest(session, pointed))
    assert not (found & (before[0][5] != 0)).any()
    if boxed:
        assert not found[:6].any()
        assert not found[30:].any()
    accept_suggestion(session, pointed, found)
    if found.any():
        session.undo()
    now = record.ink, record.origin, record.status
    for one, then in zip(now, before, strict=True):
        assert np.array_equal(one, then)
