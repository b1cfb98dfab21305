"""What two sessions must have in common to count as the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.session.volume_record import WORK

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session


def arrays_of(session: Session) -> dict[str, dict[str, Any]]:
    """The person's arrays of each volume, as plain lists."""
    return {
        name: {array: record.array(array).tolist() for array in WORK}
        for name, record in session.all_records.items()
    }


def state_of(session: Session) -> dict[str, Any]:
    """All that a journal must bring back."""
    shown = {n: r.proposal.round for n, r in session.records.items() if r.proposal}
    return {
        "arrays": arrays_of(session),
        "images": {n: r.stored for n, r in session.records.items()},
        "classes": session.classes,
        "axes": (session.slices, [r.axis for r in session.records.values()]),
        "sizes": [r.volume.spacing.tolist() for r in session.records.values()],
        "cases": (session.cohort, session.case_notes, sorted(session.closed)),
        "thresholds": dict(session.thresholds),
        "rounds": [r.info for r in session.rounds],
        "selection": session.rounds.selection,
        "weights": sorted(session.newer_weights),
        "shown": shown,
        "can undo": [action.label for action in session.history.done],
        "can redo": [action.label for action in session.history.undone],
    }


def work_of(session: Session) -> dict[str, Any]:
    """All that a human did, and what is shown of it."""
    found: dict[str, Any] = {
        "classes": session.classes,
        "thresholds": dict(session.all_thresholds()),
        "axes": (session.slices, [r.axis for r in session.records.values()]),
        "sizes": [r.volume.spacing.tolist() for r in session.records.values()],
        "rounds": [r.info.number for r in session.rounds],
        "standing": session.rounds.selection,
        "undo": session.history.last,
    }
    for name, record in session.records.items():
        arrays = (*WORK, "prediction", "pseudo")
        found[name] = {a: record.array(a).copy() for a in arrays}
    return found


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, dict) and key != "thresholds":
            for name, array in value.items():
                assert np.array_equal(array, other[key][name]), (key, name)
        else:
            assert value == other[key], key


def same_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    try:
        assert_same(one, other)
    except AssertionError:
        return False
    return True
