"""A large volume or picture in the window: adding it, strokes, looking elsewhere.

Run as ``python -m napari_contrastseg.bench.window.large_volume PATH LIMIT STEP...``,
where LIMIT is the GB of data memory it may take, or 0; prints a line of JSON for each
step as it ends: how long each act took, and the window's longest stop meanwhile.
"""

from __future__ import annotations

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

from napari_contrastseg.bench.measure.anonymous import anonymous
from napari_contrastseg.bench.measure.measured import limit_data, measured
from napari_contrastseg.bench.measure.subprocess_runner import (
    end_with_caller,
    print_found,
)
from napari_contrastseg.bench.window.responsiveness import _MOUSE, LoopWatch, wait
from napari_contrastseg.session.storage.locations import HOME_VARIABLE
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.tour.memory import remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

STROKES: Final = 5
SCROLLS: Final = 10
MOVES: Final = 7
#: Factors by which a picture is magnified, one after the other, and moved at once.
ZOOMS: Final = (2.0, 2.0, 2.0, 2.0, 2.0, 0.25, 0.25, 0.5)
#: Seconds until an image is added, at most, and after each step.
PATIENCE, AFTER = 60.0, 1.0
#: Who reads a folder, and a TIFF file.
_READER, _NAPARI = "napari-contrastseg", "napari"


class Window:
    """A window with one image, and what a person does with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.viewer = napari.Viewer(show=True)
        self.viewer.window._qt_window.resize(1400, 900)  # noqa: SLF001
        self.widget = ContrastSegWidget(self.viewer)
        self.viewer.window.add_dock_widget(
            self.widget, name="ContrastSeg", area="right"
        )
        wait(AFTER)

    def add(self) -> dict[str, Any]:
        """Open the image and add it to the session."""
        began = time.perf_counter()
        plugin = _READER if self._path.is_dir() else _NAPARI
        layers = self.viewer.open(self._path, plugin=plugin)
        opened = time.perf_counter() - began
        self.widget.data_controller.add_layers(layers)
        QApplication.processEvents()
        session = self.widget.workspace.session
        while not session.records and time.perf_counter() < began + PATIENCE:
            wait(0.01)
        added = time.perf_counter() - began
        session.add_class()
        return {"open_seconds": round(opened, 3), "seconds": round(added, 3)}

    def paint(self) -> dict[str, Any]:
        """Draw short strokes with the mouse."""
        times = [_timed(partial(self._stroke, n)) for n in range(STROKES)]
        return {"stroke_ms": _worst(times)}

    def _stroke(self, number: int) -> None:
        canvas = self.viewer.window._qt_viewer.canvas.native  # noqa: SLF001
        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        place = canvas.rect().center() + QPoint(12 * number, -40)
        _MOUSE.mousePress(canvas, left, none, place)
        for _ in range(MOVES):
            place += QPoint(4, 6)
            _MOUSE.mouseMove(canvas, place)
        _MOUSE.mouseRelease(canvas, left, none, place)

    def look(self) -> dict[str, Any]:
        """Scroll to slices at random, or zoom and move where there is one slice."""
        (record,) = self.widget.workspace.session.records.values()
        count = len(record.status)
        if count > 1:
            rng = np.random.default_rng(0)
            places = rng.permutation(count)[: min(SCROLLS, count - 1)].tolist()
            go_to = self.widget.workspace.go_to
            return {"scroll_ms": _worst([_timed(partial(go_to, z)) for z in places])}
        return {"zoom_ms": _worst([_timed(partial(self._zoom, by)) for by in ZOOMS])}

    def _zoom(self, factor: float) -> None:
        camera = self.viewer.camera
        z, y, x = camera.center
        step = 100 / camera.zoom
        camera.center = (z, y + step, x + step)
        camera.zoom *= factor

    def close(self) -> None:
        """End."""
        self.widget.shut_down()
        self.viewer.close()


def measure(path: Path, steps: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Open the window and the image, and go through steps; yields what each took."""
    window = Window(path)
    watch, before = LoopWatch(), anonymous()
    does = {"add": window.add, "paint": window.paint, "look": window.look}
    if "add" not in steps:
        window.add()
        wait(AFTER)
    for step in steps:
        watch.start()
        with measured(before) as found:
            found.update(does[step]())
            wait(AFTER)
        found["longest_stop_ms"] = watch.stop()["max_ms"]
        yield step, found
    window.close()


def _timed(act: Callable[[], None]) -> float:
    """Seconds until the window has done what it was asked and is idle again."""
    began = time.perf_counter()
    act()
    QApplication.processEvents()
    return time.perf_counter() - began


def _worst(seconds: list[float]) -> float | None:
    """Longest in ms; the first warms caches up and does not count."""
    return round(1000 * max(seconds[1:]), 1) if len(seconds) > 1 else None


if __name__ == "__main__":
    end_with_caller()
    limit_data(float(sys.argv[2]))
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        remember()  # nobody is there to take the tour
        for name, found in measure(Path(sys.argv[1]), sys.argv[3:]):
            print_found({"step": name, "found": found})
