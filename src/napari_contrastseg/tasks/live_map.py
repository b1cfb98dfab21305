"""The map that follows training: a thread of its own that always has the latest.

::

    waiting --offer--> laying out --settled--> waiting
                          |  ^
                          '--' a newer offer: on from the layout so far
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.insight.layout import Frame

#: Niceness of the thread, behind the one that trains (10); only Linux has such a thing.
NICENESS: Final = 15


@dataclass(frozen=True, eq=False)
class MapFrame:
    """A frame, and which offer it belongs to."""

    generation: int
    frame: Frame


class LiveMap:
    """Lays out what it is offered; a newer offer takes the place of an older one.

    Parameters
    ----------
    report : callable of MapFrame
        Called in the map's own thread; must not block for long.
    """

    def __init__(self, report: Callable[[MapFrame], None], seed: int = 0) -> None:
        self._report, self._seed = report, seed
        self._news = threading.Condition()
        self._offer: tuple[int, NDArray[Any]] | None = None
        self._closed = False
        self._generation = 0
        self._layout: NDArray[np.float64] | None = None
        self.error: Exception | None = None
        self._thread = threading.Thread(
            target=self._run, name="contrastseg-map", daemon=True
        )
        self._thread.start()

    def offer(self, features: NDArray[Any]) -> int:
        """Lay out these features next, (n, d); returns their generation.

        Rows are the same points in every offer, unless their number has changed.
        """
        with self._news:
            self._generation += 1
            self._offer = (self._generation, features)
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
        _stand_back()
        while True:
            with self._news:
                self._news.wait_for(lambda: self._stale)
                if self._closed:
                    return
                assert self._offer is not None
                (generation, features), self._offer = self._offer, None
            try:
                self._lay_out(generation, features)
            except Exception as error:  # noqa: BLE001  the map must not end a session
                self.error = error

    def _lay_out(self, generation: int, features: NDArray[Any]) -> None:
        from napari_contrastseg.insight.layout import frames  # noqa: PLC0415

        if self._layout is not None and len(self._layout) != len(features):
            self._layout = None
        start = self._layout
        for frame in frames(features, start, seed=self._seed):
            if self._closed:
                return
            self._report(MapFrame(generation, frame))
            if start is not None or frame.free:
                self._layout = frame.layout
            if self._stale and self._layout is not None:
                return  # the next one goes on from here


def _stand_back() -> None:
    """Give way to other threads, on Linux; elsewhere a thread has no such say."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
