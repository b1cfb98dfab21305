"""Proposals derived from labels: when there are any, in which order, from what."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.proposers import catalogue
from napari_contrastseg.session import painting
from napari_contrastseg.session.derived import drop_derived, where_from
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks import derive as module
from napari_contrastseg.tasks.derive import (
    derive,
    derive_missing,
    derive_request,
    labelled_volume,
    look_ahead,
)
from tests.kit.proposers import NEAREST
from tests.kit.sessions import NAME, SHAPE, a_round, a_session

BOTH = ("interpolation", "guided")


@pytest.fixture(autouse=True)
def nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpolate in a way that is easily foreseen."""
    monkeypatch.setattr(module, "catalogue", lambda: dict.fromkeys(BOTH, NEAREST))


def settle(session: Session, index: int, class_id: int) -> None:
    """Paint the left half of a slice, and mark it done."""
    where = np.zeros(SHAPE, bool)
    where[index, :, :7] = bool(class_id)
    painting.paint(session, NAME, where, class_id or 1)
    painting.mark(session, NAME, index, Status.DONE)


def a_stroke(session: Session, index: int) -> None:
    """Paint a little background on a slice."""
    where = np.zeros(SHAPE, bool)
    where[index, 0, 0] = True
    painting.paint(session, NAME, where, 255)


def test_nothing_is_derived_of_one_slice_or_of_empty_ones() -> None:
    session = a_session(0)
    assert derive_request(session, NAME) is None
    settle(session, 1, 1)
    assert derive_request(session, NAME) is None
    other = a_session(0)
    settle(other, 1, 0)
    settle(other, 6, 0)
    assert derive_request(other, NAME) is None


def test_a_source_sees_truth_and_nothing_else() -> None:
    session = a_session(0)
    settle(session, 1, 1)
    settle(session, 6, 2)
    a_round(session, np.ones(SHAPE), 0.9, settled=[1])
    a_stroke(session, 3)
    request = derive_request(session, NAME)
    assert request is not None
    seen = labelled_volume(request)
    assert np.array_equal(seen.truth, session.records[NAME].truth)
    assert seen.classes == (1, 2)
    assert seen.image(2).shape == (1, *SHAPE[1:])


def test_what_was_seen_of_a_volumes_motion_serves_later_labels() -> None:
    session = a_session(0)
    settle(session, 1, 1)
    settle(session, 6, 2)
    first = derive_request(session, NAME)
    settle(session, 4, 1)
    second = derive_request(session, NAME)
    assert first is not None
    assert second is not None
    steps = len(list(look_ahead(first)))
    assert steps > 0
    assert len(labelled_volume(second).flows) == steps


def test_an_export_without_a_window_derives_in_spite_of_strokes() -> None:
    session = a_session(0)
    settle(session, 1, 1)
    settle(session, 6, 2)
    a_stroke(session, 3)
    derive_missing(session)
    assert (session.records[NAME].prediction[2, :, :7] == 1).all()


def test_open_slices_are_derived_from_the_shown_one_outward() -> None:
    session = a_session(0)
    settle(session, 1, 1)
    settle(session, 6, 2)
    request = derive_request(session, NAME)
    assert request is not None
    parts = [p.found for p in derive(request, 4)]
    assert [int(p.slices[0]) for p in parts] == [4, 3, 5, 2, 7, 0]
    assert (parts[0].labels[0, :, :7] == 2).all()
    assert not parts[0].labels[0, :, 7:].any()
    assert parts[0].source.words == "interpolated between slices 1 and 6"
    assert parts[4].source.words == "continued beyond slice 6, the last one labelled"


def test_a_round_that_knows_every_label_is_not_replaced() -> None:
    session = a_session(0)
    settle(session, 1, 1)
    settle(session, 6, 2)
    a_round(session, np.ones(SHAPE), 0.9, settled=[1, 6])
    assert derive_request(session, NAME) is None
    settle(session, 3, 1)
    request = derive_request(session, NAME)
    assert request is not None
    assert request.settled == {1, 6}
    assert request.base is session.rounds[0].proposals[NAME]


