"""Rounds in a session, without training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.session.freeze import labelled_slices
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.volume_record import Proposal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.session.session import Session


def a_model() -> Model:
    """Make a model of two classes, not trained."""
    spec = NetworkSpec(widths=(4, 8))
    inputs = InputSpec(("image",), 0, 0, (1.0, 1.0), (1,))
    classes = (ModelClass(1, "core"), ModelClass(2, "shell"))
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, False, 0)
    return Model(card, build_network(spec, inputs, 2))


def add_round(
    session: Session,
    labels: NDArray[np.uint8],
    confidence: float = 0.95,
    settled: Sequence[int] = (),
) -> None:
    """Propose labels for every volume, as a round whose network has learned nothing."""
    number = len(session.rounds) + 1
    sure = np.full(labels.shape, confidence, np.float16)
    known = {name: list(settled) for name in session.records} if settled else {}
    count = labelled_slices(session)
    info = RoundInfo(number, "supervised", count, 1.0, settled=known)
    found = {name: Proposal(number, labels.copy(), sure) for name in session.records}
    session.add_round(Round(info, a_model(), Proposals(found)))
