"""The real window: strokes are answered live, before there is any round."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.derived import where_from
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
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-contrastseg", "ContrastSeg"
    )
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
    widget.learn.setValue(LearnSettings(minutes=0.1, device="cpu"))
    widget.learn.run.click()
    qtbot.wait(300)
    widget.workspace.go_to(8)
    stroke(viewer, widget, sample, 1)
    rests(qtbot, widget)
    wait_idle(qtbot, widget)
    assert [r.info.number for r in session.rounds] == [1]
    widget.shut_down()


def test_closing_in_the_middle_of_an_answer_ends_its_thread(
    shown: tuple[Any, ContrastSegWidget, Sample], qtbot: QtBot
) -> None:
    viewer, widget, sample = shown
    for class_id in (1, BACKGROUND):
        stroke(viewer, widget, sample, class_id)
    qtbot.wait(20)
    widget.shut_down()
    names = [thread.name for thread in threading.enumerate()]
    assert "contrastseg-task" not in names
