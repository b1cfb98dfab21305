"""Accepting and rejecting slices, components and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import flood

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.ink_edits import Changed
from napari_contrastseg.session.targets import Origin, Status
from tests.kit.sessions import NAME, a_session, add_round, box

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


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
    changed = review.accept_component(session, NAME, (0, 0, 1), "prediction")
    assert changed == Changed(3, 1)
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
    review.reject_component(session, NAME, seed, "pseudo", through=True)
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


def test_only_what_is_proposed_can_be_rejected(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    review.reject_component(session, NAME, (8, 20, 20), "prediction")
    gone = int((record.rejected[8] > 0).sum())
    assert gone
    changed = review.reject_slice(session, NAME, 8)
    assert changed == Changed(record.ink[8].size - gone, 1)
    undo = session.history.last
    assert review.reject_slice(session, NAME, 8) == Changed(0, 0)
    review.accept_slice(session, NAME, 9)
    with pytest.raises(InputError, match="Slice 9 is done already"):
        review.reject_slice(session, NAME, 9)
    assert not record.rejected[9].any()
    assert record.proposal is not None
    record.proposal.confidence[10] = 0
    with pytest.raises(InputError, match="Nothing is proposed on slice 10 yet"):
        review.reject_slice(session, NAME, 10)
    session.undo()
    assert session.history.last == undo, "nothing is no step to be undone"


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


@st.composite
def reviews(draw: st.DrawFn) -> tuple[Session, str, int]:
    """A session with ink, rejections and a proposal at random; a layer, a slice."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    session = a_session(0)
    record = session.records[NAME]
    shape = record.volume.shape
    painted = rng.random(shape) < draw(st.sampled_from([0.0, 0.05]))
    painting.paint(session, NAME, painted, int(draw(st.sampled_from([1, 2, 255]))))
    smooth = ndimage.gaussian_filter(rng.random((3, *shape)), (0, 1, 2, 2))
    add_round(session, smooth.argmax(axis=0))
    assert record.proposal is not None
    record.proposal.confidence[:] = rng.random(shape)
    session.touch(NAME)
    for _ in range(draw(st.integers(0, 3))):
        seed = tuple(int(rng.integers(n)) for n in shape)
        if record.prediction[seed]:
            review.reject_component(
                session, NAME, seed, "prediction", through=draw(st.booleans())
            )
    layer = draw(st.sampled_from(["prediction", "pseudo"]))
    return session, layer, draw(st.integers(0, shape[0] - 1))


@given(reviews())
def test_accepting_a_slice_writes_what_is_shown_of_it_and_nothing_else(
    case: tuple[Session, review.Layer, int],
) -> None:
    session, layer, index = case
    record = session.records[NAME]
    shown, ink = record.array(layer).copy(), record.ink.copy()
    status, rejected = record.status.copy(), record.rejected.copy()
    free = np.zeros(ink.shape, bool)
    free[index] = (ink[index] == 0) & (shown[index] != 0)
    try:
        changed = review.accept_slice(session, NAME, index, layer)
    except InputError:
        assert layer == "pseudo"
        assert not shown[index].any()
        return
    assert changed.voxels == free.sum()
    assert np.array_equal(record.ink, np.where(free, shown, ink))
    assert (record.status[index] == Status.DONE) == (layer == "prediction")
    others = np.arange(len(status)) != index
    assert np.array_equal(record.status[others], status[others])
    assert np.array_equal(record.rejected, rejected), "rejected stays rejected"
    if changed.voxels:
        session.undo()
        assert np.array_equal(record.ink, ink)
        assert np.array_equal(record.status, status)


@given(reviews(), st.booleans())
def test_no_ring_is_accepted_around_what_was_rejected(
    case: tuple[Session, review.Layer, int], through: bool
) -> None:
    """Reject a piece as it is shown, then accept with all of the proposal shown."""
    session, layer, index = case
    record = session.records[NAME]
    shown = record.array(layer)[index]
    seeds = np.argwhere((shown > 0) & (shown < 255) & (record.ink[index] == 0))
    if not len(seeds):
        return
    seed = (index, *map(int, seeds[len(seeds) // 2]))
    class_id = int(shown[seed[1:]])
    window = (slice(None),) if through else (slice(index, index + 1),)
    whole, _ = ndimage.label(record.prediction[window] == class_id)
    sure, _ = ndimage.label(record.pseudo[window] == class_id)
    here = (index if through else 0, *seed[1:])
    mine = whole == whole[here]
    others = mine & (sure > 0) & (sure != sure[here])
    review.reject_component(session, NAME, seed, layer, through=through)
    left = (record.prediction[window] == class_id) & mine & (record.ink[window] == 0)
    if layer == "prediction":
        assert not left.any(), "a ring was left"
    pieces, count = ndimage.label(left | others)
    for piece in range(1, count + 1):
        assert others[pieces == piece].any(), "what is left has a sure piece of its own"
    review.accept_slice(session, NAME, index)
    accepted = record.origin[index] == Origin.ACCEPTED
    assert not (accepted & (record.rejected[index] > 0)).any()


def test_a_piece_is_accepted_on_its_slice_or_through_all(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    record = session.records[NAME]
    core = sample.truth == 1
    seed = tuple(int(i) for i in np.argwhere(core)[len(np.argwhere(core)) // 2])
    review.accept_component(session, NAME, seed, "prediction")
    painted = np.flatnonzero((record.ink == 1).any(axis=(1, 2)))
    assert painted.tolist() == [seed[0]]
    assert record.status[seed[0]] == Status.SPARSE
    changed = review.accept_component(session, NAME, seed, "prediction", through=True)
    assert np.array_equal(record.ink == 1, core)
    assert changed.slices == core.any(axis=(1, 2)).sum() - 1
    assert str(changed.voxels) in changed.words


def test_a_slice_without_an_answer_is_not_accepted(
    session: Session, sample: Sample
) -> None:
    add_round(session, sample.truth)
    proposal = session.records[NAME].proposal
    assert proposal is not None
    proposal.confidence[8] = 0
    with pytest.raises(InputError, match="Nothing is proposed on slice 8"):
        review.accept_slice(session, NAME, 8)
