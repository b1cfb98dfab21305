"""The real window: what a person does from opening a file to the exported mask."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from qtpy import QtTest
from qtpy.QtCore import QPoint, Qt
from vispy.scene.visuals import Rectangle

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.ui.learn.panel import LearnSettings
from tests.kit.mouse import drag
from tests.kit.sessions import NAME, add_round
from tests.kit.window import export, wait_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.ui.dock import ContrastSegWidget

pytestmark = pytest.mark.viewer
#: PyQt's stubs take QTest's static methods for bound ones.
QTest: Any = QtTest.QTest
#: Affine with another orientation than the window's, and a place in the world.
AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.0, 0, -12], [0, 0, 2.0, 5], [0, 0, 0, 1]])


@pytest.fixture
def nifti(tmp_path: Path) -> tuple[Path, Sample]:
    """A phantom as a NIfTI file in (x, y, z) order."""
    sample = phantom(0)
    data = np.asarray(sample.volume.data[0]).transpose(2, 1, 0)[:, ::-1]
    image = nib.Nifti1Image(np.ascontiguousarray(data), AFFINE)
    image.header["descrip"] = b"a phantom"
    path = tmp_path / "phantom.nii.gz"
    image.to_filename(path)
    return path, sample


@pytest.fixture
def window(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> Iterator[tuple[Any, ContrastSegWidget]]:
    """A shown viewer with the dock."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1000, 700)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    qtbot.wait(50)
    yield viewer, widget
    widget.shut_down()


def click(qtbot: QtBot, button: QWidget) -> None:
    """Click with the left mouse button, as a person does."""
    assert button.isEnabled(), button.toolTip()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def press(
    viewer: Any, key: str, modifier: Any = Qt.KeyboardModifier.NoModifier
) -> None:
    """Press a key on the canvas."""
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, key, modifier)


def paint_truth(viewer: Any, widget: ContrastSegWidget, truth: Any, index: int) -> None:
    """Fill in the rest of a slice through the layer, as many strokes would."""
    ink: Any = widget.workspace.registry.layer(widget.workspace.active or "", "ink")
    for value in (1, 2):
        where = np.zeros(truth.shape, bool)
        where[index] = truth[index] == value
        ink.data_setitem(np.nonzero(where), value)


