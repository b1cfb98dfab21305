"""The panel of step Tools: what it edits, what it says, and that it is narrow."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox

from napari_contrastseg.ui.tools.panel import ToolSettings, ToolsPanel, ToolsState

pytestmark = pytest.mark.usefixtures("qapp")


def test_the_panel_edits_a_value() -> None:
    panel = ToolsPanel()
    heard = []
    panel.range_changed.connect(lambda: heard.append(panel.value()))
    value = ToolSettings(True, 0.75, 33, True, 120, 300)
    panel.setValue(value)
    assert panel.value() == value
    assert heard == [value]
    panel.setValue(value)
    assert len(heard) == 1
    panel.high.setValue(310)
    assert heard[-1].high == 310


def test_every_control_has_a_tooltip_and_a_name_to_read_aloud() -> None:
    panel = ToolsPanel()
    controls = [
        *panel.findChildren(QAbstractButton),
        *panel.findChildren(QAbstractSpinBox),
    ]
    assert len(controls) > 12
    for control in controls:
        name = control.accessibleName() or getattr(control, "text", str)()
        assert control.toolTip(), name
        assert name


def test_a_tool_that_cannot_be_used_says_so_on_its_button() -> None:
    panel = ToolsPanel()
    panel.setState(ToolsState(why_not={"grow": "Choose a class first"}))
    assert panel.buttons["grow"].toolTip() == "Choose a class first"
    assert not panel.buttons["grow"].isEnabled()
    assert panel.buttons["shrink"].isEnabled()
    panel.setState(ToolsState(running="Grow, all slices"))
    assert panel.buttons["grow"].isEnabled()
    assert not panel.progress.isHidden()


def test_the_panel_fits_a_narrow_dock() -> None:
    panel = ToolsPanel()
    panel.setState(ToolsState(channel="red", said="Grow: 1 voxel on 1 slice changed."))
    assert panel.minimumSizeHint().width() <= 300
    assert panel.sizeHint().height() <= 450
