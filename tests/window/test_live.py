"""The real window: strokes are answered live, before there is any round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.derived import where_from
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.mouse import drag
from tests.kit.window import NAME, wait_idle

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.ui.dock import ContrastSegWidget

pytestmark = pytest.mark.viewer


@pytest.fixture
def shown(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> tuple[Any, ContrastSegWidget, Sample]:
    """A shown viewer with the dock, a phantom and two classes."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1400, 1000)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    sample = phantom(1)
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    widget.workspace.session.add_class()
    widget.workspace.go_to(8)
    qtbot.wait(100)
    return viewer, widget, sample


def rests(qtbot: QtBot, widget: ContrastSegWidget) -> None:
    qtbot.waitUntil(lambda: widget.live_answers.resting, timeout=60_000)


def stroke(
    viewer: Any, widget: ContrastSegWidget, sample: Sample, class_id: int
) -> None:
    """Draw along a row of where a class is."""
    truth = sample.truth[8]
    mine = truth == (0 if class_id == BACKGROUND else class_id)
    row = int(mine.sum(axis=1).argmax())
    widget.workspace.choose_class(class_id)
    ink: Any = widget.workspace.registry.layer(NAME, "ink")
    ink.brush_size = 1
    columns = np.flatnonzero(mine[row]).tolist()
    ends = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    run = max(ends, key=len)
    drag(viewer, widget, (8, row, int(run[0])), (8, row, int(run[-1])))


@pytest.mark.slow
def test_the_third_stroke_brings_a_proposal_without_any_round(
    shown: tuple[Any, ContrastSegWidget, Sample], qtbot: QtBot
) -> None:
    viewer, widget, sample = shown
    session = widget.workspace.session
    record = session.records[NAME]
    for class_id in (1, 2):
        stroke(viewer, widget, sample, class_id)
        rests(qtbot, widget)
        assert (record.ink[8] == class_id).any(), "the brush painted nothing"
        assert record.proposal is None
    stroke(viewer, widget, sample, BACKGROUND)
    qtbot.waitUntil(lambda: bool(record.prediction.any()), timeout=60_000)
    assert widget.workspace.shows(NAME, "pseudo")
    assert {1, 2} <= set(np.unique(record.prediction[8]))
    assert not session.rounds
    assert where_from(record, 8).startswith("live, from your strokes")
    human = record.ink.copy()

    # the brush goes on where it was, and its next stroke changes the answer
    rests(qtbot, widget)
    assert where_from(record, 8) == "live, from your strokes"
    assert np.array_equal(record.ink, human), "the machine wrote over ink"
    assert widget.workspace.registry.owner(viewer.layers.selection.active) == (
        NAME,
        "ink",
    )
    before = record.proposal
    stroke(viewer, widget, sample, 2)
    drag(viewer, widget, (8, 2, 2), (8, 2, 12))
    rests(qtbot, widget)
    assert record.proposal is before  # the same layers show it
    widget.workspace.go_to(9)
    assert record.prediction[9].any()

    # a round is run meanwhile, and speaks from then on
    widget.learn.setValue(LearnSettings(minutes=0.03, device="cpu"))
    widget.run_bar.run.click()
    qtbot.wait(300)
    widget.workspace.go_to(8)
    stroke(viewer, widget, sample, 1)
    rests(qtbot, widget)
    wait_idle(qtbot, widget)
    assert [r.info.number for r in session.rounds] == [1]
    widget.shut_down()


class Watched:
    """What each change of the shown proposal brought: slices, and how many answered."""

    def __init__(self, widget: ContrastSegWidget) -> None:
        session = widget.workspace.session
        self._record = session.records[NAME]
        self.slices: list[Any] = []
        self.answered: list[int] = []
        session.derived_changed.connect(self._on_derived)
        session.proposals_changed.connect(self._count)

    def _on_derived(self, _volume_id: str, slices: Any) -> None:
        self.slices.append(slices)
        self._count()

    def _count(self) -> None:
        proposal = self._record.proposal
        assert proposal is not None
        known = (proposal.confidence > 0).any(axis=(1, 2))
        known |= self._record.status == Status.DONE
        self.answered.append(int(known.sum()))


def test_a_persons_path_from_three_strokes_to_a_round(
    shown: tuple[Any, ContrastSegWidget, Sample], qtbot: QtBot
) -> None:
    viewer, widget, sample = shown
    workspace = widget.workspace
    record = workspace.session.records[NAME]
    watched = Watched(widget)
    for class_id in (1, 2):
        stroke(viewer, widget, sample, class_id)
    assert not watched.slices
    stroke(viewer, widget, sample, BACKGROUND)
    qtbot.waitUntil(lambda: bool(watched.slices), timeout=60_000)
    assert watched.slices[0] is None, "the layers came with the first answer"
    assert watched.answered[0] == 1
    assert {1, 2} <= set(np.unique(record.prediction[8])), "it is the shown slice's"
    rests(qtbot, widget)
    assert watched.answered[-1] == len(record.status)

    for index in (4, 8, 12):
        workspace.go_to(index)
        ink: Any = workspace.registry.layer(NAME, "ink")
        for value in (1, 2):
            plane = np.nonzero(sample.truth[index] == value)
            ink.data_setitem((np.full(len(plane[0]), index), *plane), value)
        widget.header.done.click()
        if index == 8:
            qtbot.waitUntil(lambda: widget.sources.resting, timeout=60_000)
    workspace.go_to(6)
    words = "interpolated between slices 4 and 8"
    qtbot.waitUntil(lambda: where_from(record, 6) == words, timeout=60_000)
    assert record.prediction[6].any()
    widget.review_bar.accept.click()
    assert record.status[6] == Status.DONE
    assert record.ink[6].any()
    human = record.ink.copy()

    settings = LearnSettings("supervised", minutes=0.03, device="cpu")
    widget.learn_controller.start("round", settings)
    workspace.go_to(10)
    ink = workspace.registry.layer(NAME, "ink")
    plane = np.nonzero(sample.truth[10])
    ink.data_setitem((np.full(len(plane[0]), 10), *plane), 1)  # goes on meanwhile
    widget.header.done.click()
    human[10] = record.ink[10]
    wait_idle(qtbot, widget)
    qtbot.waitUntil(lambda: widget.sources.resting, timeout=60_000)
    assert len(workspace.session.rounds) == 1
    assert np.array_equal(record.ink, human), "the machine wrote over ink"
    assert watched.answered == sorted(watched.answered), "it got emptier"
    widget.shut_down()
