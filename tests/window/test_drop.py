"""Drag and drop of every format onto the real viewer: a volume in the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_contrastseg.io.errors import InputError
from tests.kit.every_format import CASES, Case

if TYPE_CHECKING:
    from collections.abc import Callable
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
            widget.workspace.work.finish()
            return
    items = widget.notice.items
    rows = [items.item(row) for row in range(items.count())]
    (row,) = (row for row in rows if row.text().startswith(words))
    items.itemClicked.emit(row)
    widget.workspace.work.finish()


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


def add_and_check(viewer: Any, widget: Any, case: Case) -> None:
    """Answer what is asked on opening or on adding, and add all layers."""
    answers = list(case.answers)
    while answers and not case.napari:
        answer(widget, answers.pop(0))
    add_what_is_shown(viewer, widget)
    for words in answers:
        answer(widget, words)
    check(widget, case)


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(list(CASES)[::9], id="some"),
        pytest.param(list(CASES), id="all", marks=pytest.mark.slow),
    ],
)
def test_every_format_can_be_dropped(
    window: tuple[Any, Any],
    tmp_path: Path,
    subtests: pytest.Subtests,
    kinds: list[str],
) -> None:
    viewer, widget = window
    for number, kind in enumerate(kinds):
        case = CASES[kind]
        folder = tmp_path / str(number)
        folder.mkdir()
        with subtests.test(kind):
            drop(viewer, case.make(folder))
            add_and_check(viewer, widget, case)
        begin_again(viewer, widget)


def test_files_are_opened_by_name_with_and_without_a_reader_named(
    window: tuple[Any, Any], tmp_path: Path, subtests: pytest.Subtests
) -> None:
    viewer, widget = window
    ours = "napari-contrastseg"
    for kind, plugin in (
        ("NIfTI, oblique", ours),
        ("DICOM, uneven", ours),
        ("TIFF of Fiji, channels", None),
        ("PNG, colours and transparency", "napari"),
    ):
        folder = tmp_path / kind
        folder.mkdir()
        with subtests.test(kind):
            viewer.open(CASES[kind].make(folder), plugin=plugin)
            add_and_check(viewer, widget, CASES[kind])
        begin_again(viewer, widget)
    with subtests.test("declined"):
        decline_and_drop_again(viewer, widget, tmp_path)


def decline_and_drop_again(viewer: Any, widget: Any, folder: Path) -> None:
    case = CASES["DICOM, uneven"]
    path = case.make(folder)
    drop(viewer, path)
    assert "unevenly spaced, 4 or 8 mm apart" in widget.notice.text.text()
    answer(widget, "Leave it")
    assert not viewer.layers
    assert not widget.notice.isVisible()
    drop(viewer, path)
    add_and_check(viewer, widget, case)


def test_without_a_dock_what_cannot_be_opened_is_refused_with_one_sentence(
    make_napari_viewer: Callable[..., Any], tmp_path: Path
) -> None:
    """A broken file; and a choice, with the way to where it is asked for."""
    viewer = make_napari_viewer()
    path = CASES["NIfTI, times"].make(tmp_path)
    with pytest.raises(InputError, match="holds 2 time points; open Annotate"):
        viewer.open(path, plugin="napari-contrastseg")
    for kind in ("NIfTI-2", "NRRD"):
        path = CASES[kind].make(tmp_path)
        path.write_bytes(path.read_bytes()[:-500])
        said = rf"{path.name}: .*; copy or export it again"
        with pytest.raises(InputError, match=said):
            viewer.open(path, plugin="napari-contrastseg")
        assert not viewer.layers
