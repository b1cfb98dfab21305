"""Live answers in the session: which volumes are answered live."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks import live_answers
from napari_contrastseg.tasks.derive import derive_request
from napari_contrastseg.tasks.known_planes import KnownPlanes
from napari_contrastseg.tasks.live_answers import (
    answer_live,
    answer_quickly,
    begin_live,
    live_request,
)
from tests.kit.sessions import NAME, SHAPE

if TYPE_CHECKING:
    from napari_contrastseg.io.volume import VolumeKind


def with_two_slices_done(kind: VolumeKind) -> Session:
    session = Session()
    session.add_volume(replace(phantom(0, SHAPE).volume, kind=kind))
    session.add_class()
    for index in (2, 5):
        where = np.zeros(SHAPE, bool)
        where[index, :, :7] = True
        painting.paint(session, NAME, where, 1)
        painting.mark(session, NAME, index, Status.DONE)
    return session


@pytest.mark.parametrize(
    ("kind", "live"), [("volume", False), ("stack", True)], ids=str
)
def test_pictures_of_a_stack_are_answered_live_for_nothing_lies_between_them(
    kind: VolumeKind, live: bool
) -> None:
    session = with_two_slices_done(kind)
    assert (live_request(session, NAME) is not None) is live
    assert (derive_request(session, NAME) is not None) is not live


def test_very_large_slices_are_not_answered_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their copies alone would keep the window waiting after every stroke."""
    session = with_two_slices_done("stack")
    _, rows, columns = SHAPE
    monkeypatch.setattr(live_answers, "MOST_PIXELS", rows * columns)
    assert live_answers.is_live(session, NAME)
    monkeypatch.setattr(live_answers, "MOST_PIXELS", rows * columns - 1)
    assert not live_answers.is_live(session, NAME)


def test_what_is_painted_is_known_and_what_is_not_is_background_where_done() -> None:
    session = with_two_slices_done("volume")
    planes = KnownPlanes(session.records[NAME])
    assert planes.has_background()
    assert planes.has([1])
    assert not planes.has([2])
    painting.mark(session, NAME, 2, Status.SPARSE)
    painting.mark(session, NAME, 5, Status.SPARSE)
    planes.forget()
    assert not planes.has_background()
    where = np.zeros(SHAPE, bool)
    where[3, 0, :4] = True
    painting.paint(session, NAME, where, 255)
    planes.forget([3])
    assert planes.has_background()
    found = planes.planes()
    assert np.unique(found[3]).tolist() == [-1, 0]
    assert np.unique(found[2]).tolist() == [-1, 1]


def test_a_stroke_copies_the_slices_that_it_has_changed_alone() -> None:
    session = with_two_slices_done("stack")
    planes = KnownPlanes(session.records[NAME])
    before, digest = planes.planes(), planes.digest()
    assert np.unique(before[2]).tolist() == [0, 1]
    where = np.zeros(SHAPE, bool)
    where[3, 0] = True
    painting.paint(session, NAME, where, 1)
    planes.forget([3])
    after = planes.planes()
    assert list(after) == [2, 3, 5]
    assert all(after[index] is before[index] for index in (2, 5))
    assert planes.digest() != digest
    session.undo()
    planes.forget([3])
    assert planes.digest() == digest
    fresh = KnownPlanes(session.records[NAME])
    assert fresh.digest() == digest


def test_slices_with_strokes_come_before_what_follows_from_them() -> None:
    session = with_two_slices_done("stack")
    where = np.zeros(SHAPE, bool)
    where[7, 0] = where[1, 0] = True
    painting.paint(session, NAME, where, 1)
    request = live_request(session, NAME)
    assert request is not None
    live = begin_live(session.records[NAME])
    times = iter(range(100))
    parts = answer_live(live, request, lambda: 6, lambda: next(times))
    order = [part.found.slices[0] for part in parts if part is not None]
    assert order[:3] == [6, 7, 1]
    assert order[3:] == [4, 3, 0]


@pytest.mark.parametrize(
    ("scale", "offset"), [(1, 0), (1e-12, 0), (1, 1e10), (1e36, 0)]
)
def test_grey_values_of_any_size_are_answered(scale: float, offset: float) -> None:
    truth = np.zeros((8, 40, 44), bool)
    truth[:, 12:28, 14:30] = True
    grey = 100 * truth + np.random.default_rng(0).normal(0, 10, truth.shape)
    grey = grey * scale + offset
    session = Session()
    session.add_volume(Volume(NAME, (grey,), array_affine(np.ones(3))))
    session.add_class()
    where = np.zeros(truth.shape, np.uint8)
    where[4, 20, 16:28], where[4, 6, 8:36], where[4, 8:34, 6] = 1, 255, 255
    painting.paint(session, NAME, where > 0, where[where > 0])
    request, live = live_request(session, NAME), begin_live(session.records[NAME])
    assert request is not None
    for part in (
        *answer_quickly(live, request, 4),
        *answer_live(live, request, lambda: 4),
    ):
        if part is not None and 4 in part.found.slices:
            found = part.found.labels[list(part.found.slices).index(4)] == 1
            assert np.isfinite(part.found.confidence).all()
            both = 2 * (found & truth[4]).sum()
            assert both / (found.sum() + truth[4].sum()) > 0.8
