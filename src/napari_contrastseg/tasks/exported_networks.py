"""The networks of a session's model, one for each slice axis, as they are exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.session import Session


def missing_model(session: Session) -> str | None:
    """Say what there must be before a model is exported."""
    return None if session.rounds.weights is not None else "Train a round first"


def exported_networks(session: Session) -> dict[str, Model]:
    """Give the latest model's networks by the stems of their files.

    Programs of other kinds know no model of several networks: each becomes a file of
    its own, and whoever uses them averages their probabilities.
    """
    model = session.rounds.weights
    assert model is not None
    return {f"model-axis-{m.card.input.axis}": m for m in (model, *model.others)}
