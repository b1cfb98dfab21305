"""The list of rounds: the current one, and the weights that training starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.round_list import RoundList
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.undo import RoundSelection
from napari_contrastseg.session.volume_record import Proposal

if TYPE_CHECKING:
    from napari_contrastseg.learning.models.model import Model


def a_round(number: int) -> Round:
    guess = np.zeros((2, 3, 3), np.uint8)
    proposal = Proposal(number, guess, guess.astype(np.float16))
    model = cast("Model", f"model {number}")
    return Round(
        RoundInfo(number, "supervised", 1, 1.0), model, Proposals({"a": proposal})
    )


def start_of(rounds: RoundList) -> Any:
    """The weights; models are words here."""
    return rounds.weights


def test_rounds_are_a_sequence() -> None:
    rounds = RoundList()
    assert not rounds
    made = [a_round(number) for number in (1, 2, 3)]
    for one in made:
        rounds.append(one)
    assert list(rounds) == made
    assert list(reversed(rounds)) == made[::-1]
    assert rounds[-2:] == made[1:]
    assert rounds.numbered(2) is made[1]
    assert rounds.numbered(9) is None


def test_training_starts_from_newer_weights_than_the_current_rounds() -> None:
    rounds = RoundList()
    assert start_of(rounds) is None
    rounds.append(a_round(1))
    rounds.select(RoundSelection(1, None))
    assert start_of(rounds) == "model 1"
    rounds.add_weights("k1", cast("Model", "one"), ())
    assert (start_of(rounds), rounds.selection) == ("one", RoundSelection(1, "k1"))
    rounds.add_weights("k2", cast("Model", "two"), ())
    assert list(rounds.newer) == ["k2"], "nobody wants the ones before"
    rounds.add_weights("k3", cast("Model", "three"), {"k2"})
    assert list(rounds.newer) == ["k2", "k3"]
    rounds.select(RoundSelection(1, "k2"))
    assert start_of(rounds) == "two"
    rounds.select(RoundSelection(1, "k1"))
    assert start_of(rounds) == "model 1", "weights that are gone are nobody's start"


def test_a_round_that_cannot_be_read_has_its_number_still() -> None:
    rounds = RoundList()
    assert rounds.next_number == 1
    rounds.append(a_round(1))
    rounds.absent.append(RoundInfo(4, "supervised", 1, 1.0))
    assert rounds.next_number == 5
