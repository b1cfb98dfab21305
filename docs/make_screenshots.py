"""Makes the screenshots of the documentation: a real window, a real round.

Run by ``nox -s screenshots``. The sample is MNI152 where nilearn is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import napari
import numpy as np
from film import Film
from qtpy.QtCore import QEventLoop, QTimer

from napari_contrastseg.insight.feature_table import LabelKind
from napari_contrastseg.samples.samples import Sample, mni152
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.locations import HOME_VARIABLE, new_folder
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.splits import even_slices
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.tour.memory import remember
from napari_contrastseg.ui.viewer.image_layers import layer_for

OUT = Path(__file__).parent / "images"
MINUTES = 1.0
FILM = Film()


def wait(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def shoot(
    viewer: napari.Viewer, widget: ContrastSegWidget, name: str, step: str
) -> None:
    """Show a step and take the whole window."""
    widget.tabs.show_step(step)
    wait(600)
    viewer.window._qt_window.grab().save(str(OUT / f"{name}.png"))
    print(OUT / f"{name}.png")


def film(viewer: napari.Viewer, words: str) -> None:
    """Take a picture for the recording of the start page."""
    wait(600)
    FILM.take(viewer.window._qt_window.grab(), words)


def leave_behind(sample: Sample) -> None:
    """Leave a session as a killed program does."""
    session = Session()
    session.add_volume(sample.volume)
    session.add_class("grey")
    painting.paint(session, sample.volume.id, sample.truth == 1, 1)
    folder = new_folder(sample.volume.id)
    autosave = Autosave(session, folder, print)
    autosave.flush()
    copy = folder.with_name(f"{folder.name} (2)")
    shutil.copytree(folder, copy)
    autosave.close()
    shutil.rmtree(folder)
    owner = copy / "owner.json"
    owner.write_text(re.sub(r'"pid": \d+', '"pid": 1', owner.read_text()))


def shoot_map(viewer: napari.Viewer, widget: ContrastSegWidget) -> None:
    """Choose a corner of the map, and look for what is like it."""
    name = next(iter(widget.workspace.session.records))
    view = widget.embedding
    widget.show_embedding()
    wait(300)
    while widget.live.running:
        wait(200)
    table, places = view.frame.table, view.map.layout_
    white = np.flatnonzero((table.label == 2) & (table.kind == LabelKind.TRUTH))
    away = np.linalg.norm(places - np.median(places[white], axis=0), axis=1)
    first = int(white[away[white].argmin()])
    view.choose(np.flatnonzero(away < 0.2))
    view.tabs.setCurrentIndex(2)
    view.went.emit(first)
    widget.linked.point(first)
    shoot(viewer, widget, "embedding", "Review")
    film(viewer, "The map shows what the network tells apart, while it learns.")
    view.similar.click()
    while widget.similar.runner.running:
        wait(200)
    for kind in ("pseudo", "ink"):
        widget.workspace.registry.layer(name, kind).visible = False
    view.tabs.setCurrentIndex(1)
    shoot(viewer, widget, "similar", "Review")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    leave_behind(mni152())
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1360, 860)
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    sample = mni152()
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    wait(300)
    shoot(viewer, widget, "recovery", "Data")
    widget.notice.buttons[1].click()
    widget.data.add.click()
    film(viewer, "Open an image and add it.")
    session = widget.workspace.session
    session.add_class()
    session.change_class(1, name="grey")
    session.change_class(2, name="white")
    inside = np.flatnonzero((sample.truth > 0).any(axis=(1, 2)))
    for index in inside[even_slices(len(inside), 8)]:
        where = np.zeros(sample.truth.shape, bool)
        where[index] = sample.truth[index] > 0
        painting.paint(session, sample.volume.id, where, sample.truth[where])
        painting.mark(session, sample.volume.id, int(index), Status.DONE)
    film(viewer, "Label a few slices; what lies between is proposed at once.")
    done = np.flatnonzero(session.records[sample.volume.id].status == Status.DONE)
    sparse = int(done[4]) + 3
    where = np.zeros(sample.truth.shape, bool)
    where[sparse, 40:60, 40:60] = sample.truth[sparse, 40:60, 40:60] > 0
    painting.paint(session, sample.volume.id, where, sample.truth[where])
    viewer.reset_view()
    widget.workspace.go_to(int(done[2]))
    widget.data_controller.lock_slice(locked=True)
    widget.workspace.go_to(int(done[4]))
    widget.session_controller.flush()
    shoot(viewer, widget, "data", "Data")

    learn(viewer, widget, int(done[4]) + 6)
    shoot_map(viewer, widget)
    widget.parentWidget().raise_()
    shoot(viewer, widget, "export", "Export")
    film(viewer, "Export masks with the scan's geometry, or the model.")
    FILM.write(OUT / "loop.gif")
    viewer.close()


def learn(viewer: napari.Viewer, widget: ContrastSegWidget, shown: int) -> None:
    """Run a round, and look at a slice of it."""
    widget.learn.setValue(LearnSettings(minutes=MINUTES))
    widget.run_bar.run.click()
    while (
        widget.learn_controller.state.fraction < 0.5
        and widget.learn_controller.runner.running
    ):
        wait(200)
    shoot(viewer, widget, "learn", "Learn")
    film(viewer, "Run a round: contrast between your classes, then fine-tuning.")
    while (
        widget.learn_controller.runner.running or widget.learn_controller.state.running
    ):
        wait(200)
    widget.workspace.go_to(shown)
    shoot(viewer, widget, "review", "Review")
    film(viewer, "Review: filled is sure, outlined is not; Next goes where it helps.")
    shoot(viewer, widget, "tools", "Tools")
    film(viewer, "Correct with brushes and tools; everything can be undone.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        remember()  # nobody is there to take the tour
        main()
    sys.exit(0)
