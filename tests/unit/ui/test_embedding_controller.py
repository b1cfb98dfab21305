"""The map's frames: which is shown, held, chosen; what is known of its voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.insight.feature_table import FeatureTable, LabelKind
from napari_contrastseg.insight.map_history import EmbeddingFrame
from napari_contrastseg.insight.silhouettes import silhouettes
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.embedding.controller import EmbeddingController
from napari_contrastseg.ui.embedding.dock import EmbeddingState, EmbeddingView
from napari_contrastseg.ui.embedding.plot import MapPlot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"
COUNT = 40


@pytest.fixture
def shown(
    workspace: Workspace, add: Add, sample: Sample
) -> Iterator[EmbeddingController]:
    """The controller of the embedding dock, for a volume with two classes."""
    add(sample)
    workspace.session.add_class()
    made = EmbeddingController(workspace)
    yield made
    made.close()


def frames(count: int) -> list[EmbeddingFrame]:
    """Frames of a map that moves; one voxel of class 1 looks like class 2."""
    label = np.repeat([1, 2], COUNT // 2)
    features = np.eye(4, dtype=np.float32)[label]
    features[0] = features[-1]
    position = np.zeros((COUNT, 3), np.int64)
    position[:, 0], position[:, 1] = 5, np.arange(COUNT)
    kind = np.full(COUNT, LabelKind.TRUTH)
    volume = np.zeros(COUNT, np.int64)
    table = FeatureTable((NAME,), volume, position, label, kind, features)
    layout, scores = np.zeros((COUNT, 2), np.float32), silhouettes(features, label)
    return [
        EmbeddingFrame(1, f"look {number}", table, layout + number, scores)
        for number in range(count)
    ]


def test_the_last_frame_is_shown_until_the_map_is_frozen(
    shown: EmbeddingController,
) -> None:
    first, second, third = frames(3)
    shown.add(first)
    shown.add(second, False)  # is not kept in the recording
    state = shown.state()
    assert state.frame is second
    assert (state.frames, state.at, state.frozen) == (1, 0, False)
    shown.freeze(True)
    shown.add(third)
    state = shown.state()
    assert state.frame is second
    assert (state.frames, state.at, state.frozen) == (2, 0, True)
    shown.freeze(False)
    state = shown.state()
    assert state.frame is third
    assert (state.at, state.frozen) == (1, False)


def test_an_earlier_frame_is_held_and_the_last_one_lets_go(
    shown: EmbeddingController,
) -> None:
    first, second, third = frames(3)
    shown.add(first)
    shown.add(second)
    shown.show_frame(0)
    assert shown.state().frame is first
    assert shown.state().frozen
    shown.add(third)
    assert shown.state().frame is first
    shown.show_frame(2)
    assert shown.state().frame is third
    assert not shown.state().frozen
    shown.show_frame(9)  # there is none
    assert shown.state().frame is third


def test_a_label_that_was_mended_is_no_longer_listed(
    workspace: Workspace, shown: EmbeddingController, qtbot: QtBot
) -> None:
    where = np.zeros((16, 40, 40), bool)
    where[5, : COUNT // 2, 0] = True
    painting.paint(workspace.session, NAME, where, 1)
    (frame,) = frames(1)
    shown.add(frame)
    (issue,) = shown.state().issues
    assert (issue.label, issue.looks_like, list(issue.rows)) == (1, 2, [0])
    mended = np.zeros_like(where)
    mended[5, 0, 0] = True
    painting.paint(workspace.session, NAME, mended, 2)
    qtbot.wait(100)
    assert len(shown.state().issues) == 1, "nobody looks"
    shown.set_visible(True)
    qtbot.waitUntil(lambda: not shown.state().issues, timeout=60_000)
    about = shown.state().about
    assert about is not None
    assert about.label[0] == 2


def test_nothing_is_left_of_another_session(
    workspace: Workspace, shown: EmbeddingController
) -> None:
    heard: list[EmbeddingState] = []
    shown.state_changed.connect(heard.append)
    for frame in frames(2):
        shown.add(frame)
    workspace.replace(Session())
    state = heard[-1]
    assert (state.frame, state.about) == (None, None)
    assert (state.frames, state.issues) == (0, ())


def test_the_view_moves_points_and_draws_them_only_where_they_differ(
    shown: EmbeddingController, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    draw = MapPlot.draw

    def counted(plot: MapPlot, *what: object) -> None:
        drawn.append(1)
        draw(plot, *what)  # type: ignore[arg-type]

    monkeypatch.setattr(MapPlot, "draw", counted)
    view = EmbeddingView()
    qtbot.addWidget(view)
    shown.state_changed.connect(view.setValue)
    view.frozen.connect(shown.freeze)
    view.frame_chosen.connect(shown.show_frame)
    first, second = frames(2)
    shown.add(first)
    shown.add(second)
    assert len(drawn) == 1
    assert np.array_equal(view.map.layout_, second.layout)
    assert view.slider.value() == view.slider.maximum() == 1
    view.slider.setValue(0)
    assert view.freeze.isChecked()
    assert "look 0" in view.text.text()
    view.freeze.setChecked(False)
    assert view.slider.value() == 1
    assert "look 1" in view.text.text()
    shown.forget()
    assert not view.map.items
    assert len(drawn) == 2
