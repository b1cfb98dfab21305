"""A large volume or picture in the window: adding it, strokes, looking elsewhere.

Run as ``python -m napari_contrastseg.bench.window.large_volume PATH LIMIT WHO STEP``,
with any number of steps. LIMIT is the GB of data memory it may take, or 0, and WHO is
``dock``, or ``napari`` for the same image and an empty labels layer without the dock:
what of the times is napari's and the drawing's own. Prints a line of JSON for each step
as it ends: how long each act took, and the longest stop meanwhile. What the window took
of a core says more than the clock where others work beside it.
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
from napari_contrastseg.ui.warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.layers import Layer

STROKES: Final = 5
SCROLLS: Final = 10
MOVES: Final = 7
#: Factors by which a picture is magnified, one after the other, and moved at once.
ZOOMS: Final = (2.0, 2.0, 2.0, 2.0, 2.0, 0.25, 0.25, 0.5)
#: Seconds until an image is added, at most, and after each step.
PATIENCE, AFTER = 60.0, 1.0
#: Who reads a folder, and a TIFF file.
_READER, _NAPARI = "napari-contrastseg", "napari"
_PLANE: Final = 2


class ThreadWatch(LoopWatch):
    """Measures the seconds of a core, too, that the window's thread took meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.worked: list[float] = []
        self._worked_before = time.thread_time()

    def start(self) -> None:
        """Begin to measure."""
        self.worked.clear()
        self._worked_before = time.thread_time()
        super().start()

    def _tick(self) -> None:
        now = time.thread_time()
        self.worked.append(now - self._worked_before)
        self._worked_before = now
        super()._tick()


class NapariAlone:
    """A window of napari with one image and labels, and what a person does with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.viewer = napari.Viewer(show=True)
        self.viewer.window._qt_window.resize(1400, 900)  # noqa: SLF001
        self._layers: list[Layer] = []
        wait(AFTER)

    def open(self) -> dict[str, Any]:
        """Open the image: a folder by our reader, a TIFF file by napari's."""
        plugin = _READER if self._path.is_dir() else _NAPARI
        self._layers = self.viewer.open(self._path, plugin=plugin)
        return {}

    def add(self) -> dict[str, Any]:
        """Add labels to paint in."""
        image = self._layers[0]
        shape = image.level_shapes[0] if image.multiscale else image.data.shape
        labels = self.viewer.add_labels(np.zeros(shape, np.uint8), scale=image.scale)
        labels.mode = "paint"
        return {}

    @property
    def slices(self) -> int:
        """How many slices the image has."""
        image = self._layers[0]
        return len(image.data) if image.ndim > _PLANE else 1

    def go_to(self, index: int) -> None:
        """Show a slice."""
        self.viewer.dims.set_point(0, index * self._layers[0].scale[0])

    def paint(self) -> dict[str, Any]:
        """Draw short strokes with the mouse."""
        times = [_timed(partial(self._stroke, n)) for n in range(STROKES)]
        return _worst("stroke", times)

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
        count = self.slices
        if count > 1:
            rng = np.random.default_rng(0)
            places = rng.permutation(count)[: min(SCROLLS, count - 1)].tolist()
            return _worst("scroll", [_timed(partial(self.go_to, z)) for z in places])
        return _worst("zoom", [_timed(partial(self._zoom, by)) for by in ZOOMS])

    def _zoom(self, factor: float) -> None:
        camera = self.viewer.camera
        z, y, x = camera.center
        step = 100 / camera.zoom
        camera.center = (z, y + step, x + step)
        camera.zoom *= factor

    def close(self) -> None:
        """End."""
        self.viewer.close()


class Window(NapariAlone):
    """The same with the dock, which adds the image to a session."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.widget = ContrastSegWidget(self.viewer)
        self.viewer.window.add_dock_widget(
            self.widget, name="ContrastSeg", area="right"
        )
        wait(AFTER)
        while warm_up().is_alive():  # nobody chooses a file as soon as that
            wait(0.05)

    def add(self) -> dict[str, Any]:
        """Add it to the session."""
        began = time.perf_counter()
        self.widget.data_controller.add_layers(self._layers)
        session = self.widget.workspace.session
        while not session.records and time.perf_counter() < began + PATIENCE:
            wait(0.01)
        seconds = time.perf_counter() - began
        session.add_class()
        return {"seconds": round(seconds, 3)}

    @property
    def slices(self) -> int:
        """How many slices the volume has."""
        (record,) = self.widget.workspace.session.records.values()
        return len(record.status)

    def go_to(self, index: int) -> None:
        """Show a slice."""
        self.widget.workspace.go_to(index)

    def close(self) -> None:
        """End."""
        self.widget.shut_down()
        super().close()


def measure(
    path: Path, steps: Sequence[str], *, alone: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Open the window and the image, and go through steps; yields what each took."""
    window = NapariAlone(path) if alone else Window(path)
    watch, before = ThreadWatch(), anonymous()
    does = {
        "open": window.open,
        "add": window.add,
        "paint": window.paint,
        "look": window.look,
    }
    for step, act in does.items():
        watch.start()
        with measured(before) as found:
            began = time.perf_counter()
            found.update(act())
            found.setdefault("seconds", round(time.perf_counter() - began, 3))
            wait(AFTER)
        found["longest_stop_ms"] = watch.stop()["max_ms"]
        found["longest_stop_thread_ms"] = round(1000 * max(watch.worked), 1)
        if step in steps:
            yield step, found
    window.close()


def _timed(act: Callable[[], None]) -> tuple[float, float]:
    """Seconds until the window has done what it was asked and is idle again.

    By the clock, and those of a core that its thread took.
    """
    began, worked = time.perf_counter(), time.thread_time()
    act()
    QApplication.processEvents()
    return time.perf_counter() - began, time.thread_time() - worked


def _worst(name: str, times: list[tuple[float, float]]) -> dict[str, float]:
    """Longest in ms; the first warms caches up and does not count."""
    seconds, worked = zip(*times[1:], strict=True)
    return {
        f"{name}_ms": round(1000 * max(seconds), 1),
        f"{name}_thread_ms": round(1000 * max(worked), 1),
    }


if __name__ == "__main__":
    end_with_caller()
    limit_data(float(sys.argv[2]))
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        remember()  # nobody is there to take the tour
        alone = sys.argv[3] == "napari"
        for name, found in measure(Path(sys.argv[1]), sys.argv[4:], alone=alone):
            print_found({"step": name, "found": found})
