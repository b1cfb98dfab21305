"""Strokes change only voxels whose value lies within a range."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.editing.value_range import ValueRange, suggested_range
from napari_contrastseg.session.session import Session
from tests.kit.planes import sessions
from tests.kit.session_state import arrays_of
from tests.kit.sessions import NAME, add_round

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("channel", [0, 1, None])
def test_the_range_is_of_the_image_s_own_values(
    sample: Sample, axis: int, channel: int | None
) -> None:
    image = np.asarray(sample.volume.data[0]).copy()
    image[5, 5, 5] = np.nan
    volume = replace(
        sample.volume, data=(image, image**2), channels=("a", "b"), axis=axis
    )
    shown = (image + image**2) / 2 if channel is None else volume.data[channel]
    session = Session()
    record = session.add_volume(volume, ("a", "b"))
    low, high = np.nanpercentile(shown, (30, 60))
    rng = np.random.default_rng(0)
    flat = np.sort(rng.choice(image.size, 3000, replace=False))
    values = shown.reshape(-1)[flat]
    expected = [low <= value <= high for value in values.tolist()]
    assert ValueRange(low, high, channel).holds(record, flat).tolist() == expected


def stroke(record: object, where: np.ndarray, value: int) -> painting.Stroke:
    """A stroke as napari leaves it: the array has changed already."""
    indices = np.nonzero(where)
    old = record.ink[indices].copy()  # type: ignore[attr-defined]
    record.ink[indices] = value  # type: ignore[attr-defined]
    return indices, old, value


def test_a_stroke_stays_within_the_range_and_is_undone_as_one(
    session: Session, sample: Sample
) -> None:
    record, image = session.records[NAME], np.asarray(sample.volume.data[0])
    record.ink[7, 20, 20] = 2
    before = record.ink.copy()
    low, high = np.percentile(image[7], (40, 70))
    where = np.zeros(image.shape, bool)
    where[7, 5:35, 5:35] = True
    painting.commit_stroke(
        session, NAME, [stroke(record, where, 1)], "ink", ValueRange(low, high).refine
    )
    inside = where & (image >= low) & (image <= high)
    assert 0 < inside.sum() < where.sum()
    assert np.array_equal(record.ink, np.where(inside, 1, before))
    painting.commit_stroke(
        session, NAME, [stroke(record, where, 0)], "ink", ValueRange(low, high).refine
    )
    assert np.array_equal(record.ink, np.where(inside, 0, before)), "erasing, too"
    session.undo()
    session.undo()
    assert np.array_equal(record.ink, before)


@given(
    sessions(),
    st.tuples(st.integers(0, 5), st.integers(0, 11), st.integers(0, 13)),
    st.sampled_from([0, 1, 2, BACKGROUND]),
    st.floats(0, 1),
)
def test_whatever_is_painted_within_a_range_keeps_to_it_and_to_the_locks(
    session: Session, middle: tuple[int, int, int], value: int, part: float
) -> None:
    (record,) = session.records.values()
    image, name = np.asarray(record.volume.data[0]), record.volume.id
    low = float(np.quantile(image, part))
    reach = np.full((3, 1, 1, 1), 3)
    reach[record.axis] = 0
    near = abs(np.indices(image.shape) - np.reshape(middle, (3, 1, 1, 1))) <= reach
    where = near.all(axis=0) & (record.ink != value)
    before, ink = arrays_of(session), record.ink.copy()
    steps = len(session.history.done)

    def paint() -> None:
        strokes = [stroke(record, where & (record.ink != value), value)]
        within = ValueRange(low, np.inf).refine
        painting.commit_stroke(session, name, strokes, "ink", within)

    try:
        paint()
    except InputError:  # all of it is locked
        assert arrays_of(session) == before
        return
    differs = record.ink != ink
    assert np.array_equal(differs, where & (image >= low) & ~_locked(session, ink))
    after = arrays_of(session)
    with suppress(InputError):  # all that is left to paint is locked
        paint()
    assert arrays_of(session) == after, "a second time changes nothing"
    if len(session.history.done) > steps:
        session.undo()
        assert arrays_of(session) == before, "undo restores bit for bit"


def _locked(session: Session, ink: np.ndarray) -> np.ndarray:
    return np.asarray((ink == 2) & session.classes[1].locked)


def test_a_correction_of_a_proposal_stays_within_the_range(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    record, image = session.records[NAME], np.asarray(sample.volume.data[0])
    shown = record.prediction.copy()
    where = np.zeros(image.shape, bool)
    where[7] = True
    middle = float(np.median(image[7]))
    indices = np.nonzero(where)
    old = record.prediction[indices].copy()
    record.prediction[indices] = 1
    atom = (indices, old, 1)
    within = ValueRange(middle, np.inf).refine
    painting.commit_stroke(session, NAME, [atom], "prediction", within)
    assert np.array_equal(record.ink == 1, where & (image >= middle))
    outside = image[7] < middle
    assert np.array_equal(record.prediction[7][outside], shown[7][outside])


def test_a_stroke_that_lies_outside_of_the_range_is_no_step(session: Session) -> None:
    record, last = session.records[NAME], session.history.last
    where = np.zeros(record.ink.shape, bool)
    where[7, 3, 3] = True
    painting.commit_stroke(
        session, NAME, [stroke(record, where, 1)], "ink", ValueRange(1e9, 2e9).refine
    )
    assert not record.ink.any()
    assert session.history.last == last


def test_the_range_is_suggested_by_what_is_painted_nearby(
    session: Session, sample: Sample
) -> None:
    record, image = session.records[NAME], np.asarray(sample.volume.data[0])
    with pytest.raises(InputError, match="Nothing is painted with the chosen class"):
        suggested_range(record, 1, 8)
    for index in (6, 12):
        where = np.zeros(image.shape, bool)
        where[index] = sample.truth[index] == 1
        painting.paint(session, NAME, where, 1)
    found = suggested_range(record, 1, 8)
    values = np.sort(image[6][sample.truth[6] == 1])
    assert values[0] <= found.low < found.high <= values[-1]
    inside = (values >= found.low) & (values <= found.high)
    assert 0.94 < inside.mean() < 1
