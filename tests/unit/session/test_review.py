"""Accepting and rejecting slices, components and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from skimage.segmentation import flood

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.targets import Origin, Status
from tests.kit.sessions import NAME, add_round, box

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
    assert changed == painting.Changed(3, 1)
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
