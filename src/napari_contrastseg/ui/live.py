"""The live map in the window: looks come in, frames come out on the window's thread."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, Signal

from napari_contrastseg.tasks.live_map import LiveMap
from napari_contrastseg.tasks.watch import Watch

if TYPE_CHECKING:
    from napari_contrastseg.insight.features import FeatureTable
    from napari_contrastseg.tasks.live_map import MapFrame
    from napari_contrastseg.tasks.watch import Watched
    from napari_contrastseg.ui.controller import Controller
    from napari_contrastseg.ui.embedding import EmbeddingView
    from napari_contrastseg.ui.runs import Runs


class LiveEmbedding(QObject):
    """Lays out what a training tells, while someone looks at the view.

    Frames that the window had no time for are left out.
    """

    _came = Signal()

    def __init__(
        self, parent: QObject, view: EmbeddingView, runs: Runs, controller: Controller
    ) -> None:
        super().__init__(parent)
        self._view, self._controller = view, controller
        self._came.connect(self._bring, Qt.ConnectionType.QueuedConnection)
        runs.watch = Watch(wanted=self.is_wanted)
        runs.watched.connect(self.look)
        runs.runner.ended.connect(self._on_ended)
        view.visible.connect(self._on_visible)
        self._map: LiveMap | None = None
        self._lock = threading.Lock()
        self._looks: dict[int, Watched] = {}
        self._pending: MapFrame | None = None
        self._ending: list[LiveMap] = []  # closed, their threads perhaps not yet
        self._turn = 0
        self._wanted = True  # until the view was seen, and closed

    def is_wanted(self) -> bool:
        """Whether anybody looks; asked by the thread that trains."""
        return self._wanted

    def look(self, watched: Watched) -> None:
        """Lay out a look, on from the map so far."""
        if not self._wanted:
            return
        if self._map is None or _changed(self._looks, watched.table):
            self.stop()
            self._map = LiveMap(partial(self._report, self._turn))
        generation = self._map.offer(watched.table.features)
        self._looks[generation] = watched

    def stop(self, *, wait: bool = False) -> None:
        """Let the map rest; no frame of it comes any more."""
        if self._map is not None:
            self._map.close(wait=False)
            self._ending.append(self._map)
        self._map = None
        self._ending = [m for m in self._ending if m.running]
        if wait:
            for ending in self._ending:
                ending.close()
        self._looks.clear()
        with self._lock:
            self._turn += 1
            self._pending = None

    def _report(self, turn: int, frame: MapFrame) -> None:
        """Keep the latest frame; called in the thread of the map of this turn."""
        with self._lock:
            if turn != self._turn:
                return
            told, self._pending = self._pending is not None, frame
        if not told:
            try:
                self._came.emit()
            except RuntimeError:  # the window is gone
                return

    def _bring(self) -> None:
        with self._lock:
            frame, self._pending = self._pending, None
        if frame is None or frame.generation not in self._looks:
            return
        watched = self._looks[frame.generation]
        self._looks = {k: v for k, v in self._looks.items() if k >= frame.generation}
        self._view.show_live(watched, frame.frame, self._controller.session)

    def _on_visible(self, visible: bool) -> None:
        self._wanted = visible
        if not visible:
            self.stop()

    def _on_ended(self, _outcome: object) -> None:
        self.stop()
        self._view.end_live(self._controller.session)


def _changed(looks: dict[int, Watched], table: FeatureTable) -> bool:
    """Whether a look is at other voxels than the ones before."""
    return any(look.table.position is not table.position for look in looks.values())
