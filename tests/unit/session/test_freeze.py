"""Targets that are frozen for a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.learning.data.targets import REJECTED
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.freeze import FrozenVolumes
from napari_contrastseg.session.targets import Status
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


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


def test_frozen_targets_do_not_follow_the_brush(session: Session) -> None:
    painting.paint(session, NAME, box(session, 3, slice(0, 4), 0), 1)
    frozen = FrozenVolumes(session)
    painting.paint(session, NAME, box(session, 3), 2)
    painting.mark(session, NAME, 5, Status.DONE)
    target = frozen[0].target  # worked out only now
    assert target is not None
    assert set(np.unique(target)) == {-1, 1}
