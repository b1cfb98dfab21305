"""The live map: how soon it comes, how it moves, what it costs, against scikit-learn.

Layouts are judged by one measure: the exact KL divergence from the same similarities,
computed outside the time that is taken.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.measure.throughput_case import made
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.feature_probe import FeatureProbe, Probed, watching
from napari_contrastseg.tasks.live_map import LiveMap
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.insight.tsne import Frame

#: Groups of the features, how far they scatter, and how much more after some training.
KINDS, SCATTER, MOVED = 8, 1.0, 0.3
#: A layout counts when its KL is within this part of scikit-learn's.
WITHIN: Final = 0.05
#: Steps that are not counted: libraries load, caches fill.
WARM_UP: Final = 5


@dataclass(frozen=True, eq=False)
class _Timed:
    """A frame, and when it came, in seconds from the beginning."""

    frame: Frame
    at: float


def embedding(
    n: int, dim: int, seconds: float = 20.0, seed: int = 0
) -> Iterator[Progress | dict[str, Any]]:
    """Measure; yields progress and the report.

    ``layout_s`` is the time until KL is within 5 % of scikit-learn's at its defaults;
    ``refit_s`` that until a map is settled which begins from the last one, with
    features that have moved; ``drift`` how far points moved on average, in radii of the
    map. Those of a map made ``from_scratch`` stand beside them.
    """
    cores = os.cpu_count() or 1
    before, after = features(n, dim, seed)
    yield Progress("scikit-learn", 0.0)
    reference, sklearn_s = _by_sklearn(before, seed)
    yield Progress("first map", 0.4)
    cold = _timed(before, None, seed, cores)
    yield Progress("next map", 0.6)
    last = cold[-1].frame
    warm = _timed(after, last.layout, seed, cores)
    from_scratch = _timed(after, None, seed, cores)
    yield Progress("KL", 0.7)
    similar = similarities(before, cores)
    target = kl(similar, reference)
    reached = [t for t in cold if kl(similar, t.frame.layout) <= (1 + WITHIN) * target]
    similar_after = similarities(after, cores)
    moved = np.linalg.norm(warm[-1].frame.shown - last.shown, axis=1)
    yield Progress("training", 0.75)
    plain, watched = _training(seconds, n)
    yield {
        "n": n,
        "dim": dim,
        "cores": cores,
        "first_frame_s": cold[0].at,
        "layout_s": reached[0].at if reached else None,
        "settled_s": cold[-1].at,
        "refit_s": warm[-1].at,
        "sklearn_s": sklearn_s,
        "kl": kl(similar, last.layout),
        "sklearn_kl": target,
        "refit_kl": kl(similar_after, warm[-1].frame.layout),
        "anew_kl": kl(similar_after, from_scratch[-1].frame.layout),
        "drift": float(moved.mean()),
        "drift_anew": float(
            np.linalg.norm(from_scratch[-1].frame.shown - last.shown, axis=1).mean()
        ),
        "fps": (len(cold) - 1) / (cold[-1].at - cold[0].at),
        "training_slowdown": 1 - watched / plain,
        "steps_per_s": plain,
        "steps_per_s_watched": watched,
    }


def features(
    n: int, dim: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make features of some groups, and the same after some training, (n, dim) each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(KINDS, dim))[rng.integers(KINDS, size=n)]
    scatter = SCATTER * rng.normal(size=(n, dim))
    later = (1 + MOVED) * centres + scatter + MOVED * rng.normal(size=(n, dim))
    return centres + scatter, later


def _by_sklearn(
    points: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], float]:
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import normalize

    start = time.perf_counter()
    layout = TSNE(random_state=seed).fit_transform(normalize(points))
    return np.asarray(layout, np.float64), time.perf_counter() - start


def _timed(
    points: NDArray[np.float64],
    start: NDArray[np.float64] | None,
    seed: int,
    cores: int,
) -> list[_Timed]:
    from napari_contrastseg.insight.tsne import frames  # noqa: PLC0415

    begun = time.perf_counter()
    return [
        _Timed(frame, time.perf_counter() - begun)
        for frame in frames(points, start, seed=seed, threads=cores)
    ]


def similarities(points: NDArray[np.float64], cores: int) -> Any:
    """t-SNE's symmetric similarities of points, a sparse (n, n) matrix."""
    from sklearn.preprocessing import normalize

    from napari_contrastseg.insight.tsne import affinities  # noqa: PLC0415

    return affinities(normalize(points), cores).P


def kl(similar: Any, layout: NDArray[np.float64]) -> float:
    """Exact KL divergence of a layout from similarities, nats."""
    total = 0.0
    for part in np.array_split(np.arange(len(layout)), max(1, len(layout) // 500)):
        squared = ((layout[part, None] - layout[None]) ** 2).sum(axis=2)
        total += float((1 / (1 + squared)).sum())
    total -= len(layout)
    pairs = similar.tocoo()
    known = pairs.data > 0
    p, i, j = pairs.data[known], pairs.row[known], pairs.col[known]
    q = 1 / (1 + ((layout[i] - layout[j]) ** 2).sum(axis=1)) / total
    return float((p * np.log(p / q)).sum())


def _training(seconds: float, count: int) -> tuple[float, float]:
    """Measure steps a second without and with a live map, in turns.

    A core is left to the window, as there.
    """
    rates: dict[bool, list[float]] = {False: [], True: []}
    for watched in (False, True, True, False):
        rates[watched].append(_rate(seconds, count, watched=watched))
    return sum(rates[False]) / 2, sum(rates[True]) / 2


def _rate(seconds: float, count: int, *, watched: bool) -> float:
    request = TrainRequest(
        volumes=(made(64),),
        classes=(ModelClass(1, "outer"), ModelClass(2, "inner")),
        recipe="supervised",
        budget=Budget(steps=10**9),
        spare_core=True,
    )
    events = train(resolve_here(request))
    live: LiveMap | None = None
    if watched:
        live = LiveMap(lambda _frame: None)
        events = watching(events, request, FeatureProbe(count=count))
    begun, steps, now = 0.0, 0, 0.0
    try:
        for event in events:
            if isinstance(event, Probed) and live is not None:
                live.offer(event.table)
            if not isinstance(event, Progress):
                continue
            now, steps = time.perf_counter(), steps + 1
            if steps == WARM_UP:
                begun = now
            if begun and now - begun > seconds:
                break
    finally:
        events.close()
        if live is not None:
            live.close()
    return (steps - WARM_UP) / (now - begun)
