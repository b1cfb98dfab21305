"""Tools on a session: one step each, locks hold, other classes stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.session import painting
from napari_contrastseg.session.editing import tools
from napari_contrastseg.session.editing.tools import (
    FILL_HOLES,
    GROW,
    KEEP_LARGEST,
    REMOVE_SMALL,
    SMOOTH,
    TOOLS,
    Asked,
    Tool,
    on_slice,
    through_all,
)
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.session.volume_record import WORK
from tests.kit.planes import sessions
from tests.kit.session_state import arrays_of
from tests.kit.sessions import NAME

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session

every_tool = st.sampled_from(list(TOOLS.values()))
asked_of = st.builds(
    Asked, st.just(1), st.sampled_from([0.6, 1.0, 2.0]), st.integers(1, 30)
)


@given(sessions(), every_tool, asked_of, st.booleans())
def test_a_tool_is_one_step_that_keeps_to_the_locks(
    session: Session, tool: Tool, asked: Asked, through: bool
) -> None:
    (record,) = session.records.values()
    name, before = record.volume.id, arrays_of(session)
    ink, steps = record.ink.copy(), len(session.history.done)
    refused = ""
    try:
        parts = (
            through_all(record, tool, asked)
            if through
            else [on_slice(record, 2, tool, asked)]
        )
        changed = painting.change_ink(session, name, parts, tool.name)
    except InputError as error:
        refused = str(error)
    if refused:
        assert "locked" in refused
        assert arrays_of(session) == before
        return
    differs = record.ink != ink
    assert changed.voxels == differs.sum()
    along = np.unique(np.nonzero(differs)[record.axis])
    assert changed.slices == len(along)
    assert not record.locked[along].any()
    if session.classes[1].locked:
        assert np.array_equal(record.ink == 2, ink == 2)
    if tool.of_class:
        assert not np.isin(ink[differs], (2, 255)).any(), "others are never overwritten"
        assert np.isin(record.ink[differs], (0, 1)).all()
    assert np.array_equal(
        record.origin[differs] == Origin.PAINTED, record.ink[differs] > 0
    )
    for array in ("origin", "rejected"):
        kept = np.array(before[name][array])[~differs]
        assert np.array_equal(record.array(array)[~differs], kept)
    done = np.array(before[name]["status"]) == Status.DONE
    erased = np.moveaxis(differs & (record.ink == 0), record.axis, 0)
    known = np.moveaxis(record.truth, record.axis, 0)
    assert (known[done][erased[done]] == 0).all(), "background on a slice that is done"
    assert (known[~done][erased[~done]] == UNKNOWN).all(), "unlabelled on others"
    assert (record.status[done] == Status.DONE).all()
    across = tuple(a for a in range(3) if a != record.axis)
    painted = np.asarray(record.ink.any(axis=across))
    assert np.array_equal(record.status[~done] == Status.SPARSE, painted[~done])
    after = arrays_of(session)
    assert len(session.history.done) == steps + bool(changed.voxels)
    if changed.voxels:
        assert session.undo() == tool.name
        assert arrays_of(session) == before, "undo restores bit for bit"
        session.redo()
        assert arrays_of(session) == after


@given(sessions(), st.sampled_from([FILL_HOLES, KEEP_LARGEST, REMOVE_SMALL]), asked_of)
def test_a_second_time_through_the_volume_changes_nothing(
    session: Session, tool: Tool, asked: Asked
) -> None:
    (record,) = session.records.values()
    name = record.volume.id
    for index in np.flatnonzero(record.locked).tolist():
        painting.lock_slice(session, name, index, locked=False)
    painting.change_ink(session, name, through_all(record, tool, asked), tool.name)
    again = painting.change_ink(
        session, name, through_all(record, tool, asked), tool.name
    )
    assert again.voxels == 0


@given(sessions(), st.sampled_from([FILL_HOLES, SMOOTH, GROW]), asked_of)
def test_all_slices_are_changed_as_each_would_be_alone(
    session: Session, tool: Tool, asked: Asked
) -> None:
    (record,) = session.records.values()
    expected = record.ink.copy()
    for index in np.flatnonzero(record.locked == 0).tolist():
        flat, values = on_slice(record, index, tool, asked)
        expected.reshape(-1)[flat] = values
    found = record.ink.copy()
    for flat, values in through_all(record, tool, asked):
        assert (np.diff(flat) > 0).all()
        found.reshape(-1)[flat] = values
    assert np.array_equal(found, expected)


def test_slices_are_read_a_few_at_a_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = session.records[NAME]
    record.ink[3:9, 10:20, 10:20] = 1
    record.ink[4, 14, 14] = 0
    record.status[3:9] = Status.SPARSE
    whole = list(through_all(record, FILL_HOLES, Asked(1)))
    monkeypatch.setattr(tools, "VOXELS", 2 * record.ink[0].size)
    parts = list(through_all(record, FILL_HOLES, Asked(1)))
    assert [p[0].tolist() for p in parts] == [w[0].tolist() for w in whole]
    assert sum(len(flat) for flat, _ in parts) == 1


def test_pieces_of_unrelated_pictures_are_looked_for_in_each(session: Session) -> None:
    record = session.records[NAME]
    for index in (3, 4):
        record.ink[index, 5:9, 5:9] = 1
        record.ink[index, 20:22, 20:22] = 1
        record.status[index] = Status.SPARSE
    record.ink[5, 20:22, 20:22], record.status[5] = 1, Status.SPARSE
    session.set_kind(NAME, "stack")
    parts = list(through_all(record, KEEP_LARGEST, Asked(1)))
    flat = np.concatenate([part[0] for part in parts])
    assert record.slices_of(flat).tolist() == [3, 4], "one piece is left in each"


def test_a_change_with_a_number_that_is_no_class_leaves_everything(
    session: Session,
) -> None:
    before = {n: session.records[NAME].array(n).copy() for n in WORK}
    good = np.array([5]), np.array([1], np.uint8)
    bad = np.array([9]), np.array([9], np.uint8)
    with pytest.raises(InputError, match="not a class"):
        painting.change_ink(session, NAME, [good, bad], "try")
    for name, array in before.items():
        assert np.array_equal(session.records[NAME].array(name), array)
