"""What a record knows of its empty slices, and copies of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.session import painting
from napari_contrastseg.session.slices_copy import SlicesCopy
from napari_contrastseg.session.volume_record import WORK
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("held", [(), (1, 2, 4), (0, 1, 2, 3, 4)])
def test_parts_of_a_copy_are_those_of_the_array(
    axis: int, held: tuple[int, ...]
) -> None:
    array = np.arange(1, 126, dtype=np.uint16).reshape(5, 5, 5)
    empty = np.setdiff1d(np.arange(5), held)
    np.moveaxis(array, axis, 0)[empty] = 0
    copy = SlicesCopy(array.copy(), axis, np.array(held, np.intp))
    for start in range(5):
        for stop in range(start, 7):
            assert np.array_equal(copy[start:stop], array[start:stop])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_no_slice_that_holds_work_is_taken_for_empty(
    session: Session, sample: Sample, axis: int
) -> None:
    """Painted, rejected, undone, done again: all of the work is in the copies."""
    session.set_slices(SliceAxis("file", axis))
    add_round(session, sample.truth)
    record = session.records[NAME]
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    painting.reject(session, NAME, np.flatnonzero(sample.truth == 2), label="reject")
    painting.paint(session, NAME, box(session, 9, slice(0, 4), 0), 2)
    for step in (session.undo, session.undo, session.redo, session.redo):
        step()
        for name in WORK:
            if record.array(name).ndim > 1:
                assert np.array_equal(record.copied(name)[:], record.array(name))
    assert not record.worked.all()
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
