"""The live map in the window: features of the training become frames of the map."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, Signal

from napari_contrastseg.insight.map_history import EmbeddingFrame
from napari_contrastseg.tasks.feature_probe import FeatureProbe
from napari_contrastseg.tasks.live_map import (
    LiveMap,
    MapEvent,
    MapFailed,
    MapFrame,
    MapScores,
)
from napari_contrastseg.ui.notify import notify_error

if TYPE_CHECKING:
    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.insight.silhouettes import Silhouettes
    from napari_contrastseg.tasks.feature_probe import Probed
    from napari_contrastseg.tasks.live_map import PlacedVoxels
    from napari_contrastseg.tasks.round import Embedded
    from napari_contrastseg.ui.workspace import Workspace

_LOG = logging.getLogger(__name__)
#: Iterations between two frames that are kept for the slider.
KEPT_EVERY = 50


@dataclass(frozen=True, eq=False)
class _Offer:
    """What is laid out: the state of a network, and when it was so."""

    round: int
    when: str
    table: FeatureTable
    run: int


class LiveEmbedding(QObject):
    """Lays out what a training reports, while someone looks at the view.

    Frames that the window had no time for are left out.

    Signals
    -------
    framed : (EmbeddingFrame, whether to keep it in the recording)
    forgotten : ()
        The frames so far mean nothing any more.
    """

    framed = Signal(object, bool)
    forgotten = Signal()
    _came = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._came.connect(self._bring, Qt.ConnectionType.QueuedConnection)
        self.base_probe = FeatureProbe(wanted=self.is_wanted)
        workspace.session_closing.connect(self.forget)
        workspace.volume_removed.connect(self._on_gone)
        self._map: LiveMap | None = None
        self._lock = threading.Lock()
        self._offers: dict[int, _Offer] = {}
        self._scores: dict[int, Silhouettes] = {}
        self._latest: _Offer | None = None
        self._settled: _Offer | None = None
        self._last: PlacedVoxels | None = None  # where the next map goes on
        self._pending: list[MapEvent] = []
        self._ending: list[LiveMap] = []  # closed, their threads perhaps not yet
        self._turn = 0
        self._run, self._failed = 0, -1
        self._wanted = False  # until somebody looks

    def is_wanted(self) -> bool:
        """Whether anybody looks; asked by the thread that trains."""
        return self._wanted

    def probe(self) -> FeatureProbe:
        """How to look: unlabelled voxels are chosen by the current round's classes."""
        current = self._workspace.session.rounds.current
        if current is None:
            return self.base_probe
        guesses = {name: p.prediction for name, p in current.proposals.items()}
        return replace(self.base_probe, guesses=guesses)

    @property
    def running(self) -> bool:
        """Whether a map is being laid out."""
        return self._map is not None

    def begin_run(self) -> None:
        """Keep the looks of a run that begins apart from those before."""
        self._run += 1

    def look(self, probed: Probed) -> None:
        """Lay out a look at the network that learns, on from the map so far."""
        number = self._workspace.session.rounds.next_number
        self._offer(_Offer(number, f"look {probed.number}", probed.table, self._run))

    def show_round(self, number: int, embedded: Embedded) -> None:
        """Lay out a round's embedding."""
        if self._latest is None or self._latest.table is not embedded.table:
            self._offer(_Offer(number, "", embedded.table, self._run))

    def forget(self) -> None:
        """Another session: its map begins again from nothing."""
        self.stop()
        self._latest = self._settled = self._last = None
        self.forgotten.emit()

    def stop(self, *, wait: bool = False) -> None:
        """Let the map rest; no frame of it comes any more."""
        if self._map is not None:
            self._last = self._map.last or self._last
            self._map.close(wait=False)
            self._ending.append(self._map)
        self._map = None
        self._ending = [m for m in self._ending if m.running]
        if wait:
            for ending in self._ending:
                ending.close()
        self._offers.clear()
        self._scores.clear()
        with self._lock:
            self._turn += 1
            self._pending = []

    def close(self) -> None:
        """Stop all threads and wait for them."""
        self.stop(wait=True)

    def _offer(self, offer: _Offer) -> None:
        self._latest = offer
        if not self._wanted:
            return
        if self._map is None:
            self._map = LiveMap(partial(self._report, self._turn), last=self._last)
        self._offers[self._map.offer(offer.table)] = offer

    def _report(self, turn: int, event: MapEvent) -> None:
        """Keep what is new; called in the thread of the map of this turn."""
        with self._lock:
            if turn != self._turn:
                return
            waiting = bool(self._pending)
            if isinstance(event, MapFrame):  # a later frame takes the place of one
                self._pending = [
                    e for e in self._pending if not isinstance(e, MapFrame) or _kept(e)
                ]
            self._pending.append(event)
        if not waiting:
            try:
                self._came.emit()
            except RuntimeError:  # the window is gone
                return

    def _bring(self) -> None:
        with self._lock:
            events, self._pending = self._pending, []
        for event in events:
            offer = self._offers.get(event.generation)
            if offer is None:
                continue
            if isinstance(event, MapFailed):
                self._on_failed(offer, event.error)
            elif isinstance(event, MapScores):
                self._scores[event.generation] = event.scores
            else:
                self._show(event, offer)

    def _show(self, event: MapFrame, offer: _Offer) -> None:
        generation = event.generation
        self._offers = {k: v for k, v in self._offers.items() if k >= generation}
        self._scores = {k: v for k, v in self._scores.items() if k >= generation}
        features = offer.table.features[:, :0]  # a recording need not hold them
        light = replace(offer.table, features=features.copy())
        scores = self._scores[generation]
        frame = EmbeddingFrame(
            offer.round, offer.when, light, event.frame.shown, scores, offer.run
        )
        self.framed.emit(frame, _kept(event))
        if event.frame.settled:
            self._settled = offer
            self.rest()

    def _on_failed(self, offer: _Offer, error: Exception) -> None:
        if self._failed != offer.run:  # once a run is enough
            _LOG.error("a map could not be laid out", exc_info=error)
            notify_error(
                f"The map of round {offer.round} could not be drawn; labels and "
                "training are not touched. The log holds the details."
            )
        self._failed, self._settled = offer.run, offer
        self.rest()

    def rest(self) -> None:
        """End the thread when all is laid out and no more looks come."""
        if self._settled is self._latest and not self._workspace.busy:
            self.stop()

    def set_visible(self, visible: bool) -> None:
        """Lay out as long as somebody looks."""
        self._wanted = visible
        if not visible:
            self.stop()
        elif self._latest is not None and self._latest is not self._settled:
            self._offer(self._latest)

    def set_count(self, count: int) -> None:
        """Look at so many voxels, from the next run on."""
        self.base_probe = replace(self.base_probe, count=count)

    def set_tap(self, tap: str | None) -> None:
        """Look at this map of the network, from the next run on."""
        self.base_probe = replace(self.base_probe, tap=tap)

    def _on_gone(self, volume_id: str) -> None:
        """Begin again when a volume is gone: its voxels mean nothing any more.

        A case that was closed may be opened again, and the map is the round's.
        """
        if volume_id in self._workspace.session.case_ids:
            return
        if self._latest is not None and volume_id in self._latest.table.names:
            self.forget()


def _kept(event: MapFrame) -> bool:
    return event.frame.settled or event.frame.iteration % KEPT_EVERY == 0