def test_a_round_that_says_nothing_is_as_none() -> None:
    session = a_session(0)
    settle(session, 1, 1)
    settle(session, 6, 2)
    a_round(session, np.zeros(SHAPE), 0.9, settled=[1, 6])
    request = derive_request(session, NAME)
    assert request is not None
    assert request.base is None


def test_an_export_derives_what_no_thread_has() -> None:
    session = a_session(0)
    settle(session, 1, 1)
    settle(session, 6, 2)
    derive_missing(session)
    record = session.records[NAME]
    assert (record.prediction[2, :, :7] == 1).all()
    assert (record.prediction[5, :, :7] == 2).all()
    assert np.array_equal(record.prediction[1], record.ink[1])
    assert "between slices 1 and 6" in where_from(record, 3)


def test_what_a_round_got_wrong_gives_way_to_interpolation_as_slices_show_it() -> None:
    session = a_session(0)
    record = session.records[NAME]
    settle(session, 1, 1)
    settle(session, 6, 1)
    wrong = np.full(SHAPE, 2)
    a_round(session, wrong, 0.7, settled=[1, 6])
    settle(session, 3, 1)
    settle(session, 4, 1)
    derive_missing(session)
    assert (record.prediction[2, :, :7] == 1).all()
    assert not record.prediction[2, :, 7:].any()
    assert where_from(record, 2).startswith("round 1 and, joined with it, interpolated")
    assert (session.rounds[0].proposals[NAME].prediction == 2).all()


def test_what_a_round_got_right_is_kept_where_interpolation_errs() -> None:
    session = a_session(0)
    record = session.records[NAME]
    settle(session, 1, 1)
    settle(session, 6, 2)
    settle(session, 7, 1)
    right = np.zeros(SHAPE)
    right[:, :, :7] = np.array([1, 1, 2, 1, 2, 1, 2, 1])[:, None, None]
    a_round(session, right, 0.9, settled=[1, 6, 7])
    for index, class_id in ((2, 2), (3, 1), (4, 2)):
        settle(session, index, class_id)
    derive_missing(session)
    assert (record.prediction[5, :, :7] == 1).all()
    assert (record.prediction[0, :, :7] == 1).all()


def test_slices_settled_since_a_round_make_the_rest_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Left-out slices alone would have the round weigh as much as interpolation."""
    monkeypatch.setattr(module, "catalogue", catalogue)
    z, y, x = np.indices((33, 32, 32))
    wide = 4 + 6.5 * np.sin(np.pi * z / 32) ** 2 + 2.5 * np.cos(np.pi * z / 4)
    truth = ((y - 16) ** 2 + (x - 16) ** 2 <= wide**2).astype(np.uint8)
    grey = np.random.default_rng(0).normal(100, 10, truth.shape).astype(np.float32)
    session = Session()
    session.add_volume(Volume(NAME, (grey,), array_affine(np.ones(3))))
    session.add_class()
    record = session.records[NAME]

    def settle(*slices: int) -> None:
        for index in slices:
            where = np.zeros(truth.shape, bool)
            where[index] = truth[index] > 0
            painting.paint(session, NAME, where, 1)
            painting.mark(session, NAME, index, Status.DONE)

    settle(0, 8, 16, 24, 32)
    derive_missing(session)
    joined = record.prediction.copy()
    a_round(session, joined, 0.9, settled=[0, 8, 16, 24, 32])
    new = (4, 12, 20, 28)
    settle(*new)
    rest = [i for i in range(33) if i % 4]
    drop_derived(session, NAME)
    derive_missing(session)
    fused = record.prediction[rest].copy()

    def dice(found: np.ndarray) -> float:
        both = (found == 1) & (truth[rest] == 1)
        return float(2 * both.sum() / ((found == 1).sum() + truth[rest].sum()))

    assert dice(fused) > dice(joined[rest]) + 0.03
