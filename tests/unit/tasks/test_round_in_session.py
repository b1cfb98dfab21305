"""A round that is worse than the one before leaves what is shown up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.session import painting
from napari_contrastseg.session.derived import where_from
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.round_in_session import take_up
from tests.kit.rounds import a_model
from tests.kit.sessions import NAME, SHAPE, a_session

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session

LABELS = np.zeros(SHAPE, np.uint8)
LABELS[:, 3:9, 4:10] = 1


def finish(session: Session, index: int) -> None:
    where = np.zeros(SHAPE, bool)
    where[index] = LABELS[index] == 1
    painting.paint(session, NAME, where, 1)
    painting.mark(session, NAME, index, Status.DONE)


def a_round(number: int, said: np.ndarray, settled: list[int]) -> Round:
    proposal = Proposal(number, said, np.full(SHAPE, 0.9, np.float16))
    info = RoundInfo(number, "recommended", len(settled), 1.0, settled={NAME: settled})
    return Round(info, a_model(), Proposals({NAME: proposal}))


def test_the_earlier_round_is_joined_with_what_was_labelled_since() -> None:
    session = a_session(0)
    record = session.records[NAME]
    finish(session, 1)
    finish(session, 6)
    assert take_up(session, a_round(1, LABELS, [1, 6])) is None
    assert where_from(record, 2) == "round 1"
    finish(session, 4)

    worse = take_up(session, a_round(2, np.zeros_like(LABELS), [1, 4, 6]))

    assert worse is not None
    assert worse.earlier == 1
    words = "round 1 and, joined with it, interpolated between slices 1 and 4"
    assert where_from(record, 2) == words
    assert (record.prediction[2] == LABELS[2]).mean() > 0.95
