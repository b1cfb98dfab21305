"""A mask by mouse and keys alone: from a scan to a file, in sixty actions."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from qtpy import QtTest
from qtpy.QtCore import QPoint, Qt
from scipy import ndimage
from skimage.measure import find_contours

from tests.kit.mouse import drag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = [pytest.mark.viewer, pytest.mark.slow]
#: PyQt's stubs take QTest's static methods for bound ones.
QTest: Any = QtTest.QTest
#: Chosen for settings, so none that figures are reported of.
CASE = "la_02"
SLICES, MOST_ACTIONS, MOST_SECONDS, LEAST_DICE = 8, 60, 600.0, 0.9
#: Pixels by which a hand strays from the outline.
STRAY = 0.4


@dataclass
class Hand:
    """Does what a person does with mouse and keys, and counts it.

    A click, a key and a stroke are one action each.
    """

    viewer: Any
    widget: Any
    actions: int = 0
    rng: Any = field(default_factory=lambda: np.random.default_rng(0))

    def click(self, button: Any, place: QPoint | None = None) -> None:
        self.actions += 1
        assert button.isEnabled(), button.toolTip()
        where = button.rect().center() if place is None else place
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=where)

    def press(self, key: str) -> None:
        self.actions += 1
        canvas = self.viewer.window._qt_viewer.canvas.native
        QTest.keyClick(canvas, key)

    def type(self, field: Any, words: str) -> None:
        for letter in words:
            self.actions += 1
            QTest.keyClick(field, letter)
        self.actions += 1
        QTest.keyClick(field, Qt.Key.Key_Tab)

    def go_to(self, index: int, count: int) -> None:
        """Click the strip of slices."""
        strip = self.widget.header.strip
        x = round((index + 0.5) * strip.width() / count)
        self.click(strip, QPoint(x, strip.height() // 2))

    def outline(self, index: int, plane: np.ndarray) -> None:
        """Draw around each piece of the structure, a stroke each."""
        pieces, count = ndimage.label(plane)
        for number in range(1, count + 1):
            inside = ndimage.binary_erosion(pieces == number)
            if not inside.any():
                continue
            line = max(find_contours(np.pad(inside, 1).astype(float), 0.5), key=len)
            line = line - 1 + self.rng.normal(0, STRAY, line.shape)
            points = [tuple(np.rint(p).astype(int).tolist()) for p in (*line, line[0])]
            self.actions += 1
            stroke = [(index, y, x) for y, x in points]
            drag(self.viewer, self.widget, *stroke, pause=11)


@pytest.fixture
def shown(
    make_napari_viewer: Callable[..., Any], data_root: Path
) -> tuple[Any, Any, Path]:
    """The window of a laptop, napari having opened the file."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    scan = data_root / "LA2018" / "imagesTr" / f"{CASE}_0000.nii.gz"
    viewer.open(scan, plugin="napari-contrastseg")
    return viewer, widget, data_root


def test_an_atrium_in_sixty_actions(
    shown: tuple[Any, Any, Path],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    viewer, widget, folder = shown
    monkeypatch.chdir(tmp_path)
    begun, hand = time.monotonic(), Hand(viewer, widget)
    qtbot.wait(200)
    hand.click(widget.data.add)
    (record,) = widget.workspace.session.records.values()
    label = folder / "LA2018" / "labelsTr" / f"{CASE}.nii.gz"
    stored: Any = nib.load(label)
    truth = np.asarray(record.volume.source.to_volume_order(stored.dataobj)) > 0
    layer = widget.workspace.registry.layer(widget.workspace.active, "ink")
    while layer.brush_size > 2:
        hand.press("[")
    there = np.flatnonzero(truth.any(axis=(1, 2)))
    ends = [int(there[0]) - 1, int(there[-1]) + 1]
    picks = there[np.linspace(1, len(there) - 2, SLICES).round().astype(int)]
    for index in (*picks.tolist(), *ends):
        hand.go_to(index, len(truth))
        assert widget.workspace.current_slice == index
        qtbot.wait(50)
        hand.outline(index, truth[index])
        if truth[index].any():
            hand.press("H")
        hand.press("D")
        if widget.notice.isVisible():  # an empty slice is asked about
            hand.press("D")
    qtbot.waitUntil(lambda: widget.sources.resting, timeout=300_000)
    bar = widget.tabs.tabBar()
    index = list(widget.steps).index("Export")
    hand.click(bar, bar.tabRect(index).center())
    panel = widget.further["Export"].panel
    line = panel.folder.line_edit.native
    hand.click(line)
    hand.type(line, "m")
    with qtbot.waitSignal(widget.further["Export"].runner.ended, timeout=120_000):
        hand.click(panel.run)
    seconds = time.monotonic() - begun
    (file,) = (tmp_path / "m").glob("*.nii.gz")
    written: Any = nib.load(file)
    mask, wanted = np.asarray(written.dataobj) > 0, np.asarray(stored.dataobj) > 0
    dice = 2 * (mask & wanted).sum() / (mask.sum() + wanted.sum())
    with capsys.disabled():
        print(  # noqa: T201  a figure that is asked for
            f"\n{hand.actions} actions, {seconds:.0f} s, Dice {dice:.3f}"
        )
    assert hand.actions <= MOST_ACTIONS
    assert seconds <= MOST_SECONDS
    assert dice > LEAST_DICE
    widget.shut_down()
