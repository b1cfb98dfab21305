"""Derived proposals follow the labels: at once on the shown slice, then all others."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_contrastseg.proposers.proposer import Proposer
from napari_contrastseg.session import painting, review
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks import derive
from napari_contrastseg.tasks.live_answers import is_live
from napari_contrastseg.tasks.predict import PredictedSlices
from napari_contrastseg.ui.review import sources_controller
from napari_contrastseg.ui.review.sources_controller import SourcesController
from tests.kit.proposers import NEAREST, NearestSlice
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"
FIRST, LAST = 5, 11

BOTH = ("interpolation", "guided")


@pytest.fixture
def sources(
    workspace: Workspace, add: Add, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SourcesController]:
    """A controller, a volume and two classes; interpolation is easily foreseen."""
    monkeypatch.setattr(derive, "catalogue", lambda: dict.fromkeys(BOTH, NEAREST))
    made = SourcesController(workspace, is_live)
    assert add(sample) == NAME
    workspace.session.add_class()
    workspace.go_to(7)
    yield made
    made.close()


@pytest.fixture
def record(workspace: Workspace, sources: SourcesController) -> VolumeRecord:
    """The volume."""
    del sources
    return workspace.session.records[NAME]


def settle(workspace: Workspace, sample: Sample, *slices: int) -> None:
    """Paint slices as they truly are, and mark them done."""
    for index in slices:
        where = np.zeros(sample.truth.shape, bool)
        where[index] = sample.truth[index] > 0
        painting.paint(workspace.session, NAME, where, sample.truth[where])
        painting.mark(workspace.session, NAME, index, Status.DONE)


def rests(qtbot: QtBot, sources: SourcesController) -> None:
    qtbot.waitUntil(lambda: sources.resting, timeout=60_000)


def test_slices_between_are_proposed_once_two_are_done(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    settle(workspace, sample, FIRST)
    rests(qtbot, sources)
    assert record.proposal is None
    assert sources.words == "nothing proposed yet"
    settle(workspace, sample, LAST)
    rests(qtbot, sources)
    assert np.array_equal(record.prediction[7], sample.truth[FIRST])
    assert np.array_equal(record.prediction[10], sample.truth[LAST])
    assert workspace.shows(NAME, "pseudo")
    assert sources.words == f"interpolated between slices {FIRST} and {LAST}"


def test_the_shown_slice_is_there_before_the_thread_has_said_anything(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()
    window = threading.get_ident()
    monkeypatch.setattr(sources_controller, "AT_ONCE_LABELLED", 2**30)

    class Waits(NearestSlice):
        def probabilities(self, index: int) -> np.ndarray:
            if threading.get_ident() != window:
                go_on.wait(60)
            return super().probabilities(index)

    slow = Proposer("interpolation", "", "", Waits)
    monkeypatch.setattr(derive, "catalogue", lambda: dict.fromkeys(BOTH, slow))
    settle(workspace, sample, FIRST, LAST)
    qtbot.waitUntil(lambda: record.proposal is not None, timeout=60_000)
    assert record.prediction[7].any()
    assert not record.prediction[8].any()
    workspace.go_to(8)
    assert record.prediction[8].any(), "who steps on sees that slice at once"
    go_on.set()
    rests(qtbot, sources)
    assert record.prediction[9].any()


def test_undo_takes_the_proposal_along_and_redo_brings_it_back(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    settle(workspace, sample, FIRST, LAST, 8)
    rests(qtbot, sources)
    assert np.array_equal(record.prediction[7], sample.truth[8])
    workspace.undo()  # marking slice 8 done: its strokes are answered live
    rests(qtbot, sources)
    workspace.undo()  # painting them
    rests(qtbot, sources)
    assert np.array_equal(record.prediction[7], sample.truth[FIRST])
    workspace.redo()
    rests(qtbot, sources)
    workspace.redo()
    rests(qtbot, sources)
    assert np.array_equal(record.prediction[7], sample.truth[8])
    while workspace.session.history.last:
        workspace.undo()
    rests(qtbot, sources)
    assert record.proposal is None
    assert not workspace.shows(NAME, "pseudo")


def test_a_stroke_on_a_done_slice_is_followed_and_ink_is_never_touched(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    settle(workspace, sample, FIRST, LAST)
    rests(qtbot, sources)
    where = np.zeros(sample.truth.shape, bool)
    where[FIRST, 0, :5] = True
    painting.paint(workspace.session, NAME, where, 2)
    ink = record.ink.copy()
    rests(qtbot, sources)
    assert (record.prediction[7, 0, :5] == 2).all()
    assert np.array_equal(record.ink, ink)


def test_a_better_interpolation_takes_the_place_of_the_quick_one(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Better(NearestSlice):
        def probabilities(self, index: int) -> np.ndarray:
            found = np.zeros_like(super().probabilities(index))
            found[2] = 1
            return found

    better = Proposer("guided", "", "", Better)
    both = {"interpolation": NEAREST, "guided": better}
    monkeypatch.setattr(derive, "catalogue", lambda: both)
    settle(workspace, sample, FIRST, LAST)
    rests(qtbot, sources)
    assert record.proposal is not None
    assert (record.proposal.prediction[(FIRST + LAST) // 2] == 2).all()


def test_a_stroke_ends_what_is_derived_where_it_is_answered_live(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(sources_controller, "AT_ONCE_LABELLED", 0)

    class Waits(NearestSlice):
        def probabilities(self, index: int) -> np.ndarray:
            go_on.wait(60)
            return super().probabilities(index)

    slow = Proposer("interpolation", "", "", Waits)
    monkeypatch.setattr(derive, "catalogue", lambda: dict.fromkeys(BOTH, slow))
    settle(workspace, sample, FIRST, LAST)
    qtbot.wait(50)
    assert not sources.resting
    where = np.zeros(sample.truth.shape, bool)
    where[8, 0, :5] = True
    painting.paint(workspace.session, NAME, where, 2)
    rests(qtbot, sources)
    go_on.set()
    qtbot.wait(200)
    assert record.proposal is None, "it would write over the live answer"


def test_a_source_that_fails_leaves_what_was_there(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle(workspace, sample, FIRST, LAST)
    rests(qtbot, sources)
    before = record.prediction.copy()

    def fail(_seen: object) -> None:
        raise RuntimeError("no idea")

    broken = Proposer("interpolation", "", "", fail)
    monkeypatch.setattr(derive, "catalogue", lambda: dict.fromkeys(BOTH, broken))
    settle(workspace, sample, 8)
    rests(qtbot, sources)
    open_slices = record.status != Status.DONE
    assert np.array_equal(record.prediction[open_slices], before[open_slices])


def test_nothing_is_shown_in_the_middle_of_a_stroke(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pressed = [Qt.MouseButton.LeftButton]
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: pressed[0])
    settle(workspace, sample, FIRST, LAST)
    qtbot.wait(300)
    assert record.proposal is None
    pressed[0] = Qt.MouseButton.NoButton
    rests(qtbot, sources)
    assert record.prediction[7].any()


def test_a_round_takes_over_and_what_is_accepted_first_says_where_it_came_from(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    settle(workspace, sample, FIRST, LAST)
    rests(qtbot, sources)
    review.accept_slice(workspace.session, NAME, 7)
    assert set(np.unique(record.origin[7])) == {0, 4}
    rests(qtbot, sources)
    add_round(workspace.session, sample.truth)
    assert np.array_equal(record.prediction[9], sample.truth[9])
    rests(qtbot, sources)
    workspace.go_to(9)
    assert "round 1" in sources.words


def test_two_volumes_are_derived_though_only_one_is_shown(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    settle(workspace, sample, FIRST, LAST)
    session = workspace.session
    session.add_volume(_another(sample))
    other = session.records["another"]
    for index in (2, 4):
        where = np.zeros(sample.truth.shape, bool)
        where[index] = True
        painting.paint(session, "another", where, 1)
        painting.mark(session, "another", index, Status.DONE)
    rests(qtbot, sources)
    assert record.prediction[7].any()
    assert (other.prediction[3] == 1).all()
    assert not workspace.shows("another", "pseudo")
    workspace.choose_volume("another")
    assert workspace.shows("another", "pseudo")


def test_what_a_network_says_of_slices_is_shown_while_others_follow(
    workspace: Workspace,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    settle(workspace, sample, FIRST, LAST)
    rests(qtbot, sources)
    before = record.prediction.copy()
    labels = np.stack([np.full(sample.truth.shape[1:], 2), np.zeros_like(before[9])])
    sure = np.full(labels.shape, 0.95, np.float16)
    said = PredictedSlices(NAME, 0, np.array([7, 9]), labels.astype(np.uint8), sure)
    sources.show_predicted(said)
    assert (record.prediction[7] == 2).all()
    assert sources.words == "round 1, which is still being predicted"
    assert np.array_equal(record.prediction[9], before[9]), "nothing replaces nothing"
    sources.forget_predicted()  # the run was cancelled
    rests(qtbot, sources)
    assert np.array_equal(record.prediction, before)
    assert "interpolated" in sources.words


def _another(sample: Sample) -> Volume:
    return replace(sample.volume, id="another")


def test_nothing_is_interpolated_between_unrelated_pictures(
    workspace: Workspace,
    data: DataController,
    sources: SourcesController,
    record: VolumeRecord,
    sample: Sample,
    qtbot: QtBot,
) -> None:
    settle(workspace, sample, FIRST, LAST)
    rests(qtbot, sources)
    assert (record.prediction[7] > 0).any()
    data.set_unrelated(True)
    rests(qtbot, sources)
    assert data.state().unrelated
    assert record.proposal is None
    assert (record.ink[FIRST] > 0).any()
    data.set_unrelated(False)
    rests(qtbot, sources)
    assert (record.prediction[7] > 0).any()