def test_the_main_job(  # noqa: PLR0915  one story to its end
    window: tuple[Any, ContrastSegWidget],
    nifti: tuple[Path, Sample],
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    viewer, widget = window
    path, sample = nifti
    # the reader brings the file to canonical order: x and y are flipped back
    truth = sample.truth[:, :, ::1]
    viewer.open(path, plugin="napari-contrastseg")
    click(qtbot, widget.data.add)
    click(qtbot, widget.data.classes.add_button)
    session: Any = widget.workspace.session
    record = session.records["phantom"]
    assert [c.id for c in session.classes] == [1, 2]
    assert np.array_equal(np.asarray(record.volume.data[0]).shape, truth.shape)
    flipped = np.asarray(record.volume.data[0])
    reference = np.asarray(sample.volume.data[0])
    for axis_flip in ((), (1,), (2,), (1, 2)):
        if np.allclose(np.flip(reference, axis_flip), flipped):
            truth = np.flip(sample.truth, axis_flip)
            break
    else:
        pytest.fail("the volume is not the file's image")

    # paint a stroke with the brush, choose the class with its key
    widget.workspace.go_to(8)
    press(viewer, "1", Qt.KeyboardModifier.AltModifier)
    assert widget.workspace.paint_class == 1
    qtbot.wait(100)
    drag(viewer, widget, (8, 18, 18), (8, 20, 22))
    assert (record.ink[8] == 1).any(), "the brush painted nothing"
    assert record.status[8] == Status.SPARSE
    assert record.origin[8].max() == Origin.PAINTED

    # Ctrl+Z takes it back, and napari's own stack stays empty
    press(viewer, "Z", Qt.KeyboardModifier.ControlModifier)
    assert not record.ink.any()
    ink: Any = widget.workspace.registry.layer("phantom", "ink")
    assert not ink._undo_history

    for index in (4, 8, 11):
        paint_truth(viewer, widget, truth, index)
        widget.workspace.go_to(index)
        press(viewer, "D")
        assert record.status[index] == Status.DONE
    human = record.ink.copy()

    # pretrain and fine-tune with the mouse
    widget.learn.setValue(LearnSettings(minutes=0.01, device="cpu"))
    click(qtbot, widget.learn.pretrain)
    wait_idle(qtbot, widget)
    assert widget.learn_controller.weights is not None
    widget.learn.setValue(LearnSettings(minutes=0.01, device="cpu"))
    click(qtbot, widget.learn.fine_tune)
    wait_idle(qtbot, widget)
    assert [r.info.number for r in session.rounds] == [1]
    assert np.array_equal(record.ink, human), "the machine wrote over ink"
    proposal: Any = widget.workspace.registry.layer("phantom", "prediction")
    assert proposal.data is record.prediction

    # edit the proposal: it becomes ink
    widget.workspace.go_to(6)
    proposal.visible = True
    qtbot.wait(50)
    proposal.data_setitem((np.array([6, 6]), np.array([3, 3]), np.array([3, 4])), 2)
    assert (record.ink[6, 3, 3:5] == 2).all()
    assert (record.origin[6, 3, 3:5] == Origin.CORRECTED).all()
    assert record.status[6] == Status.SPARSE

    # accept one slice with its key, and take one acceptance back
    widget.workspace.go_to(5)
    before = record.ink.copy()
    press(viewer, "A")
    assert record.status[5] == Status.DONE
    press(viewer, "Z", Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(record.ink, before)
    assert record.status[5] == Status.UNTOUCHED
    press(viewer, "A")
    accepted = record.ink.copy()

    # round two
    click(qtbot, widget.run_bar.run)
    wait_idle(qtbot, widget)
    assert [r.info.number for r in session.rounds] == [1, 2]
    assert np.array_equal(record.ink, accepted)

    # export, and compare with what is on the screen
    out = tmp_path / "out"
    step: Any = widget.further["Export"]
    step.panel.folder.value = out
    write = partial(click, qtbot, step.panel.run)
    export(qtbot, step, write)
    written: Any = nib.load(out / "phantom.nii.gz")
    source: Any = nib.load(path)
    assert np.allclose(written.affine, source.affine)
    assert source.header["descrip"] == b"a phantom"
    assert written.header["descrip"] == b"", "it may name a person"
    assert written.shape == source.shape
    shown: Any = widget.workspace.registry.layer("phantom", "prediction")
    in_file = record.volume.source.to_volume_order(np.asarray(written.dataobj))

    def as_on_screen() -> bool:
        """What is shown follows the labels in the background; the file has its end."""
        on_screen = shown.data.copy()
        on_screen[record.status == Status.DONE] = 0
        painted = (record.ink > 0) & (record.ink < 255)
        on_screen[painted] = record.ink[painted]
        on_screen[record.ink == 255] = 0
        return np.array_equal(in_file, on_screen)

    qtbot.waitUntil(as_on_screen, timeout=30_000)

    # a second export does not overwrite by itself
    stamp = (out / "phantom.nii.gz").stat().st_mtime_ns
    export(qtbot, step, write)
    assert (out / "phantom.nii.gz").stat().st_mtime_ns == stamp


@pytest.fixture
def painting(
    window: tuple[Any, ContrastSegWidget],
    session: Session,
    sample: Sample,
    qtbot: QtBot,
    tmp_path: Path,
) -> tuple[Any, ContrastSegWidget]:
    """A session with a round was opened, and the brush's circle is on the canvas."""
    viewer, widget = window
    add_round(session, sample.truth)
    save_session(session, tmp_path / "kept")
    widget.session_controller.open(tmp_path / "kept")
    widget.workspace.work.finish()
    viewer.mouse_over_canvas = True
    move(viewer, qtbot)
    assert viewer.cursor.style == "circle"
    return viewer, widget


def move(viewer: Any, qtbot: QtBot) -> None:
    """Move the mouse over the canvas, which is drawn."""
    canvas = viewer.window._qt_viewer.canvas.native
    for place in (100, 120, 140):
        QTest.mouseMove(canvas, QPoint(place, place))
        qtbot.wait(50)


def boxes(viewer: Any) -> list[Any]:
    """What is drawn behind overlays; the brush's can end the process when alone."""
    view = viewer.window._qt_viewer.canvas.view
    return [node for node in view.children if isinstance(node, Rectangle)]


def test_layers_and_sessions_that_go_under_the_brush_leave_nothing_on_the_canvas(
    painting: tuple[Any, ContrastSegWidget], qtbot: QtBot
) -> None:
    viewer, widget = painting
    workspace = widget.workspace
    points = viewer.add_points(np.zeros((1, 3)))
    viewer.layers.selection.active = ink = workspace.registry.layer(NAME, "ink")
    viewer.layers.remove(points)
    workspace.session.proposals_changed.emit()
    viewer.layers.remove(ink)
    assert not boxes(viewer)
    for layer in viewer.layers:
        layer.visible = False
    move(viewer, qtbot)
    workspace.choose_volume(NAME)
    move(viewer, qtbot)
    a_new_session_is_drawn(viewer, widget, qtbot)


def a_new_session_is_drawn(
    viewer: Any, widget: ContrastSegWidget, qtbot: QtBot
) -> None:
    click(qtbot, widget.data.new)
    widget.workspace.work.finish()
    assert not boxes(viewer)
    move(viewer, qtbot)
    assert [layer.name for layer in viewer.layers] == [NAME]
    click(qtbot, widget.data.add)
    move(viewer, qtbot)
    shown = {layer.name for layer in viewer.layers if layer.visible}
    assert shown == {NAME, f"{NAME} ink"}


@pytest.mark.slow
def test_the_last_image_stays_in_view_when_it_leaves_the_session(
    window: tuple[Any, ContrastSegWidget], nifti: tuple[Path, Sample], qtbot: QtBot
) -> None:
    viewer, widget = window
    (image,) = viewer.open(nifti[0], plugin="napari-contrastseg")
    click(qtbot, widget.data.add)
    widget.data_controller.remove_volume("phantom")
    assert image.visible
    image.visible = False
    click(qtbot, widget.data.add)
    assert image.visible
