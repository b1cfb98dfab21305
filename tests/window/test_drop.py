"""Drag and drop of every format onto the real viewer: a volume in the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from tests.kit.every_format import CASES, Case

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.viewer,
    pytest.mark.filterwarnings("ignore:Non-orthogonal slicing"),  # napari's
]


@pytest.fixture(autouse=True)
def _our_reader_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """napari asks which reader is meant, where its own says it reads all files."""
    chosen = lambda _: ("ContrastSeg", False)  # noqa: E731
    monkeypatch.setattr(QtReaderDialog, "get_user_choices", chosen)


def drop(viewer: Any, *paths: Path) -> None:
    """Drop files on the canvas, as the desktop does: Qt finds who takes them."""
    canvas = viewer.window._qt_viewer.canvas.native
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    middle = canvas.rect().center()
    left, no_key = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    entered = QDragEnterEvent(QPoint(middle), copy, mime, left, no_key)
    QApplication.sendEvent(canvas, entered)
    dropped = QDropEvent(QPointF(middle), copy, mime, left, no_key)
    QApplication.sendEvent(canvas, dropped)


def answer(widget: Any, words: str) -> None:
    """Click the button or the line that begins with these words."""
    for button in widget.notice.buttons:
        if button.text().startswith(words):
            button.click()
            return
    items = widget.notice.items
    rows = [items.item(row) for row in range(items.count())]
    (row,) = (row for row in rows if row.text().startswith(words))
    items.itemClicked.emit(row)


def add_what_is_shown(viewer: Any, widget: Any) -> None:
    viewer.layers.selection = set(viewer.layers)
    widget.data.add_channels.click()


def check(widget: Any, case: Case) -> None:
    (record,) = widget.workspace.session.records.values()
    assert record.volume.shape == case.shape
    assert len(record.volume.data) == case.channels
    assert record.volume.spacing == pytest.approx(case.spacing)
    ink = widget.workspace.registry.layer(record.volume.id, "ink")
    assert ink.data.size == np.prod(case.shape)


def begin_again(viewer: Any, widget: Any) -> None:
    for name in list(widget.workspace.session.records):
        widget.data_controller.remove_volume(name)
    viewer.layers.clear()


def test_every_format_can_be_dropped(
    window: tuple[Any, Any], tmp_path: Path, subtests: pytest.Subtests
) -> None:
    viewer, widget = window
    for number, (kind, case) in enumerate(CASES.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = case.make(folder)
        with subtests.test(kind, way="dropped"):
            drop(viewer, path)
            answers = list(case.answers)
            while answers and not case.napari:
                answer(widget, answers.pop(0))
            add_what_is_shown(viewer, widget)
            for words in answers:
                answer(widget, words)
            check(widget, case)
        begin_again(viewer, widget)
        with subtests.test(kind, way="opened"):
            viewer.open(path, plugin="napari" if case.napari else "napari-contrastseg")
            answers = list(case.answers)
            while answers and not case.napari:
                answer(widget, answers.pop(0))
            add_what_is_shown(viewer, widget)
            for words in answers:
                answer(widget, words)
            check(widget, case)
        begin_again(viewer, widget)
