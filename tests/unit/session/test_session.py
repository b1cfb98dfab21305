"""The session: truth, strokes, accept, reject, undo, rounds, save and open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from skimage.segmentation import flood

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.targets import REJECTED
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.freeze import FrozenVolumes, labelled_slices
from napari_contrastseg.session.proposals import Proposals, _PackedProposal
from napari_contrastseg.session.round_list import AT_HAND
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import (
    Origin,
    PseudoLabels,
    Status,
    earned_weight,
    pseudo_labels,
    targets,
    truth,
)
from napari_contrastseg.session.volume_record import Proposal, mask_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.session import Session

NAME = "phantom_000"


def a_model() -> Model:
    spec = NetworkSpec(widths=(4, 8))
    inputs = InputSpec(("image",), 0, 0, (1.0, 1.0), (1,))
    classes = (ModelClass(1, "core"), ModelClass(2, "shell"))
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, False, 0)
    return Model(card, build_network(spec, inputs, 2))


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


def test_truth_is_what_was_painted_and_what_is_done() -> None:
    ink = np.zeros((3, 2, 2), np.uint8)
    ink[0, 0, 0], ink[1, 0, 0], ink[1, 0, 1] = 1, 2, 255
    status = np.array([Status.SPARSE, Status.DONE, Status.UNTOUCHED], np.uint8)
    known = truth(ink, status, axis=0)
    assert known[0].tolist() == [[1, -1], [-1, -1]]
    assert known[1].tolist() == [[2, 0], [0, 0]]
    assert (known[2] == -1).all()


def test_targets_weigh_truth_over_pseudo_labels_over_nothing() -> None:
    known = np.array([[[1, -1, -1, -1]]], np.int16)
    pseudo = PseudoLabels(
        np.array([[[2, 2, 2, -1]]], np.int16), np.full((1, 1, 4), 0.5, np.float32)
    )
    rejected = np.array([[[False, False, True, False]]])
    target, weight = targets(known, pseudo, rejected)
    assert target.tolist() == [[[1, 2, -1, -1]]]
    assert weight.tolist() == [[[1.0, 0.5, 0.0, 0.0]]]


def test_pseudo_labels_need_their_classes_confidence() -> None:
    labels = pseudo_labels(
        np.array([0, 1, 1, 2], np.uint8),
        np.array([0.95, 0.85, 0.8, 0.99], np.float16),
        {0: 0.9, 1: 0.85, 2: 1.0},
    )
    assert labels.tolist() == [0, 1, -1, -1]


def test_pseudo_labels_earn_their_weight() -> None:
    assert earned_weight(40, None, 0) == 0, "confidence alone is no proof"
    assert earned_weight(40, 1.0, 2) == 0
    assert earned_weight(40, 0.85, 9) == 0
    assert earned_weight(6, 1.0, 6) == 0
    assert 0 < earned_weight(20, 0.95, 6) < earned_weight(40, 0.95, 6)
    assert earned_weight(40, 0.95, 6) < earned_weight(40, 1.0, 6) < 1


def test_what_was_missed_speaks_against_pseudo_labels(
    session: Session, sample: Sample
) -> None:
    half = sample.truth.copy()
    half[:, :, : half.shape[2] // 2] = 0  # it is right where it says a class
    for prediction, earned in ((sample.truth, True), (half, False)):
        add_round(session, prediction)
        for index in range(2, 14):
            here = np.zeros(sample.truth.shape, bool)
            here[index] = sample.truth[index] > 0
            painting.paint(session, NAME, here, sample.truth[here])
            painting.mark(session, NAME, index, Status.DONE)
        weight = FrozenVolumes(session)[0].weight
        assert (weight is not None) == earned


@pytest.mark.parametrize("axis", [0, 2])
def test_what_proposals_show_is_that_of_the_definition(
    session: Session, axis: int
) -> None:
    """Voxel by voxel, at every threshold; the whole volume and slice by slice."""
    session.set_axis(axis)
    record = session.records[NAME]
    rng = np.random.default_rng(0)
    add_round(session, rng.integers(0, 4, record.volume.shape))  # 3 is no class
    proposal = record.proposal
    assert proposal is not None
    proposal.confidence[:] = rng.random(record.volume.shape)
    proposal.confidence[0, 0, :2] = 0, 1
    record.ink[:] = rng.choice([0, 0, 0, 1, 255], record.volume.shape)
    record.rejected[:] = rng.choice([0, 0, 1, 7], record.volume.shape)
    record.status[3] = Status.DONE
    done = np.zeros(record.volume.shape, bool)
    done[record.window(3)] = True
    for thresholds in ({0: 0.0, 1: 0.9, 2: 0.5}, {0: 1.0, 1: 0.0, 2: 0.25}):
        guess = np.where(proposal.prediction > 2, 0, proposal.prediction)
        sure = pseudo_labels(guess, proposal.confidence, thresholds)
        pseudo = np.where(sure == 0, 255, np.maximum(sure, 0))
        pseudo[record.rejected > 0] = 0
        full = np.where(record.rejected == 1, 0, guess)
        human = (record.ink > 0) | done
        pseudo = np.where(human, record.ink, pseudo)
        full = np.where(human, np.where(record.ink == 255, 0, record.ink), full)
        for slices in (None, range(len(record.status))):
            record.refresh(thresholds, slices)
            assert np.array_equal(record.pseudo, pseudo)
            assert np.array_equal(record.prediction, full)
            record.pseudo[:], record.prediction[:] = 9, 9


def test_strokes_set_ink_origin_and_status(session: Session) -> None:
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    record = session.records[NAME]
    assert (record.ink[3, :4, 0] == 1).all()
    assert (record.origin[3, :4, 0] == Origin.PAINTED).all()
    assert record.status[3] == Status.SPARSE
    painting.paint(session, NAME, box(session, 3), 0)
    assert record.status[3] == Status.UNTOUCHED
    assert not record.origin.any()


def test_a_label_that_is_no_class_is_taken_back(session: Session) -> None:
    record = session.records[NAME]
    record.ink[0, 0, 0] = 7  # as napari leaves it after a stroke with label 7
    stroke = ((np.array([0]), np.array([0]), np.array([0])), np.array([0]), 7)
    with pytest.raises(InputError, match="Label 7 is no class"):
        painting.commit_stroke(session, NAME, [stroke])
    assert not record.ink.any()
    assert session.history.last == "add class"


def test_a_stroke_over_itself_is_undone_at_once(session: Session) -> None:
    record = session.records[NAME]
    place = tuple(np.array([i]) for i in (2, 5, 5))
    record.ink[2, 5, 5] = 2
    strokes = [(place, np.array([0]), 1), (place, np.array([1]), 2)]
    painting.commit_stroke(session, NAME, strokes)
    assert record.ink[2, 5, 5] == 2
    session.undo()
    assert record.ink[2, 5, 5] == 0
    session.redo()
    assert record.ink[2, 5, 5] == 2


def test_corrections_become_ink(session: Session, sample: Sample) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    places = np.argwhere(sample.truth[8] == 2)[:2]
    spot = (8, *places[0])
    stroke = (tuple(np.array([i]) for i in spot), np.array([2]), 0)
    painting.commit_stroke(session, NAME, [stroke], "prediction")
    assert record.ink[spot] == 255  # erasing in a proposal means background
    assert record.origin[spot] == Origin.CORRECTED
    assert record.prediction[spot] == 0
    assert record.pseudo[spot] == 255
    assert session.rounds.current is not None
    raw = session.rounds.current.proposals[NAME].prediction
    assert raw[spot] == 2, "what the network said must stay as it was"
    session.undo()
    assert record.ink[spot] == 0
    assert record.prediction[spot] == 2
    assert record.pseudo[spot] == 2


def test_undo_of_a_correction_reaches_an_earlier_round(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    painting.paint(session, NAME, box(session, 8, slice(0, 9), 0), 1)
    add_round(session, sample.truth)
    assert (record.prediction[8, :9, 0] == 1).all()
    session.undo()
    assert np.array_equal(record.prediction, sample.truth)
    session.bring_back(1)
    assert np.array_equal(record.prediction, sample.truth)


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
        deadline = time.monotonic() + 30
        while early.nbytes > wanted[0].nbytes / 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert early.nbytes < wanted[0].nbytes / 4
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


def test_a_component_is_found_whole_however_far_it_winds(
    session: Session, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "FIRST_REACH", 2)
    drawn = np.random.default_rng(0).random(sample.truth.shape) < 0.4
    add_round(session, drawn)
    shown = session.records[NAME].prediction
    for seed in map(tuple, np.argwhere(drawn)[::4999]):
        found = review.component(session, NAME, seed, "prediction")
        assert np.array_equal(found, np.flatnonzero(flood(shown, seed, connectivity=1)))


def test_accepting_a_slice_never_changes_human_ink(
    session: Session, sample: Sample
) -> None:
    painting.paint(session, NAME, box(session, 8, slice(0, 40), slice(10, 20)), 1)
    human = session.records[NAME].ink.copy()
    add_round(session, sample.truth)
    review.accept_slice(session, NAME, 8)
    record = session.records[NAME]
    assert np.array_equal(record.ink[human > 0], human[human > 0])
    rest = human[8] == 0
    assert np.array_equal(record.ink[8][rest], sample.truth[8][rest])
    assert record.status[8] == Status.DONE
    assert set(np.unique(record.origin[8])) <= {
        Origin.UNTOUCHED,
        Origin.PAINTED,
        Origin.ACCEPTED,
    }
    with pytest.raises(InputError, match="done already"):
        review.accept_slice(session, NAME, 8)
    session.undo()
    assert np.array_equal(record.ink, human)
    assert record.status[8] == Status.SPARSE


def test_components_and_classes(session: Session, sample: Sample) -> None:
    labels = sample.truth.copy()
    labels[0, 0, :3] = 1  # a component of its own, far from the core
    add_round(session, labels)
    record = session.records[NAME]
    assert review.accept_component(session, NAME, (0, 0, 1), "prediction") == 3
    assert (record.ink == 1).sum() == 3
    core = tuple(np.argwhere(sample.truth == 1)[0])
    painting.mark(session, NAME, int(core[0]), Status.DONE)
    review.accept_class(session, NAME, 1, "prediction")
    done = record.status == Status.DONE
    assert not (record.ink[done] == 1).any(), "a slice that is done was changed"
    assert np.array_equal(record.ink[~done] == 1, labels[~done] == 1)
    with pytest.raises(InputError, match="Nothing is proposed"):
        review.accept_component(session, NAME, (0, 39, 39), "prediction")


def test_rejected_voxels_give_no_pseudo_labels_until_painted(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    seed = tuple(int(i) for i in np.argwhere(sample.truth == 1)[0])
    review.reject_component(session, NAME, seed, "pseudo")
    core = sample.truth == 1
    assert (record.rejected[core] == 1).all()
    assert (record.pseudo[core] == 0).all()
    assert (record.prediction[core] == 0).all()
    session.undo()
    assert (record.pseudo[core] == 1).all()
    session.redo()
    assert (record.pseudo[core] == 0).all()
    where = np.zeros(core.shape, bool)
    where[seed] = True
    painting.paint(session, NAME, where, 2)
    assert record.rejected[seed] == 0
    review.accept_slice(session, NAME, seed[0])
    assert record.ink[seed] == 2
    assert not (record.ink[seed[0]] == 1).any(), "a rejected voxel was accepted"


def test_a_rejected_slice_teaches_nothing(session: Session, sample: Sample) -> None:
    """Its background neither: the network missed something, perhaps."""
    for index in (*range(2, 9), *range(10, 14)):
        here = np.zeros(sample.truth.shape, bool)
        here[index] = sample.truth[index] > 0
        painting.paint(session, NAME, here, sample.truth[here])
        painting.mark(session, NAME, index, Status.DONE)
    add_round(session, sample.truth)
    target, weight = FrozenVolumes(session)[0].target, FrozenVolumes(session)[0].weight
    assert target is not None
    assert weight is not None
    assert (target[9] >= 0).all()
    assert (weight[9] > 0).all()
    review.reject_slice(session, NAME, 9)
    again = FrozenVolumes(session)[0]
    assert again.target is not None
    assert (again.target[9] == REJECTED).all()
    assert (again.target[14] >= 0).all()


def test_a_number_that_a_run_speaks_of_is_not_given_again(session: Session) -> None:
    session.delete_class(2)
    session.in_training = frozenset({1, 2})
    assert session.add_class() == 3


def test_a_later_round_may_be_accepted_where_an_earlier_was_rejected(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    review.reject_slice(session, NAME, 8)
    add_round(session, sample.truth)
    review.accept_slice(session, NAME, 8)
    record = session.records[NAME]
    assert np.array_equal(record.ink[8], sample.truth[8])
    assert not record.rejected[8].any()


def test_classes_with_ink_stay(session: Session) -> None:
    painting.paint(session, NAME, box(session, 0, 0, 0), 1)
    with pytest.raises(InputError, match="has 1 painted voxels"):
        session.delete_class(1)
    session.delete_class(2)
    assert [c.id for c in session.classes] == [1]
    session.undo()
    assert [c.id for c in session.classes] == [1, 2]


def test_existing_masks_become_ink(session: Session, sample: Sample) -> None:
    painting.take_ink(session, NAME, sample.truth, done="labelled")
    record = session.records[NAME]
    assert np.array_equal(record.ink, sample.truth)
    with_labels = sample.truth.any(axis=(1, 2))
    assert np.array_equal(record.status == Status.DONE, with_labels)
    with pytest.raises(InputError, match="shape"):
        painting.take_ink(session, NAME, sample.truth[:3], done="all")
    with pytest.raises(InputError, match=r"values \[9\]"):
        painting.take_ink(session, NAME, sample.truth * 0 + 9, done="all")


def test_frozen_targets_do_not_follow_the_brush(session: Session) -> None:
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    frozen = FrozenVolumes(session)
    painting.paint(session, NAME, box(session, 3), 2)
    painting.mark(session, NAME, 5, Status.DONE)
    target = frozen[0].target  # worked out only now
    assert target is not None
    assert set(np.unique(target)) == {-1, 1}


def test_the_axis_is_fixed_once_something_is_painted(session: Session) -> None:
    session.set_axis(1)
    assert len(session.records[NAME].status) == 40
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    with pytest.raises(InputError, match="axis is fixed"):
        session.set_axis(2)


def test_everything_is_there_after_save_and_open(
    session: Session, sample: Sample, tmp_path: Path
) -> None:
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    add_round(session, sample.truth)
    review.accept_slice(session, NAME, 8)
    review.reject_slice(session, NAME, 9)
    session.set_threshold(1, 0.7)
    folder = tmp_path / "session"
    for _ in range(2):  # a second save replaces the first
        save_session(session, folder)
    assert len(list((folder / "work").iterdir())) == 1
    back = load_session(folder)
    one, other = session.records[NAME], back.records[NAME]
    for name in ("ink", "origin", "status", "rejected"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.volume.data[0], other.volume.data[0])
    assert np.allclose(one.volume.affine, other.volume.affine)
    assert back.classes == session.classes
    assert back.threshold(1) == 0.7
    assert back.axis == session.axis
    assert [r.info for r in back.rounds] == [r.info for r in session.rounds]
    assert one.proposal is not None
    assert other.proposal is not None
    assert np.array_equal(one.proposal.prediction, other.proposal.prediction)
    assert np.array_equal(mask_of(one, complete=True), mask_of(other, complete=True))
    weights = session.rounds[0].model.network.state_dict()
    for key, value in back.rounds[0].model.network.state_dict().items():
        assert (value == weights[key]).all()


@pytest.mark.parametrize("what", ["cut", "foreign"])
def test_damaged_sessions_are_refused(
    session: Session, tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "session"
    save_session(session, folder)
    index = folder / "session.json"
    text = index.read_text()
    if what == "cut":
        index.write_text(text[:50])
    else:
        index.unlink()
    with pytest.raises(InputError):
        load_session(folder)


def test_rounds_are_written_once_and_newer_weights_are_kept(
    session: Session, sample: Sample, tmp_path: Path
) -> None:
    add_round(session, sample.truth)
    session.add_weights(a_model())
    folder = tmp_path / "session"
    save_session(session, folder)
    (weights,) = folder.glob("rounds/*/model/weights.safetensors")
    before = weights.stat().st_mtime_ns
    add_round(session, sample.truth)
    session.add_weights(a_model())
    save_session(session, folder)
    assert weights.stat().st_mtime_ns == before
    back = load_session(folder)
    assert len(back.rounds) == 2
    assert back.rounds.start is not None
    assert back.rounds.weights is back.rounds.start


def test_a_round_brought_back_brings_its_model(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    add_round(session, sample.truth)
    session.bring_back(1)
    assert session.rounds.weights is session.rounds[0].model


def test_a_deleted_class_is_no_longer_proposed(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    session.delete_class(2)
    assert set(np.unique(mask_of(record, complete=True))) == {0, 1}
    session.undo()
    assert set(np.unique(mask_of(record, complete=True))) == {0, 1, 2}
    session.delete_class(2)
    assert session.add_class() == 3, "a number that rounds know is not used again"


def test_removing_one_volume_leaves_the_others_history(session: Session) -> None:
    other = phantom(1).volume
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    session.add_volume(other)
    session.remove_volume(other.id)
    session.undo()
    assert not session.records[NAME].ink.any()


def test_a_folder_with_other_files_is_not_taken(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        save_session(session, tmp_path)


def test_bringing_a_round_back(session: Session, sample: Sample) -> None:
    add_round(session, sample.truth)
    add_round(session, np.zeros_like(sample.truth))
    record = session.records[NAME]
    assert record.proposal is not None
    assert not record.proposal.prediction.any()
    session.bring_back(1)
    assert record.proposal.round == 1
    assert np.array_equal(record.proposal.prediction, sample.truth)
    stroke = (tuple(np.array([i]) for i in (0, 0, 0)), np.array([0]), 1)
    painting.commit_stroke(session, NAME, [stroke], "prediction")
    session.bring_back(2)
    session.undo()
    session.undo()
    assert not record.ink.any()
