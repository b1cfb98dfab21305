"""The real window: a cohort from its folder to the corrected worst case, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy import QtTest
from qtpy.QtCore import Qt

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.ui.data.case_table import DICE
from tests.kit import nifti
from tests.kit.window import wait_idle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

    from napari_contrastseg.ui.dock import ContrastSegWidget

pytestmark = pytest.mark.viewer
QTest: Any = QtTest.QTest
SHAPE = (10, 32, 32)
NAMES = [f"patient {number}" for number in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six small images."""
    place = tmp_path / "cohort"
    place.mkdir()
    for number, name in enumerate(NAMES):
        image = np.asarray(phantom(number, SHAPE).volume.data[0])
        nifti.save(place / f"{name}.nii.gz", image.T, np.diag([1.0, 1, 2, 1]))
    return place


def dock(viewer: Any) -> ContrastSegWidget:
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    found: ContrastSegWidget = widget
    return found


def click(qtbot: QtBot, button: QWidget) -> None:
    assert button.isEnabled(), button.toolTip()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def press(viewer: Any, key: str, modifier: Any = None) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, key, modifier or Qt.KeyboardModifier.NoModifier)


def label(viewer: Any, widget: ContrastSegWidget, *slices: int) -> None:
    """Paint what is bright on some slices, and mark them done."""
    workspace = widget.workspace
    name = workspace.need_active()
    image = workspace.session.records[name].volume.part(0)
    ink: Any = workspace.registry.layer(name, "ink")
    for index in slices:
        workspace.go_to(index)
        where = np.zeros(SHAPE, bool)
        where[index] = image[index] > np.quantile(image, 0.8)
        ink.data_setitem(np.nonzero(where), 1)
        press(viewer, "D")
        assert workspace.session.records[name].status[index] == Status.DONE


@pytest.mark.slow
def test_a_persons_way_through_a_cohort(  # noqa: PLR0915  one story to its end
    make_napari_viewer: Callable[..., Any], folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    widget = dock(viewer)
    cases, session = widget.data.cohort, widget.workspace.session
    cases.folder.value = folder
    click(qtbot, cases.open_folder)
    assert cases.table.order == tuple(NAMES)
    assert not len(viewer.layers), "nothing is read"
    assert cases.summary.text() == "0 of 6 cases done"

    # Enter opens a case; two slices of it are labelled, and of the next one
    cases.table.choose("patient 1")
    qtbot.keyClick(cases.table, Qt.Key.Key_Return)
    widget.workspace.work.finish()
    assert widget.workspace.active == "patient 1"
    label(viewer, widget, 3, 6)
    press(viewer, "N", Qt.KeyboardModifier.AltModifier)
    widget.workspace.work.finish()
    assert widget.workspace.active == "patient 2"
    assert list(session.closed) == ["patient 1"]
    assert not [one for one in viewer.layers if "patient 1" in one.name]
    label(viewer, widget, 4, 7)

    # a round learns from both and proposes for the one that is open
    settings = replace(widget.learn.value(), recipe="supervised", minutes=0.02)
    widget.learn.setValue(replace(settings, device="cpu"))
    click(qtbot, widget.run_bar.run)
    wait_idle(qtbot, widget)
    assert [r.info.labelled_slices for r in session.rounds] == [4]
    assert list(session.rounds[0].proposals) == ["patient 2"]

    # all are predicted, the worst on top
    click(qtbot, cases.predict)
    runner = widget.data_controller.cohort.runner
    qtbot.waitUntil(lambda: not runner.running, timeout=120_000)
    qtbot.waitUntil(lambda: cases.value().progress is None)
    assert not cases.note.text()
    rows = {row.id: row for row in cases.value().rows}
    assert all(row.predicted == 1 for row in rows.values())
    cases.table.sortByColumn(DICE, Qt.SortOrder.AscendingOrder)
    expected = [rows[name].dice for name in cases.table.order]
    known = [dice for dice in expected if dice is not None]
    assert known == sorted(known)

    # the worst is opened with what was predicted of it, and corrected
    worst = next(name for name in cases.table.order if name != "patient 2")
    cases.table.choose(worst)
    click(qtbot, cases.open)
    widget.workspace.work.finish()
    record = session.records[worst]
    assert record.proposal is not None
    proposal: Any = widget.workspace.registry.layer(worst, "prediction")
    place = tuple(np.array([i]) for i in (5, 3, 3))
    wanted = 0 if record.prediction[place][0] else 1
    proposal.data_setitem(place, wanted)
    assert record.origin[5, 3, 3] == Origin.CORRECTED
    click(qtbot, cases.done)
    assert cases.summary.text().startswith("1 of 6 cases done")

    # the window is closed and opened again: all is there
    before = session.fingerprint
    kept = widget.workspace.folder
    assert kept is not None
    guess = record.proposal.prediction.copy()
    rows_before = cases.value().rows
    viewer.close()
    again = dock(make_napari_viewer(show=True))
    again.data.folder.value = kept
    click(qtbot, again.data.open)
    again.workspace.work.finish()
    found = again.workspace.session
    assert found.fingerprint == before
    assert sorted(found.records) == sorted(["patient 2", worst])
    assert set(found.closed) == {"patient 1"} - {worst}
    assert again.data.cohort.value().rows == rows_before
    shown = found.records[worst].proposal
    assert shown is not None
    assert np.array_equal(shown.prediction, guess)
    again.shut_down()
