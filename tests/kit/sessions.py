"""Sessions with painted voxels, rounds and small models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.freeze import labelled_slices
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.volume_record import Proposal
from tests.kit.rounds import a_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model

NAME = "phantom_000"
SHAPE = (8, 12, 14)


def add_round(session: Session, labels: np.ndarray, confidence: float = 0.95) -> None:
    number = len(session.rounds) + 1
    sure = np.full(labels.shape, confidence, np.float16)
    proposal = Proposal(number, labels.astype(np.uint8).copy(), sure)
    info = RoundInfo(number, "supervised", labelled_slices(session), 1.0)
    session.add_round(Round(info, a_model(), Proposals({NAME: proposal})))


def box(session: Session, *window: slice | int) -> np.ndarray:
    where = np.zeros(session.records[NAME].volume.shape, bool)
    where[window] = True
    return where


def a_session(*numbers: int) -> Session:
    """Volumes with two classes."""
    session = Session()
    for number in numbers:
        session.add_volume(phantom(number, SHAPE).volume)
    session.add_class()
    session.add_class()
    return session


def a_round(
    session: Session, prediction: NDArray[Any], sure: float, settled: list[int]
) -> None:
    """A round that says the same of every volume."""
    number = session.rounds.next_number
    proposals = {
        name: Proposal(
            number,
            prediction.astype(np.uint8),
            np.full(prediction.shape, sure, np.float16),
        )
        for name in session.records
    }
    info = RoundInfo(
        number, "supervised", 1, 0.0, settled=dict.fromkeys(session.records, settled)
    )
    session.add_round(Round(info, cast("Model", None), Proposals(proposals)))
