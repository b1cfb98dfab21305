"""Step Tools: what its buttons do to the session, and when they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import numpy as np
import pytest
from napari._qt._qapp_model.qactions._file import Q_FILE_ACTIONS
from napari._qt._qapp_model.qactions._view import Q_VIEW_ACTIONS
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts

from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.tools import controller
from napari_contrastseg.ui.tools.controller import ToolsController
from tests.kit.window import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"


@pytest.fixture
def tools(workspace: Workspace, add: Add, sample: Sample) -> Iterator[ToolsController]:
    """The controller, with a ring of class 1 on slices 6 and 8, slice 8 done."""
    made = ToolsController(workspace)
    add(sample)
    workspace.session.add_class()
    for index in (6, 8):
        paint(workspace, index, slice(10, 20), slice(10, 20), 1)
        paint(workspace, index, slice(14, 16), slice(14, 16), 0)
    painting.mark(workspace.session, NAME, 8, Status.DONE)
    workspace.choose_class(1)
    workspace.go_to(8)
    made.refresh()
    yield made
    made.close()


@pytest.fixture
def record(workspace: Workspace, tools: ToolsController) -> VolumeRecord:
    """The volume that is worked on."""
    del tools
    return workspace.session.records[NAME]


def paint(
    workspace: Workspace, index: int, rows: slice, columns: slice, value: int
) -> None:
    where = np.zeros(workspace.session.records[NAME].ink.shape, bool)
    where[index, rows, columns] = True
    painting.paint(workspace.session, NAME, where, value)


def test_what_a_tool_did_on_a_slice_is_not_said_on_another(
    workspace: Workspace, tools: ToolsController
) -> None:
    tools.panel.buttons["fill holes"].click()
    assert tools.panel.said.text().startswith("Fill holes")
    workspace.next_slice()
    assert not tools.panel.said.text()


def test_a_tool_is_one_step_on_the_shown_slice(
    workspace: Workspace, tools: ToolsController, record: VolumeRecord
) -> None:
    before = record.ink.copy()
    tools.panel.buttons["fill holes"].click()
    assert (record.ink[8] == 1).sum() == 100
    assert (record.ink[6] == 1).sum() == 96
    assert tools.panel.said.text() == "Fill holes: 4 voxels on 1 slice changed."
    assert workspace.session.history.last == "fill holes"
    workspace.undo()
    assert np.array_equal(record.ink, before)
    assert not tools.panel.said.text(), "it is undone"
    workspace.redo()
    tools.panel.buttons["fill holes"].click()
    assert "nothing to change; no outline of the class is closed" in said()


def test_all_slices_are_changed_in_one_step_and_counted(
    qtbot: QtBot, workspace: Workspace, tools: ToolsController, record: VolumeRecord
) -> None:
    before = record.ink.copy()
    tools.panel.through.setChecked(True)
    with qtbot.waitSignal(tools.runner.ended, timeout=20_000):
        tools.panel.buttons["fill holes"].click()
        assert "Fill holes" in tools.under_way
    qtbot.waitUntil(lambda: not tools.under_way, timeout=20_000)
    assert [(record.ink[i] == 1).sum() for i in (6, 8)] == [100, 100]
    assert said() == "Fill holes: 8 voxels on 2 slices changed."
    workspace.undo()
    assert np.array_equal(record.ink, before)


def test_a_stroke_meanwhile_is_not_lost_and_counts(
    qtbot: QtBot,
    workspace: Workspace,
    tools: ToolsController,
    record: VolumeRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tool that has looked at all slices looks again when one has changed."""
    work = create_autospec(controller._work, side_effect=controller._work)
    monkeypatch.setattr(controller, "_work", work)
    tools.panel.through.setChecked(True)
    tools.use("fill holes")
    paint(workspace, 6, slice(14, 16), slice(14, 16), 2)
    qtbot.waitUntil(lambda: not tools.under_way, timeout=20_000)
    assert work.call_count == 2
    assert (record.ink[6, 14:16, 14:16] == 2).all()
    assert (record.ink[8] == 1).sum() == 100
    assert workspace.session.undo() == "fill holes"
    assert workspace.session.undo() == "stroke"


