"""Step Review: accept, reject, thresholds, the comparison of rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.samples.samples import phantom
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
    """Show a voxel's slice, and bring the cursor to it."""
    workspace.go_to(voxel[0])
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
    assert "green: only round 2" in state.compared_words
    layer: Any = workspace.registry.layer(NAME, "difference")
    one, two = sample.truth, np.roll(sample.truth, 2, axis=1)
    workspace.session.change_class(1, colour="#123456")  # its colours are no class's
    colours = np.asarray(layer.colormap.map(layer.data.ravel())).reshape(*one.shape, 4)
    assert (colours[(one > 0) & (two == 0)] == (1, 0, 1, 1)).all()
    assert (colours[(two > 0) & (one == 0)] == (0, 1, 0, 1)).all()
    assert (colours[(two > 0) & (one > 0) & (one != two)] == (0, 1, 1, 1)).all()
    assert not colours[one == two].any()
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


def layer(workspace: Workspace, kind: str) -> Any:
    """A layer of the volume under review."""
    return workspace.registry.layer(NAME, kind)


def unsure_rim(record: VolumeRecord, sample: Sample) -> None:
    """Leave only the middle of the slices sure."""
    assert record.proposal is not None
    record.proposal.confidence[:] = 0.6
    record.proposal.confidence[:, 15:25, 15:25] = 0.95
    del sample


def test_a_fresh_round_shows_sure_and_unsure_told_apart(
    workspace: Workspace, reviewed: ReviewController, record: VolumeRecord
) -> None:
    sure = layer(workspace, "pseudo")
    proposal = layer(workspace, "prediction")
    assert sure.visible
    assert proposal.visible
    assert (sure.contour, proposal.contour) == (0, 1)
    assert reviewed.state().shown == "prediction"
    assert "only outlined is unsure" in reviewed.state().sure_words
    add_round(workspace.session, record.prediction.copy(), confidence=0.6)
    assert (record.pseudo > 0).any(), "something is sure however unsure the round is"
    assert "from 0.6" in reviewed.state().sure_words or (
        "from 0.59" in reviewed.state().sure_words
    )


def test_a_volume_without_a_proposal_is_not_said_to_have_a_hidden_one(
    workspace: Workspace, reviewed: ReviewController, add: Add
) -> None:
    other = add(phantom(1))
    workspace.choose_volume(other)
    workspace.session.records[other].proposal = None
    workspace.registry.drop_work(other)
    assert "Nothing is proposed" in reviewed.state().sure_words
    assert reviewed.state().rounds == (1,)
    assert not reviewed.state().proposed


def test_keys_act_on_the_slice_that_is_shown_before_the_mouse_has_moved(
    workspace: Workspace, reviewed: ReviewController, record: VolumeRecord
) -> None:
    point_at(workspace, (8, 24, 24))
    workspace.go_to(7)  # by a key: the mouse rests
    assert record.prediction[7, 24, 24]
    reviewed.accept_component()
    assert record.ink[7, 24, 24]
    assert not record.ink[8].any()


def test_only_what_is_shown_is_accepted(
    workspace: Workspace,
    reviewed: ReviewController,
    record: VolumeRecord,
    sample: Sample,
) -> None:
    unsure_rim(record, sample)
    workspace.session.touch(NAME)
    workspace.go_to(8)
    reviewed.show(None)
    for decide in (
        reviewed.accept_slice,
        reviewed.accept_component,
        reviewed.reject_component,
        reviewed.reject_slice,
    ):
        decide()
        assert "the proposal is hidden; Q shows it again" in said()
    assert not record.ink.any()
    assert not record.rejected.any()
    reviewed.show("pseudo")
    reviewed.accept_slice()
    assert np.array_equal(record.ink[8], record.pseudo[8])
    assert record.status[8] == Status.SPARSE
    assert "not done." in said()
    assert f"{np.count_nonzero(record.ink[8])} voxels" in said()
    reviewed.show("prediction")
    reviewed.accept_slice()
    assert record.status[8] == Status.DONE
    ink = np.where(record.ink[8] == 255, 0, record.ink[8])
    assert np.array_equal(ink, sample.truth[8])


def test_a_proposal_that_can_hardly_be_seen_is_hidden(
    workspace: Workspace, reviewed: ReviewController, record: VolumeRecord
) -> None:
    for kind in ("pseudo", "prediction"):
        layer(workspace, kind).opacity = 0.0
    reviewed.accept_slice()
    assert "the proposal is hidden" in said()
    assert not record.status.any()


def test_nothing_is_decided_while_several_slices_are_on_the_screen(
    workspace: Workspace, reviewed: ReviewController, record: VolumeRecord
) -> None:
    with pytest.warns(UserWarning, match="3D rendering"):  # napari, of outlines
        workspace.viewer.dims.ndisplay = 3
    reviewed.accept_slice()
    assert "does not show one slice" in said()
    assert layer(workspace, "prediction").contour == 0
    workspace.viewer.dims.ndisplay = 2
    assert layer(workspace, "prediction").contour == 1
    assert not record.status.any()


def test_a_piece_is_rejected_on_its_slice_or_through_all_and_both_are_counted(
    workspace: Workspace,
    reviewed: ReviewController,
    record: VolumeRecord,
    sample: Sample,
) -> None:
    core = sample.truth == 1
    place = tuple(np.argwhere(core)[core.sum() // 2].tolist())
    workspace.go_to(place[0])
    point_at(workspace, place)
    reviewed.reject_component()
    assert np.flatnonzero(record.rejected.any(axis=(1, 2))).tolist() == [place[0]]
    assert said() == f"Rejected {core[place[0]].sum()} voxels on 1 slice."
    workspace.undo()
    reviewed.reject_component(through=True)
    slices = core.any(axis=(1, 2)).sum()
    assert said() == f"Rejected {core.sum()} voxels on {slices} slices."
    assert not (record.prediction == 1).any()


def test_specks_are_switched_for_one_class_or_all(
    workspace: Workspace, reviewed: ReviewController
) -> None:
    reviewed.leave_out_specks(2, True)
    assert reviewed.state().specks_chosen == {1: False, 2: True}
    reviewed.leave_out_specks(-1, True)
    assert reviewed.state().specks_chosen == {1: True, 2: True}
    workspace.undo()
    workspace.undo()
    assert reviewed.state().specks_chosen == {1: False, 2: False}
