"""Proposals of earlier rounds are packed, and come back as they were."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.session.packed_proposals import Proposals, _PackedProposal
from napari_contrastseg.session.round_list import AT_HAND
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.volume_record import Proposal
from tests.kit.sessions import NAME, add_round
from tests.kit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


def takes_at_most(proposals: Proposals, most: float) -> bool:
    return proposals.nbytes < most


def test_earlier_rounds_take_little_memory_and_come_back_as_they_were(
    session: Session, sample: Sample, tmp_path: Path
) -> None:
    wanted = []
    for number in range(AT_HAND + 2):
        add_round(session, np.roll(sample.truth, number, axis=1))
        wanted.append(session.rounds[-1].proposals[NAME].prediction.copy())
    save_session(session, tmp_path / "s")
    for held in (session, load_session(tmp_path / "s")):
        early = held.rounds[0].proposals
        until(partial(takes_at_most, early, wanted[0].nbytes / 4))
        assert held.rounds[-1].proposals.nbytes == 3 * wanted[0].nbytes
        for entry, prediction in zip(held.rounds, wanted, strict=True):
            assert np.array_equal(entry.proposals[NAME].prediction, prediction)
        held.bring_back(1)
        assert early.nbytes == 3 * wanted[0].nbytes
        assert early[NAME] is held.records[NAME].proposal
        held.bring_back(AT_HAND + 2)


def test_proposals_wanted_again_are_not_packed_behind_ones_back(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = sample.truth.astype(np.uint8)
    came = Proposal(1, labels, np.full(labels.shape, 0.9, np.float16))
    held = Proposals({NAME: came})
    pack = _PackedProposal.of

    def interrupted(proposal: Proposal) -> _PackedProposal:
        held.unpack()
        return pack(proposal)

    monkeypatch.setattr(_PackedProposal, "of", interrupted)
    held.pack(wait=True)
    assert held[NAME] is came
    monkeypatch.setattr(_PackedProposal, "of", pack)
    held.pack(wait=True)
    assert held[NAME] is not came
    assert np.array_equal(held[NAME].confidence, came.confidence)
