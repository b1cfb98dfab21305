"""A round that fits the labels worse than the one before is not shown by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.session import painting
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.round_check import add_unless_worse, fit
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal
from tests.kit.rounds import a_model
from tests.kit.sessions import NAME, SHAPE, a_session

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session


def a_round(number: int, wrong: float, slices: int = SHAPE[0]) -> Round:
    """Predict class 1 everywhere, but for a part of the columns."""
    labels = np.ones(SHAPE, np.uint8)
    labels[:slices, :, : round(wrong * SHAPE[2])] = 0
    proposal = Proposal(number, labels, np.ones(SHAPE, np.float16))
    info = RoundInfo(number, "recommended", 2, 1.0)
    return Round(info, a_model(), Proposals({NAME: proposal}))


def labelled() -> Session:
    session = a_session(0)
    for index in (1, 6):
        where = np.zeros(SHAPE, bool)
        where[index] = True
        painting.paint(session, NAME, where, 1)
        painting.mark(session, NAME, index, Status.DONE)
    return session


def shown(session: Session) -> int:
    assert session.rounds.current is not None
    return session.rounds.current.info.number


def test_a_worse_round_is_added_and_the_one_before_stays_shown() -> None:
    session = labelled()
    assert add_unless_worse(session, a_round(1, 0.1)) is None
    worse = add_unless_worse(session, a_round(2, 0.5))
    assert worse is not None
    assert [r.info.number for r in session.rounds] == [1, 2]
    assert shown(session) == 1
    assert "Round 2 fits the slices that are done worse than round 1" in str(worse)
    session.undo()
    assert shown(session) == 2, "showing the earlier round can be undone"


@pytest.mark.parametrize("wrong", [0.0, 0.1])
def test_a_round_that_is_as_good_is_shown(wrong: float) -> None:
    session = labelled()
    add_unless_worse(session, a_round(1, 0.1))
    assert add_unless_worse(session, a_round(2, wrong)) is None
    assert shown(session) == 2


def test_what_nobody_labelled_says_nothing() -> None:
    session = a_session(0)
    add_unless_worse(session, a_round(1, 0.0))
    assert add_unless_worse(session, a_round(2, 1.0)) is None


def test_the_fit_is_the_dice_on_slices_that_are_done() -> None:
    """Half of a slice that is class 1 everywhere: 2 * 0.5 / 1.5."""
    session = labelled()
    found = a_round(1, 0.5).proposals
    half = round(0.5 * SHAPE[2]) / SHAPE[2]
    expected = 2 * (1 - half) / (2 - half)
    assert fit(session.records, found, [1]) == pytest.approx(expected)
    assert fit(session.records, found, [2]) is None
    assert fit(session.records, {}, [1]) is None
