"""Painting within a range: strokes and the bucket, and what they are told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.tools.controller import ToolsController
from tests.kit.window import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"


@pytest.fixture
def tools(workspace: Workspace, add: Add, sample: Sample) -> Iterator[ToolsController]:
    """The controller, with a square of class 1 on slice 8."""
    made = ToolsController(workspace)
    add(sample)
    workspace.session.add_class()
    where = np.zeros(sample.truth.shape, bool)
    where[8, 10:20, 10:20] = True
    painting.paint(workspace.session, NAME, where, 1)
    workspace.choose_class(1)
    workspace.go_to(8)
    yield made
    made.close()


@pytest.fixture
def record(workspace: Workspace, tools: ToolsController) -> VolumeRecord:
    """The volume that is worked on."""
    del tools
    return workspace.session.records[NAME]


def test_a_range_is_taken_from_what_is_painted_and_holds_strokes(
    qtbot: QtBot,
    workspace: Workspace,
    tools: ToolsController,
    record: VolumeRecord,
    sample: Sample,
) -> None:
    image = np.asarray(sample.volume.data[0])
    tools.range.toggle()
    settings = tools.panel.value()
    values = image[8][record.ink[8] == 1]
    assert settings.in_range
    assert values.min() < settings.low < settings.high < values.max()
    ink: Any = workspace.registry.layer(NAME, "ink")
    ink.selected_label = 2
    whole = tuple(np.indices((1, 40, 40)).reshape(3, -1))
    ink.data_setitem((whole[0] + 4, *whole[1:]), 2)
    inside = (image[4] >= settings.low) & (image[4] <= settings.high)
    assert 0 < inside.sum() < inside.size
    # napari writes what it has reported; it is put back a moment later
    qtbot.waitUntil(lambda: np.array_equal(record.ink[4] == 2, inside), timeout=5000)
    tools.range.toggle()
    ink.data_setitem((np.array([4]), np.array([0]), np.array([0])), 2)
    assert record.ink[4, 0, 0] == 2


def test_the_bucket_fills_within_the_range_alone(
    qtbot: QtBot,
    workspace: Workspace,
    tools: ToolsController,
    record: VolumeRecord,
    sample: Sample,
) -> None:
    """napari's bucket fills all that hangs together; the range makes a threshold."""
    image = np.asarray(sample.volume.data[0])
    low, high = (float(x) for x in np.percentile(image[4], (40, 80)))
    tools.panel.change(low=low, high=high, in_range=True)
    low, high = tools.panel.value().low, tools.panel.value().high
    ink: Any = workspace.registry.layer(NAME, "ink")
    workspace.go_to(4)
    ink.fill((4, 0, 0), 1)
    inside = (image[4] >= low) & (image[4] <= high)
    qtbot.waitUntil(lambda: np.array_equal(record.ink[4] == 1, inside), timeout=5000)
    assert workspace.session.undo() == "stroke"
    assert not record.ink[4].any()


def test_a_stroke_outside_of_the_range_says_why_nothing_was_painted(
    qtbot: QtBot, workspace: Workspace, tools: ToolsController, record: VolumeRecord
) -> None:
    tools.panel.change(low=1e6, high=2e6)
    tools.range.toggle()
    ink: Any = workspace.registry.layer(NAME, "ink")
    ink.data_setitem((np.array([4]), np.array([0]), np.array([0])), 1)
    qtbot.waitUntil(lambda: not record.ink[4].any(), timeout=5000)
    assert "Press T to paint everywhere" in said()


def test_another_session_is_painted_everywhere(
    workspace: Workspace, tools: ToolsController
) -> None:
    strokes: Any = workspace.strokes
    tools.range.toggle()
    assert strokes.held is not None
    workspace.replace(Session())
    assert strokes.held is None
    assert not tools.panel.value().in_range


def test_without_labels_no_range_is_held_to(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    made = ToolsController(workspace)
    assert made.panel.buttons["smooth"].toolTip() == "Add a volume first"
    add(sample)
    workspace.choose_class(1)
    made.range.toggle()
    assert not made.panel.value().in_range
    assert workspace.strokes.held is None
    made.close()


def test_values_are_of_the_channel_on_top(workspace: Workspace) -> None:
    sample = phantom(0)
    image = np.asarray(sample.volume.data[0])
    volume = replace(sample.volume, data=(image, -image), channels=("t1", "t2"))
    made = ToolsController(workspace)
    workspace.session.add_volume(volume)
    record = workspace.session.records[NAME]
    workspace.registry.show_volume(record)
    made.refresh()
    assert made.panel.channel.text() == "values of channel t2"
    second: Any = workspace.registry.layer(NAME, "image 1")
    second.visible = False
    made.refresh()
    assert made.panel.channel.text() == "values of channel t1"
    made.close()


def test_what_a_smart_stroke_adds_is_held_to_the_range_as_well(
    qtbot: QtBot, workspace: Workspace, tools: ToolsController, record: VolumeRecord
) -> None:
    """Here a stroke becomes its whole slice."""

    def whole(
        record: VolumeRecord, flat: NDArray[np.int64], values: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        (every,) = record.flat_parts(int(record.slices_of(flat)[0]))
        return every, np.full(len(every), values[0], np.uint8)

    image = np.asarray(record.volume.data[0])
    workspace.strokes.refine = lambda _layer: whole
    tools.range.toggle()
    settings = tools.panel.value()
    ink: Any = workspace.registry.layer(NAME, "ink")
    ink.data_setitem((np.array([4]), np.array([0]), np.array([0])), 1)
    inside = (image[4] >= settings.low) & (image[4] <= settings.high)
    qtbot.waitUntil(lambda: np.array_equal(record.ink[4] == 1, inside), timeout=5000)
