"""Editing tools in the real window, by mouse and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_contrastseg.session import painting
from tests.kit.mouse import drag
from tests.kit.window import NAME

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample

pytestmark = pytest.mark.viewer

NO, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier
CONTROL = Qt.KeyboardModifier.ControlModifier


def press(
    viewer: Any, qtbot: QtBot, key: Qt.Key, modifier: Qt.KeyboardModifier = NO
) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    qtbot.keyClick(canvas, key, modifier)


def test_t_holds_the_brush_to_the_values_that_were_painted_and_h_fills_holes(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    viewer, widget, sample = loaded
    viewer.window._qt_window.resize(1000, 700)
    viewer.show(block=False)
    qtbot.wait(200)
    viewer.reset_view()
    record, image = widget.workspace.session.records[NAME], sample.volume.data[0]
    press(viewer, qtbot, Qt.Key.Key_1, ALT)
    widget.workspace.go_to(8)
    press(viewer, qtbot, Qt.Key.Key_T)
    settings = widget.further["Tools"].panel.value()
    assert settings.in_range
    painted = image[8][record.ink[8] == 1]
    assert painted.min() < settings.low < settings.high < painted.max()
    widget.workspace.go_to(7)
    rows, columns = np.nonzero(sample.truth[7] == 1)
    row = round(float(rows.mean()))
    edge = int(columns[rows == row].min())
    across = [(7, row, edge - 4), (7, row, edge + 4)]
    drag(viewer, widget, *across)
    inside = (image[7] >= settings.low) & (image[7] <= settings.high)
    found = record.ink[7] == 1
    assert found.any()
    assert not (found & ~inside).any()
    assert widget.workspace.session.history.last == "stroke"
    held = found.sum()
    press(viewer, qtbot, Qt.Key.Key_T)
    drag(viewer, widget, *across)
    assert (record.ink[7] == 1).sum() > held
    assert ((record.ink[7] == 1) & ~inside).any(), "the stroke covers it all"
    fill_a_hole_and_undo(viewer, widget, sample, qtbot)


def fill_a_hole_and_undo(
    viewer: Any, widget: Any, sample: Sample, qtbot: QtBot
) -> None:
    session = widget.workspace.session
    record = session.records[NAME]
    middle = np.argwhere(sample.truth[8] == 1).mean(axis=0).round().astype(int)
    hole = np.zeros(sample.truth.shape, bool)
    hole[8, middle[0], middle[1]] = True
    painting.paint(session, NAME, hole, 0)
    widget.workspace.go_to(8)
    press(viewer, qtbot, Qt.Key.Key_1, ALT)
    before = record.ink.copy()
    press(viewer, qtbot, Qt.Key.Key_H)
    assert record.ink[hole].tolist() == [1]
    assert (record.ink != before).sum() == 1
    press(viewer, qtbot, Qt.Key.Key_Z, CONTROL)
    assert np.array_equal(record.ink, before)
    keys = widget.keys.text()
    assert "fill holes of the chosen class" in keys
