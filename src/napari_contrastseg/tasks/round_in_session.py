"""Run a round of a session to its end, without a window."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_contrastseg.session.freeze import labelled_slices, settled_slices
from napari_contrastseg.session.round_check import add_unless_worse
from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.tasks.derive import derive_missing
from napari_contrastseg.tasks.predict import Predicted, nobody_looks
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.round import Embedded, SlicesScored, Trained, run_round
from napari_contrastseg.tasks.round_result import RoundResult, round_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_contrastseg.session.round_check import WorseRound
    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.predict import ShownSlice
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.round import RoundEvent


def round_in_session(
    session: Session,
    request: TrainRequest,
    look: Callable[[], ShownSlice | None] = nobody_looks,
) -> Generator[RoundEvent, None, Round]:
    """Train, predict and embed; returns the round, which is not added yet.

    Parameters
    ----------
    session : Session
        Of which `request` was frozen.
    look : callable
        Which slice is predicted first.

    Raises
    ------
    InputError
        The request cannot be trained.
    """
    start = time.perf_counter()
    result = RoundResult(
        RoundInfo(
            number=session.rounds.next_number,
            recipe=request.recipe,
            labelled_slices=labelled_slices(session),
            seconds=0.0,
            settled=settled_slices(session),
        )
    )
    for event in run_round(resolve_here(request), look=look):
        if isinstance(event, Trained):
            result.model = event.model
        elif isinstance(event, Predicted):
            result.take(event)
        elif isinstance(event, SlicesScored):
            result.slices[event.volume_id] = event.scores
        elif isinstance(event, Embedded):
            result.embedding = event
        yield event
    seconds = round(time.perf_counter() - start, 2)
    return round_of(session, request, result, seconds)


def take_up(session: Session, finished: Round) -> WorseRound | None:
    """Add a finished round to its session, and show the better one, as the window does.

    Where the round before stays shown, it is joined with interpolation between all the
    slices that are done by now.
    """
    worse = add_unless_worse(session, finished)
    if worse is not None:
        derive_missing(session)
    return worse
