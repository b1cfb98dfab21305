"""Round from a run's events: predictions, embedding and weights become a `Round`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round
from napari_contrastseg.session.volume_record import Proposal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.insight.slice_scores import SliceScores
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.models.predict import Prediction
    from napari_contrastseg.session.rounds import RoundInfo
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.predict import Predicted
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.round import Embedded


@dataclass(eq=False)
class RoundResult:
    """What a run has given so far.

    Attributes
    ----------
    info : RoundInfo
        Its seconds and silhouettes are not known yet.
    model : Model or None
        Being trained, or trained; None before training begins.
    predictions, slices : dict of volume id to the volume's prediction, slice scores
    embedding : Embedded or None
    joined : list of volume id
        Volumes whose prediction is joined with the interpolation of their labels.
    """

    info: RoundInfo
    model: Model | None = None
    predictions: dict[str, Prediction] = field(default_factory=dict)
    slices: dict[str, SliceScores] = field(default_factory=dict)
    embedding: Embedded | None = None
    joined: list[str] = field(default_factory=list)

    def take(self, event: Predicted) -> None:
        """Take a volume's prediction."""
        self.predictions[event.volume_id] = event.prediction
        if event.joined:
            self.joined.append(event.volume_id)


def round_of(
    session: Session, request: TrainRequest, result: RoundResult, seconds: float
) -> Round:
    """Make a round that can be added to the session."""
    assert result.model is not None
    joined = [name for name in result.predictions if name in result.joined]
    begun = replace(result.info, joined=joined)
    found = proposals_of(session, request, result.predictions, begun)
    silhouette = {}
    if result.embedding is not None:
        silhouette = session.by_name(result.embedding.silhouettes.classes)
    info = replace(begun, seconds=seconds, silhouette=silhouette)
    slices = {name: s for name, s in result.slices.items() if name in found}
    return Round(info, result.model, Proposals(found), result.embedding, slices)


def proposals_of(
    session: Session,
    request: TrainRequest,
    predictions: Mapping[str, Prediction],
    info: RoundInfo,
) -> dict[str, Proposal]:
    """Make a round's proposals; volumes and classes that are gone are left out.

    A case that was closed meanwhile shows its own when it is opened again.
    """
    known = [0, *(c.id for c in session.classes)]
    gone = not {c.id for c in request.classes} <= set(known)
    keep = np.zeros(256, np.uint8)
    keep[known] = known
    trained = {v.volume.id: v.volume for v in request.volumes}
    proposals = {}
    for name, found in predictions.items():
        if _is_still_there(session, trained[name]):
            labels = _only(keep, found.labels) if gone else found.labels
            proposals[name] = Proposal(
                info.number, labels, found.confidence, info.source_of(name)
            )
    return proposals


def _is_still_there(session: Session, trained: Volume) -> bool:
    """Whether a session has the image; a case's may have been read again."""
    record = session.all_records.get(trained.id)
    if record is None:
        return trained.id in session.case_ids
    now = record.volume
    return now is trained or (
        now.source.path is not None
        and (now.source, now.shape, now.axis, now.kind)
        == (trained.source, trained.shape, trained.axis, trained.kind)
        and np.array_equal(now.affine, trained.affine)
    )


def _only(keep: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give labels without the classes that are gone."""
    found = zeros(labels.shape, np.uint8)
    for key in small_blocks(labels.shape):
        found[key] = keep[labels[key]]
    return found
