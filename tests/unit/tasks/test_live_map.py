"""The live map: the newest features are laid out, in a thread of its own."""

from __future__ import annotations

import threading
import time

import numpy as np

from napari_contrastseg.tasks.live_map import (
    LiveMap,
    MapEvent,
    MapFailed,
    MapFrame,
    MapScores,
)
from tests.kit.tables import groups, table
from tests.kit.waiting import until


def frames_of(seen: list[MapEvent]) -> list[MapFrame]:
    """Those events that are frames."""
    return [e for e in seen if isinstance(e, MapFrame)]


def settled(seen: list[MapEvent], generation: int) -> bool:
    """Whether an offer is laid out."""
    return any(f.generation == generation and f.frame.settled for f in frames_of(seen))


def test_the_newest_offer_is_laid_out() -> None:
    """Late frames of an old offer never come after those of a newer one."""
    seen: list[MapEvent] = []
    live = LiveMap(seen.append)
    try:
        live.offer(table(groups(160)))
        until(lambda: len(seen) > 3)
        second = live.offer(table(groups(160, seed=1)))
        until(lambda: settled(seen, second))
        third = live.offer(table(groups(160, seed=2)))
        until(lambda: settled(seen, third))
    finally:
        live.close()
    generations = [f.generation for f in seen]
    assert generations == sorted(generations)
    for generation in (second, third):
        first = next(e for e in seen if e.generation == generation)
        assert isinstance(first, MapScores), "silhouettes come first"
        assert len(first.scores.samples) == 160
    warm = [f.frame for f in frames_of(seen) if f.generation == third]
    before = [f.frame for f in frames_of(seen) if f.generation == second][-1]
    assert np.array_equal(warm[0].layout, before.layout), "it goes on where it was"


def test_more_points_join_the_map_and_closing_ends_the_thread() -> None:
    seen: list[MapEvent] = []
    live = LiveMap(seen.append)
    live.offer(table(groups(90)))
    until(lambda: settled(seen, 1))
    before = frames_of(seen)[-1].frame.layout
    live.offer(table(groups(160)))
    until(lambda: bool(frames_of(seen)[-1].generation == 2))
    first = next(f for f in frames_of(seen) if f.generation == 2)
    assert np.array_equal(first.frame.layout[:90], before)
    live.close()
    assert not any(t.name == "contrastseg-map" for t in threading.enumerate())
    count_then = len(seen)
    time.sleep(0.05)
    assert len(seen) == count_then
    more = LiveMap(seen.append, last=live.last)
    try:
        more.offer(table(groups(160)))
        until(lambda: len(frames_of(seen[count_then:])) > 0)
        assert live.last is not None
        start = frames_of(seen[count_then:])[0].frame.layout
        assert np.array_equal(start, live.last[1]), "another thread goes on, too"
    finally:
        more.close()


def test_a_map_that_fails_says_so_and_is_not_the_end() -> None:
    seen: list[MapEvent] = []
    live = LiveMap(seen.append)
    try:
        live.offer(table(np.full((50, 3), np.nan)))
        until(lambda: any(isinstance(e, MapFailed) for e in seen))
        live.offer(table(groups(60)))
        until(lambda: settled(seen, 2))
    finally:
        live.close()
