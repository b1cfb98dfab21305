"""The map that follows training: a thread of its own that always has the latest.

::

    waiting --offer--> laying out --settled--> waiting
                          |  ^
                          '--' a newer offer: on from the layout so far
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.tasks.priority import MAP_NICENESS, lower_priority

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.insight.silhouettes import Silhouettes
    from napari_contrastseg.insight.tsne import Frame

    #: Voxels with their features, and where they lie on the map.
    PlacedVoxels = tuple[FeatureTable, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class MapFrame:
    """A frame, and which offer it belongs to."""

    generation: int
    frame: Frame


@dataclass(frozen=True, eq=False)
class MapScores:
    """Silhouettes of an offer's labelled voxels."""

    generation: int
    scores: Silhouettes


@dataclass(frozen=True, eq=False)
class MapFailed:
    """An offer could not be laid out."""

    generation: int
    error: Exception


MapEvent = MapFrame | MapScores | MapFailed


class LiveMap:
    """Lays out what it is offered; a newer offer takes the place of an older one.

    Parameters
    ----------
    report : callable of MapEvent
        Called in the map's own thread; must not block for long.
    last : PlacedVoxels, optional
        Where the first map goes on: the `last` of another one.
    """

    def __init__(
        self,
        report: Callable[[MapEvent], None],
        seed: int = 0,
        last: PlacedVoxels | None = None,
    ) -> None:
        self._report, self._seed = report, seed
        self._news = threading.Condition()
        self._offer: tuple[int, FeatureTable] | None = None
        self._closed = False
        self._generation = 0
        self.last = last
        self._thread = threading.Thread(
            target=self._run, name="contrastseg-map", daemon=True
        )
        self._thread.start()

    def offer(self, table: FeatureTable) -> int:
        """Lay out these voxels next; returns their generation.

        Voxels that were in the last map go on from where they were.
        """
        with self._news:
            self._generation += 1
            self._offer = (self._generation, table)
            self._news.notify()
            return self._generation

    def close(self, *, wait: bool = True) -> None:
        """Stop within a few iterations; nothing is reported after `wait`."""
        with self._news:
            self._closed = True
            self._news.notify()
        if wait:
            self._thread.join()

    @property
    def running(self) -> bool:
        """Whether its thread is there."""
        return self._thread.is_alive()

    @property
    def _stale(self) -> bool:
        return self._closed or self._offer is not None

    def _run(self) -> None:
        lower_priority(MAP_NICENESS)
        while True:
            with self._news:
                self._news.wait_for(lambda: self._stale)
                if self._closed:
                    return
                assert self._offer is not None
                (generation, table), self._offer = self._offer, None
            try:
                self._lay_out(generation, table)
            except Exception as error:  # noqa: BLE001  the map must not end a session
                self._report(MapFailed(generation, error))

    def _lay_out(self, generation: int, table: FeatureTable) -> None:
        from napari_contrastseg.insight.silhouettes import (  # noqa: PLC0415
            silhouettes,
        )
        from napari_contrastseg.insight.tsne import carry_over, frames  # noqa: PLC0415

        known = table.known
        scores = silhouettes(table.features[known], table.label[known])
        self._report(MapScores(generation, scores))
        start = carry_over(*self.last, table) if self.last is not None else None
        for frame in frames(table.features, start, seed=self._seed):
            if self._closed:
                return
            self._report(MapFrame(generation, frame))
            if start is not None or frame.free:
                self.last = table, frame.layout
            if self._stale and (start is not None or frame.free):
                return  # the next one goes on from here
