"""What two sessions must have in common to count as the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.session.volume_record import WORK

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session


def arrays_of(session: Session) -> dict[str, dict[str, Any]]:
    """The person's arrays of each volume, as plain lists."""
    return {
        name: {array: record.array(array).tolist() for array in WORK}
        for name, record in session.records.items()
    }


def state_of(session: Session) -> dict[str, Any]:
    """All that a journal must bring back."""
    shown = {n: r.proposal.round for n, r in session.records.items() if r.proposal}
    return {
        "arrays": arrays_of(session),
        "images": {n: r.stored for n, r in session.records.items()},
        "classes": session.classes,
        "axis": session.axis,
        "thresholds": dict(session.thresholds),
        "rounds": [r.info for r in session.rounds],
        "selection": session.rounds.selection,
        "weights": sorted(session.newer_weights),
        "shown": shown,
        "can undo": [action.label for action in session.history.done],
        "can redo": [action.label for action in session.history.undone],
    }
