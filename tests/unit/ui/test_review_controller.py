"""Step Review: accept, reject, thresholds, the comparison of rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.review.controller import ReviewController
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"


@pytest.fixture
def reviewed(
    workspace: Workspace, add: Add, sample: Sample
) -> Iterator[ReviewController]:
    """A controller of step Review, and a round whose proposal is the truth."""
    made = ReviewController(workspace)
    assert made.state().rounds == ()
    assert add(sample) == NAME
    workspace.session.add_class()
    add_round(workspace.session, sample.truth)
    yield made
    made.close()


@pytest.fixture
def record(workspace: Workspace, reviewed: ReviewController) -> VolumeRecord:
    """The volume under review."""
    del reviewed
    return workspace.session.records[NAME]


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def point_at(workspace: Workspace, voxel: tuple[int, ...]) -> None:
    """Bring the cursor to a voxel."""
    workspace.viewer.cursor.position = tuple(workspace.registry.world(NAME, voxel))


def test_a_slice_is_accepted_and_taken_back(
    workspace: Workspace,
    reviewed: ReviewController,
    record: VolumeRecord,
    sample: Sample,
) -> None:
    workspace.go_to(8)
    reviewed.accept_slice()
    assert np.array_equal(record.ink[8], sample.truth[8])
    assert record.status[8] == Status.DONE
    assert reviewed.state().undo == "accept slice"
    workspace.undo()
    assert not record.ink.any()
    assert reviewed.state().undo != "accept slice"


def test_a_slice_is_rejected(
    workspace: Workspace, reviewed: ReviewController, record: VolumeRecord
) -> None:
    workspace.go_to(8)
    assert record.pseudo[8].any()
    reviewed.reject_slice()
    assert not record.pseudo[8].any()
    assert record.pseudo[7].any()
    assert not record.ink.any()


def test_the_component_under_the_cursor_is_accepted_or_rejected(
    workspace: Workspace,
    reviewed: ReviewController,
    record: VolumeRecord,
    sample: Sample,
) -> None:
    places = {c: tuple(np.argwhere(sample.truth == c)[0].tolist()) for c in (1, 2)}
    point_at(workspace, places[1])
    reviewed.accept_component()
    assert record.ink[places[1]] == 1
    point_at(workspace, places[2])
    reviewed.reject_component()
    assert record.pseudo[places[2]] == 0
    assert record.ink[places[2]] == 0


def test_a_class_is_accepted_or_rejected_once_one_is_chosen(
    reviewed: ReviewController, record: VolumeRecord, sample: Sample
) -> None:
    reviewed.accept_class(-1)
    assert "Choose a class" in said()
    reviewed.accept_class(2, through=True)
    assert ((record.ink == 2) == (sample.truth == 2)).all()
    assert not (record.ink == 1).any()
    reviewed.reject_class(1, through=True)
    assert not (record.pseudo == 1).any()


def test_a_threshold_shows_on_this_slice_at_once_and_on_all_when_settled(
    workspace: Workspace, reviewed: ReviewController, record: VolumeRecord
) -> None:
    workspace.go_to(8)
    assert record.pseudo[7].any()
    reviewed.move_threshold(-1, 0.99)
    assert not record.pseudo[8].any()
    assert record.pseudo[7].any()
    reviewed.refresh_all()
    assert not record.pseudo.any()
    assert set(reviewed.state().thresholds.values()) == {0.99}


def test_rounds_are_compared_and_brought_back(
    workspace: Workspace,
    reviewed: ReviewController,
    record: VolumeRecord,
    sample: Sample,
) -> None:
    add_round(workspace.session, np.roll(sample.truth, 2, axis=1))
    assert reviewed.state().rounds == (1, 2)
    reviewed.compare(1)
    state = reviewed.state()
    assert state.compared == 1
    share = 100 * (np.roll(sample.truth, 2, axis=1) != sample.truth).mean()
    assert f"differs in {share:.1f} %" in state.compared_words
    assert workspace.shows(NAME, "difference")
    reviewed.bring_back(1)
    state = reviewed.state()
    assert (state.round, state.compared) == (1, None)
    assert np.array_equal(record.prediction, sample.truth)


def test_slices_left_to_review_follow_what_is_done(
    workspace: Workspace,
    reviewed: ReviewController,
    record: VolumeRecord,
    sample: Sample,
) -> None:
    left = reviewed.state().left
    assert 0 < left <= len(record.status)
    workspace.go_to(8)
    reviewed.accept_slice()
    assert reviewed.state().left == left - 1
    workspace.undo()
    assert reviewed.state().left == left
    add_round(workspace.session, np.zeros_like(sample.truth))
    assert reviewed.state().left <= left
