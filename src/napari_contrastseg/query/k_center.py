"""K-center (core-set): slices that look least like any labelled slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.query.strategy import Strategy, Suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.query.strategy import Pool


def query(pool: Pool) -> list[Suggestion]:
    """Take the open slice farthest from all labelled and taken ones, again and again.

    Greedy k-center of Sener and Savarese 2018, by Euclidean distance between the
    slices' features. Where nothing is labelled the most typical slice comes first.
    """
    names, numbers, rows, still_open = [], [], [], []
    for name, volume in pool.volumes.items():
        if volume.features is None:
            continue
        names += [name] * volume.count
        numbers += list(range(volume.count))
        rows.append(volume.features())
        still_open.append(np.isin(np.arange(volume.count), volume.open))
    if not rows:
        return []
    features, candidate = np.concatenate(rows), np.concatenate(still_open)
    nearest = np.full(len(features), np.inf)
    for labelled in np.flatnonzero(~candidate).tolist():
        nearest = np.minimum(nearest, _distance(features, labelled))
    found: list[Suggestion] = []
    while candidate.any() and len(found) < pool.most:
        if np.isinf(nearest).all():
            place = int(_to(features, features.mean(axis=0)).argmin())
        else:
            place = int(np.where(candidate, nearest, -1).argmax())
        worth = float(nearest[place])
        found.append(Suggestion(names[place], numbers[place], worth, reason="unlike"))
        candidate[place] = False
        nearest = np.minimum(nearest, _distance(features, place))
    return found


def _distance(features: NDArray[np.float64], place: int) -> NDArray[np.float64]:
    return _to(features, features[place])


def _to(
    features: NDArray[np.float64], point: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((features - point) ** 2).sum(axis=1)))


STRATEGY = Strategy(
    name="k_center",
    title="unlike labelled slices",
    summary="Prefers slices that look least like any labelled one (core-set).",
    query=query,
    needs_features=True,
)