def test_a_large_slice_is_changed_in_the_background(
    qtbot: QtBot,
    tools: ToolsController,
    record: VolumeRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(controller, "LARGE", 40 * 40 - 1)
    tools.use("fill holes")
    assert tools.panel.running.text() == "Fill holes, slice 8"
    qtbot.waitUntil(lambda: not tools.under_way, timeout=20_000)
    assert (record.ink[8] == 1).sum() == 100
    assert (record.ink[6] == 1).sum() == 96


def test_what_is_cancelled_changes_nothing(
    qtbot: QtBot, tools: ToolsController, record: VolumeRecord
) -> None:
    before = record.ink.copy()
    tools.panel.through.setChecked(True)
    tools.use("fill holes")
    tools.cancel()
    assert not tools.under_way
    qtbot.wait(50)
    assert np.array_equal(record.ink, before)


def test_labels_are_copied_from_the_slice_before(
    workspace: Workspace, tools: ToolsController, record: VolumeRecord
) -> None:
    workspace.go_to(7)
    button = tools.panel.buttons["copy slice before"]
    assert button.isEnabled()
    button.click()
    assert np.array_equal(record.ink[7], record.ink[6])
    assert record.status[7] == Status.SPARSE
    workspace.undo()
    assert not record.ink[7].any()
    workspace.go_to(3)
    assert not button.isEnabled()
    assert "Neither" in button.toolTip()
    workspace.go_to(8)
    assert "done" in button.toolTip()
    tools.use("copy slice before")
    assert said() == "Copy slice before: this slice is done."


def test_a_tool_that_cannot_be_used_says_why(
    workspace: Workspace, tools: ToolsController, record: VolumeRecord
) -> None:
    fill, smooth = (tools.panel.buttons[n] for n in ("fill holes", "smooth"))
    workspace.choose_class(255)
    tools.refresh()
    assert not fill.isEnabled()
    assert "background is chosen" in fill.toolTip()
    assert smooth.isEnabled()
    workspace.choose_class(1)
    workspace.session.change_class(1, locked=True)
    tools.refresh()
    assert "locked" in fill.toolTip()
    before = record.ink.copy()
    tools.use("fill holes")
    assert np.array_equal(record.ink, before)
    assert "locked" in said()


def test_distances_begin_with_a_pixel_and_are_millimetres(
    workspace: Workspace, tools: ToolsController, record: VolumeRecord
) -> None:
    assert tools.panel.value().distance == 1.0
    assert tools.panel.distance.suffix() == " mm"
    tools.panel.distance.setValue(2.0)
    tools.use("grow")
    assert record.ink[8, 8, 15] == 1
    assert record.ink[8, 7, 15] == 0
    assert record.ink[8, 8, 9] == 0, "the corner is 2.2 mm away"
    tools.refresh()
    assert tools.panel.value().distance == 2.0, "what a person chose stays"
    workspace.set_voxel_size(NAME, (2.0, 0.7421, 0.7421))
    tools.refresh()
    assert tools.panel.value().distance == 0.75


def test_no_key_is_one_that_napari_has_in_its_labels_or_menus(
    tools: ToolsController,
) -> None:
    """Alt and the underlined letter of a menu opens it, wherever the focus is."""
    taken = {
        coerce_keybinding(key)
        for action, keys in default_shortcuts.items()
        if not any(kind in action for kind in ("points", "shapes", "image", "vertex"))
        for key in keys
    }
    actions = (*Q_FILE_ACTIONS, *Q_VIEW_ACTIONS)
    rules = [rule for action in actions for rule in action.keybindings or ()]
    taken |= {coerce_keybinding(rule.primary) for rule in rules if rule.primary}
    taken |= {coerce_keybinding(f"Alt-{letter}") for letter in "FVLPWH"}
    mine = [coerce_keybinding(key) for key, _, _ in tools.keys]
    assert len(set(mine)) == len(mine) == 8
    polyline = coerce_keybinding("T")  # napari's, in shapes layers alone
    assert not set(mine) - {polyline} & taken
    assert coerce_keybinding("M") in taken


def test_a_slice_that_is_not_seen_is_not_changed(
    workspace: Workspace, tools: ToolsController, record: VolumeRecord
) -> None:
    before = record.ink.copy()
    workspace.viewer.dims.ndisplay = 3
    for name in ("fill holes", "copy slice before"):
        workspace.go_to(8 if name == "fill holes" else 7)
        tools.use(name)
        assert "does not show one slice" in said()
    assert np.array_equal(record.ink, before)
