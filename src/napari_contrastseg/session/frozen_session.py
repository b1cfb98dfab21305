"""A copy of a session to export from, so that annotating goes on meanwhile."""

from __future__ import annotations

from copy import copy

from napari_contrastseg.session.session import Session


def frozen_session(session: Session, *, labels: bool = True) -> Session:
    """Copy a session; images, rounds and models are shared, as nobody changes them.

    Nobody hears of what is done to the copy.

    Parameters
    ----------
    session : Session
    labels : bool
        Whether the copy holds the volumes and what is known of them.

    Raises
    ------
    InputError
        There is no room for the copy.
    """
    twin = Session(session.slices)
    if labels:
        twin.records = {n: r.frozen_to_export() for n, r in session.records.items()}
        twin.closed = {name: r.frozen() for name, r in session.closed.items()}
    twin.classes = session.classes
    twin.thresholds = dict(session.thresholds)
    twin.first_thresholds = dict(session.first_thresholds)
    twin.specks_chosen = dict(session.specks_chosen)
    twin.rounds = copy(session.rounds)
    return twin
