"""A large volume in the window: adding it, strokes, scrolling, the longest stop.

Run as ``python -m napari_contrastseg.bench.window.large_volume PATH RESULT``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_contrastseg.bench.measure.anonymous import anonymous, peak
from napari_contrastseg.bench.window.responsiveness import _MOUSE, LoopWatch, wait
from napari_contrastseg.session.storage.locations import HOME_VARIABLE
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.tour.memory import remember

if TYPE_CHECKING:
    from collections.abc import Callable

STROKES: Final = 5
SCROLLS: Final = 10
MOVES: Final = 7
#: Who reads a folder, and a TIFF file.
_READER, _NAPARI = "napari-contrastseg", "napari"


def measure(path: Path) -> dict[str, Any]:
    """Open the window, add the image, paint and scroll; seconds and milliseconds."""
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1400, 900)  # noqa: SLF001
    widget = ContrastSegWidget(viewer)
    viewer.window.add_dock_widget(widget, name="ContrastSeg", area="right")
    wait(1.0)
    watch, before = LoopWatch(), anonymous()
    watch.start()
    with peak(before) as seen:
        began = time.perf_counter()
        layers = viewer.open(path, plugin=_READER if path.is_dir() else _NAPARI)
        opened = time.perf_counter() - began
        widget.data_controller.add_layers(layers)
        QApplication.processEvents()
        while not widget.workspace.session.records and time.perf_counter() < began + 60:
            wait(0.01)
        added = time.perf_counter() - began
        widget.workspace.session.add_class()
        wait(1.0)
        strokes = [_timed(partial(_stroke, viewer, n)) for n in range(STROKES)]
        (record,) = widget.workspace.session.records.values()
        count = len(record.status)
        rng = np.random.default_rng(0)
        places = rng.permutation(count)[: min(SCROLLS, count - 1)].tolist()
        scrolls = [_timed(partial(widget.workspace.go_to, z)) for z in places]
        wait(1.0)
    waits = watch.stop()
    widget.shut_down()
    viewer.close()
    return {
        "open_seconds": round(opened, 3),
        "add_seconds": round(added, 3),
        "stroke_ms": _worst(strokes),
        "scroll_ms": _worst(scrolls),
        "longest_stop_ms": waits["max_ms"],
        "peak_mb": round(seen.over / 2**20, 1),
        "children_mb": round(seen.children / 2**20, 1),
        "together_mb": round(seen.together / 2**20, 1),
    }


def _timed(act: Callable[[], None]) -> float:
    """Seconds until the window has done what it was asked and is idle again."""
    began = time.perf_counter()
    act()
    QApplication.processEvents()
    return time.perf_counter() - began


def _stroke(viewer: napari.Viewer, number: int) -> None:
    """Draw a short stroke with the mouse."""
    canvas = viewer.window._qt_viewer.canvas.native  # noqa: SLF001
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    place = canvas.rect().center() + QPoint(12 * number, -40)
    _MOUSE.mousePress(canvas, left, none, place)
    for _ in range(MOVES):
        place += QPoint(4, 6)
        _MOUSE.mouseMove(canvas, place)
    _MOUSE.mouseRelease(canvas, left, none, place)


def _worst(seconds: list[float]) -> float | None:
    """Longest in ms; the first warms caches up and does not count."""
    return round(1000 * max(seconds[1:]), 1) if len(seconds) > 1 else None


if __name__ == "__main__":
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        remember()  # nobody is there to take the tour
        found = measure(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(found))
