"""Labels of the slice before, or after, are copied where there are none."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting
from napari_contrastseg.session.editing.neighbour import copied_from_neighbour
from napari_contrastseg.session.editing.tools import changes
from napari_contrastseg.session.targets import Status
from tests.kit.planes import sessions
from tests.kit.session_state import arrays_of
from tests.kit.sessions import NAME

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session


@given(sessions(), st.integers(0, 5))
def test_classes_are_copied_where_nothing_is_painted(
    session: Session, index: int
) -> None:
    (record,) = session.records.values()
    ink = np.moveaxis(record.ink, record.axis, 0)
    others = [i for i in (index - 1, index + 1) if 0 <= i < len(ink)]
    others = [i for i in others if np.isin(ink[i], (1, 2)).any()]
    if not others or record.status[index] == Status.DONE:
        with pytest.raises(InputError):
            copied_from_neighbour(record, index)
        return
    expected = ink[index].copy()
    for place in np.ndindex(*expected.shape):
        value = ink[others[0]][place]
        if expected[place] == 0 and value in (1, 2):
            expected[place] = value
    assert np.array_equal(copied_from_neighbour(record, index), expected)


@given(sessions(), st.integers(0, 5))
def test_a_copy_is_one_step_that_keeps_to_the_locks(
    session: Session, index: int
) -> None:
    (record,) = session.records.values()
    name, before, ink = record.volume.id, arrays_of(session), record.ink.copy()

    def copy() -> int:
        after = copied_from_neighbour(record, index)
        parts = [changes(record, index, after)]
        return painting.change_ink(session, name, parts, "copy").voxels

    try:
        voxels = copy()
    except InputError:
        assert arrays_of(session) == before
        return
    differs = record.ink != ink
    assert voxels == differs.sum()
    assert not (voxels and record.locked[index])
    assert not ink[differs].any(), "what is painted stays"
    assert set(np.nonzero(differs)[record.axis].tolist()) <= {index}
    assert not (session.classes[1].locked and (record.ink[differs] == 2).any())
    after = arrays_of(session)
    with suppress(InputError):  # all that is left to copy is locked
        assert copy() == 0
    assert arrays_of(session) == after, "a second time changes nothing"
    if voxels:
        session.undo()
        assert arrays_of(session) == before, "undo restores bit for bit"
        session.redo()
        assert arrays_of(session) == after


def test_the_slice_after_is_copied_where_the_one_before_has_none(
    session: Session,
) -> None:
    record = session.records[NAME]
    record.status[6:9] = Status.SPARSE
    record.ink[8, 5:9, 5:9] = 2
    record.ink[8, 0, 0] = 255
    assert (copied_from_neighbour(record, 7) == 2).sum() == 16
    assert not (copied_from_neighbour(record, 7) == 255).any()
    record.ink[6, 1, 1] = 1
    assert (copied_from_neighbour(record, 7) == 1).sum() == 1
    with pytest.raises(InputError, match="Neither the slice before slice 3"):
        copied_from_neighbour(record, 3)
    session.set_kind(NAME, "stack")
    with pytest.raises(InputError, match="unrelated"):
        copied_from_neighbour(record, 7)
