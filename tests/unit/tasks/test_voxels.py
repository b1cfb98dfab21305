"""What joins the map and the session: voxels described, painted, compared, queued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.insight.table import FeatureTable, LabelKind
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.review_queue import review_order
from napari_contrastseg.tasks.similar import SimilarRequest, outwards, similar
from napari_contrastseg.tasks.voxels import PROVENANCE, describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (8, 12, 14)


def a_session(*numbers: int) -> Session:
    """Volumes with two classes."""
    session = Session(axis=0)
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


def test_voxels_are_described_as_the_session_is_now() -> None:
    session = a_session(0)
    (name,) = session.records
    record = session.records[name]
    record.ink[2, 3, 4], record.origin[2, 3, 4] = 2, Origin.CORRECTED
    record.ink[2, 3, 5], record.origin[2, 3, 5] = 255, Origin.PAINTED
    record.status[2] = Status.SPARSE
    record.status[5] = Status.DONE
    places = [(2, 3, 4), (2, 3, 5), (5, 0, 0), (7, 1, 1), (7, 2, 2)]
    table = FeatureTable(
        (name, "gone"),
        np.array([0] * 5 + [1]),
        np.array([*places, (0, 0, 0)]),
        np.array([1, 0, 0, 2, -1, 1]),
        np.array(
            [LabelKind.TRUTH] * 3
            + [LabelKind.PSEUDO, LabelKind.UNLABELLED, LabelKind.UNLABELLED]
        ),
        np.zeros((6, 2), np.float32),
    )
    about = describe(session, table)
    assert about.label.tolist() == [2, 0, 0, 2, -1, 1]
    words = [PROVENANCE[p] for p in about.provenance.tolist()]
    assert words == [
        "corrected",
        "painted",
        "slice done",
        "pseudo-label",
        "unlabelled",
        "unlabelled",
    ]
    assert np.isnan(about.confidence).all()
    assert not about.round.any()
    a_round(session, np.ones(SHAPE, int), 0.75, settled=[5])
    after = describe(session, table)
    assert after.label.tolist() == [2, 0, 0, 2, 1, 1], "predicted where unknown"
    assert after.confidence[:5].tolist() == [0.75] * 5
    assert np.isnan(after.confidence[5])
    assert after.round.tolist() == [0, 0, 1, 0, 0, 0]
    session.delete_class(1)
    gone = describe(session, table)
    assert gone.label.tolist() == [2, 0, 0, 2, 0, 0], "what is no class is background"


def test_voxels_of_several_volumes_are_painted_as_one_action() -> None:
    session = a_session(0, 1)
    one, two = session.records
    places = {one: np.array([(1, 2, 3)]), two: np.array([(4, 5, 6), (4, 5, 7)])}
    painting.paint_voxels(session, places, 2, "class from map")
    assert session.records[one].ink[1, 2, 3] == 2
    assert session.records[two].ink[4, 5, 6:8].tolist() == [2, 2]
    assert session.records[two].status[4] == Status.SPARSE
    assert session.undo() == "class from map"
    assert not any(r.ink.any() or r.status.any() for r in session.records.values())
    painting.lock_slice(session, two, 4, locked=True)
    with pytest.raises(InputError, match="Slice 4 is locked"):
        painting.paint_voxels(session, places, 2, "class from map")
    assert not session.records[one].ink.any(), "all of it or nothing"
    with pytest.raises(InputError, match="is no class"):
        painting.paint_voxels(session, places, 7, "class from map")


def a_model(axis: int, spacing: NDArray[Any]) -> Model:
    """A small network that has learned nothing."""
    spec = NetworkSpec(widths=(4, 8))
    row, column = np.delete(spacing, axis).tolist()
    inputs = InputSpec(("image",), axis, 0, (row, column), ())
    classes = (ModelClass(1, "a"),)
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, False, 0)
    return Model(card, build_network(spec, inputs, 1))


@pytest.mark.parametrize("axis", [0, 2])
def test_similarity_is_the_cosine_of_features(axis: int) -> None:
    """Against the definition; the shown slice comes first, the network stays."""
    volume = phantom(0, SHAPE).volume
    model = a_model(axis, volume.spacing)
    voxel = (3, 5, 6)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    found = list(similar(SimilarRequest(model, volume, voxel, first=2)))
    assert [s.index for s in found] == outwards(2, SHAPE[axis])
    assert [s.index for s in found][:4] == [2, 1, 3, 0]
    whole = np.zeros(SHAPE, np.uint8)
    for one in found:
        np.moveaxis(whole, axis, 0)[one.index] = one.similarity
    assert whole[voxel] == 255
    reader = SliceReader(volume, model.card.input)
    images = torch.stack([reader.image(i) for i in range(SHAPE[axis])])
    with torch.no_grad():
        maps = functional.normalize(model.network.eval().tap(images, "dec1"), dim=1)
    everywhere = maps.movedim(1, -1).movedim(0, axis).numpy()
    cosine = (everywhere @ everywhere[voxel]).clip(0, 1)
    assert np.abs(whole / 255 - cosine).max() < 3e-3
    network = model.network
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_the_queue_trusts_what_was_checked() -> None:
    session = a_session(0)
    (name,) = session.records
    record = session.records[name]
    prediction = np.zeros(SHAPE, int)
    prediction[:, 3:9, 3:9] = 1
    a_round(session, prediction, 0.95, settled=[0])
    scores = {
        name: score_slices(prediction, session.records[name].proposal.confidence, 0)  # type: ignore[union-attr]
    }
    first = review_order(session, scores)
    assert {s.index for s in first.suggestions} == set(range(8))
    assert first.trust.slices == 0
    dice = first.suggestions[0].dice
    record.status[:5] = Status.DONE  # empty after all: the network was wrong
    second = review_order(session, scores)
    assert {s.index for s in second.suggestions} == {5, 6, 7}
    assert second.trust.slices == 4, "slice 0 was no evidence"
    assert second.suggestions[0].dice < dice - 0.1
