"""Memory, threads and widgets after many runs and many windows.

Run as ``python -m napari_contrastseg.bench.window.leaks CYCLES VIEWERS RESULT``.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

import napari
import numpy as np
import psutil
from qtpy.QtCore import QCoreApplication, QEvent, QTimer
from qtpy.QtWidgets import QApplication

from napari_contrastseg.bench.window.responsiveness import wait
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.storage.locations import HOME_VARIABLE
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.tour.memory import remember
from napari_contrastseg.ui.viewer.image_layers import layer_for

#: First runs and windows, in which libraries fill their caches.
WARM_UP = 5
SHAPE = (12, 40, 40)
#: Docks that were opened, as long as they live.
DOCKS: Final[WeakSet[ContrastSegWidget]] = WeakSet()


def open_window(*, dock: bool) -> tuple[napari.Viewer, ContrastSegWidget | None]:
    """Open a window with a phantom, in the session where there is a dock."""
    viewer = napari.Viewer(show=True)
    sample = phantom(0, SHAPE)
    data, about, _ = layer_for(sample.volume)
    layer = viewer.add_image(data, **about)
    if not dock:
        return viewer, None
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    assert isinstance(widget, ContrastSegWidget)
    DOCKS.add(widget)
    widget.data_controller.add_layers([layer])
    session = widget.workspace.session
    session.add_class()
    for index in (4, 6, 8):
        where = np.zeros(SHAPE, np.bool_)
        where[index] = sample.truth[index] > 0
        painting.paint(session, sample.volume.id, where, sample.truth[where])
        painting.mark(session, sample.volume.id, index, Status.DONE)
    return viewer, widget


def settle() -> None:
    """Let Qt delete what it was asked to, and collect."""
    for _ in range(3):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QCoreApplication.processEvents()
        gc.collect()


def look() -> dict[str, float]:
    """Count what may leak."""
    settle()
    process = psutil.Process()
    return {
        "rss_mb": round(process.memory_info().rss / 2**20, 1),
        "python_threads": threading.active_count(),
        "threads": process.num_threads(),
        "files": process.num_fds() if hasattr(process, "num_fds") else 0,
        "widgets": len(QApplication.allWidgets()),
        "top_level": len(QApplication.topLevelWidgets()),
        "docks": len(DOCKS),
    }


def growth(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Report what was added since."""
    return {key: round(after[key] - before[key], 1) for key in before}


def cycles(count: int) -> dict[str, Any]:
    """Start training and cancel it, again and again."""
    viewer, widget = open_window(dock=True)
    assert widget is not None
    recipe = recipe_named("hu2021").presets["sound"]
    small = replace(recipe, network=NetworkSpec((4, 8)), neighbours=0)
    chosen = LearnSettings("hu2021", minutes=5, settings=small)
    looks = []
    for _ in range(count):
        widget.learn_controller.start("pretrain", chosen)
        while (
            widget.learn_controller.state.fraction == 0.0
            and widget.learn_controller.runner.running
        ):
            wait(0.02)
        widget.learn_controller.cancel()
        while (
            widget.learn_controller.runner.running
            or widget.learn_controller.state.running
        ):
            wait(0.02)
        looks.append(look())
    widget.shut_down()
    viewer.close()
    return {
        "cycles": count,
        "warm_up": WARM_UP,
        "growth": growth(looks[min(WARM_UP, count - 1)], looks[-1]),
        "last": looks[-1],
    }


def viewers(count: int, *, dock: bool) -> dict[str, Any]:
    """Open a window and close it while it trains, again and again."""
    looks = []
    for _ in range(count + WARM_UP):
        viewer, widget = open_window(dock=dock)
        if widget is not None:
            widget.asks_before_leaving = False
            widget.learn_controller.start(
                "fine-tune", LearnSettings("supervised", minutes=5)
            )
            while (
                widget.learn_controller.state.fraction == 0.0
                and widget.learn_controller.runner.running
            ):
                wait(0.02)
        viewer.close()
        del viewer, widget
        wait(0.05)
        looks.append(look())
    return {
        "viewers": count,
        "warm_up": WARM_UP,
        "growth": growth(looks[WARM_UP - 1], looks[-1]),
        "last": looks[-1],
    }


def measure(cycle_count: int, viewer_count: int) -> dict[str, Any]:
    """Measure all; windows without our dock are what the others are held against."""
    # a window that has closed must not end the application
    keep_alive = QTimer()
    keep_alive.start(1000)
    bare = viewers(viewer_count, dock=False)
    ours = viewers(viewer_count, dock=True)
    return {
        "train_cancel": cycles(cycle_count),
        "windows": ours,
        "windows_without_us": bare,
    }


if __name__ == "__main__":
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        remember()  # nobody is there to take the tour
        found = measure(int(sys.argv[1]), int(sys.argv[2]))
    Path(sys.argv[3]).write_text(json.dumps(found))
