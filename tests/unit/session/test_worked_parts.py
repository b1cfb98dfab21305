"""What a record knows of its empty slices, and copies of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.session import acceptance, painting
from napari_contrastseg.session.volume_record import WORK
from napari_contrastseg.session.worked_parts import PartsCopy, WorkedParts
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


@pytest.mark.parametrize("planes", [(), (1, 2, 4), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("rows", [slice(0, 6), slice(2, 3), slice(1, 6)])
def test_parts_of_a_copy_are_those_of_the_array(
    planes: tuple[int, ...], rows: slice
) -> None:
    array, parts = np.zeros((5, 6, 7), np.uint16), WorkedParts((5, 6, 7))
    for plane in planes:
        array[plane, rows] = np.arange(1, 43).reshape(6, 7)[rows]
    parts.note_all([array])
    copy = PartsCopy(array.copy(), parts)
    assert [index for index, _ in parts.pieces()] == list(planes)
    for start in range(5):
        for stop in range(start, 6):
            for key in ((slice(0, 6),), (slice(2, 4),), (slice(5, 9),)):
                part = (slice(start, stop), *key, slice(None))
                assert np.array_equal(copy[part], array[part])


def test_voxels_that_are_noted_lie_in_the_parts() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        array, parts = np.zeros((5, 6, 7), np.uint8), WorkedParts((5, 6, 7))
        for _ in range(rng.integers(1, 4)):
            few = rng.integers(1, 6)
            flat = np.sort(rng.choice(array.size, few, replace=False))
            array.reshape(-1)[flat] = 1
            parts.note(flat)
        kept = np.zeros_like(array)
        for piece in parts.pieces():
            kept[piece] = array[piece]
        assert np.array_equal(kept, array)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_no_slice_that_holds_work_is_taken_for_empty(
    session: Session, sample: Sample, axis: int
) -> None:
    """Painted, rejected, undone, done again: all of the work is in the copies."""
    session.set_slices(SliceAxis("file", axis))
    add_round(session, sample.truth)
    record = session.records[NAME]
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    acceptance.reject(session, NAME, np.flatnonzero(sample.truth == 2), label="reject")
    painting.paint(session, NAME, box(session, 9, slice(0, 4), 0), 2)
    everything = (slice(None), slice(None), slice(None))
    for step in (session.undo, session.undo, session.redo, session.redo):
        step()
        for name in WORK:
            if record.array(name).ndim > 1:
                assert np.array_equal(
                    record.copied(name)[everything], record.array(name)
                )
    frozen = record.frozen()
    assert np.array_equal(frozen.ink, record.ink)
    assert np.array_equal(frozen.rejected, record.rejected)


def test_without_work_nothing_is_read(session: Session) -> None:
    """Bytes of ink that nobody noted would be found by a look at all of it."""
    record = session.records[NAME]
    record.ink[:] = 1
    assert not session.has_work
    record.note_all_work()
    assert session.has_work
