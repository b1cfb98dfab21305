"""The map: features in two dimensions, frame by frame.

::

    cold:  PCA --> early exaggeration --> free --> settled
    warm:  the last layout -------------> free --> settled
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from napari_contrastseg.insight.feature_table import match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable

PERPLEXITY = 30.0
MIN_POINTS = 8
#: Iterations between two frames, and of both phases at most.
EVERY, EXAGGERATED, FREE = 10, 120, 500
#: Early exaggeration (van der Maaten and Hinton 2008), with its momentum, then without.
EXAGGERATION, SLOW, FAST = 12.0, 0.5, 0.8
#: A map is settled when KL falls by less than this part in so many iterations.
STILL, LOOK_BACK = 0.005, 50
#: Standard deviation of the first axis at which t-SNE starts.
START = 1e-4
#: Part of the voxels that two tables must share for one map to go on from the other's,
#: and how many of them place a new one.
SHARED, NEAREST = 0.2, 3


@dataclass(frozen=True, eq=False)
class Frame:
    """One state of the map.

    Attributes
    ----------
    layout : (n, 2) float64
        In t-SNE's own units, to begin another from; see `shown`.
    iteration : int
        0 for PCA, or for the layout that it started from.
    kl : float
        KL divergence, nats; not a number before the free phase.
    settled : bool
        Whether this is the last one.
    """

    layout: NDArray[np.float64]
    iteration: int
    kl: float
    settled: bool

    @property
    def free(self) -> bool:
        """Whether another map may begin from this one."""
        return not math.isnan(self.kl)

    @property
    def shown(self) -> NDArray[np.float32]:
        """The layout to draw, (n, 2): around 0, its mean square radius 1."""
        centred = self.layout - self.layout.mean(axis=0)
        radius = np.sqrt((centred**2).sum(axis=1).mean())
        return np.asarray(centred / (radius or 1.0), dtype=np.float32)


def frames(
    features: NDArray[Any],
    start: NDArray[np.float64] | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> Iterator[Frame]:
    """Lay features out by t-SNE (van der Maaten and Hinton 2008), by openTSNE.

    Features are scaled to length 1 first: distances are those that the contrastive
    losses use. The first frame comes at once.

    Parameters
    ----------
    features : (n, d) float
    start : (n, 2) float, optional
        Layout of the same points from which the map moves on.
    threads : int
        Of the optimiser.
    """
    unit = normalize(np.asarray(features, dtype=np.float64))
    alike = not np.ptp(unit, axis=0).any()
    if start is not None:
        flat = np.array(start, dtype=np.float64)
    else:
        flat = np.zeros((len(unit), 2)) if alike else _pca(unit, seed)
    if alike or len(unit) < MIN_POINTS:
        yield Frame(flat, 0, np.nan, settled=True)
        return
    yield Frame(flat, 0, np.nan, settled=False)
    import openTSNE  # noqa: PLC0415

    layout = openTSNE.TSNEEmbedding(
        flat if start is not None else flat * (START / (flat[:, 0].std() or 1.0)),
        affinities(unit, threads),
        n_jobs=threads,
        random_state=seed,
    )
    iteration = 0
    if start is None:
        while iteration < EXAGGERATED:
            layout.optimize(
                EVERY, exaggeration=EXAGGERATION, momentum=SLOW, inplace=True
            )
            iteration += EVERY
            yield Frame(_copy(layout), iteration, np.nan, settled=False)
    losses: list[float] = []
    settled = False
    while not settled:
        layout.optimize(EVERY, exaggeration=1, momentum=FAST, inplace=True)
        iteration += EVERY
        losses.append(float(layout.kl_divergence))
        settled = _settled(losses)
        yield Frame(_copy(layout), iteration, losses[-1], settled)


def load() -> None:
    """Load what maps need, a second or so, while nobody waits for a map yet."""
    import openTSNE.affinity  # noqa: PLC0415, F401


def carry_over(
    old: FeatureTable, layout: NDArray[np.float64], new: FeatureTable
) -> NDArray[np.float64] | None:
    """Begin a layout of other voxels where the last one ended, (n, 2).

    Voxels of both tables stay where they were; a new one comes between those of the
    old that are most like it. None where the tables share too little.
    """
    here, there = match(new, old)
    if len(here) < max(MIN_POINTS, SHARED * len(new)):
        return None
    start = np.zeros((len(new), 2))
    start[here] = layout[there]
    fresh = np.setdiff1d(np.arange(len(new)), here)
    if len(fresh):
        unit = normalize(np.asarray(new.features, dtype=np.float64))
        search = NearestNeighbors(n_neighbors=NEAREST, algorithm="brute")
        near = search.fit(unit[here]).kneighbors(unit[fresh], return_distance=False)
        start[fresh] = start[here][near].mean(axis=1)
    return start


def _pca(unit: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    parts = min(2, *unit.shape)
    flat = PCA(n_components=parts, random_state=seed).fit_transform(unit)
    return np.pad(flat, ((0, 0), (0, 2 - parts)))


def affinities(unit: NDArray[np.float64], threads: int) -> Any:
    """Give similarities of near unit vectors, (n, d): of exact neighbours."""
    from openTSNE.affinity import PerplexityBasedNN  # noqa: PLC0415
    from openTSNE.nearest_neighbors import PrecomputedNeighbors  # noqa: PLC0415

    perplexity = min(PERPLEXITY, (len(unit) - 1) / 3)
    count = min(len(unit) - 1, int(3 * perplexity))
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(unit)
    distance, index = search.kneighbors()
    return PerplexityBasedNN(
        perplexity=perplexity,
        knn_index=PrecomputedNeighbors(index, distance),
        n_jobs=threads,
    )


def _settled(losses: list[float]) -> bool:
    """Whether the last iterations brought little."""
    back = LOOK_BACK // EVERY
    if len(losses) * EVERY >= FREE:
        return True
    if len(losses) <= back:
        return False
    before, now = losses[-1 - back], losses[-1]
    return before - now < STILL * before


def _copy(layout: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(layout, dtype=np.float64, subok=False)
