"""How well classes separate in the embedding, and which labels look wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable

#: CSSL's epsilon: the least of the adjusted coefficient.
EPSILON = 0.05
#: Voxels of no opinion that a group is mixed with before it is judged, for few voxels
#: are weak evidence; and the mean silhouette from which it is listed.
DOUBT, LISTED = 3.0, -0.15


@dataclass(frozen=True, eq=False)
class Silhouettes:
    """Cosine silhouettes, within -1 and 1; near 1 is well apart.

    Attributes
    ----------
    samples : (n,) float
    classes : dict of class id to mean over its samples
    overall : float
        Mean of the classes' means, so that large classes do not rule.
    nearest : (n,) int
        The other class whose samples are most like this one; its own where it is alone.
    """

    samples: NDArray[np.float64]
    classes: dict[int, float]
    overall: float
    nearest: NDArray[np.int64]


def adjusted(silhouette: float) -> float:
    """Give CSSL's adjusted coefficient, 0.05 to 1.05 (CSSL 2021, severity of noise).

    Its omega is the class-balanced silhouette here; docs/recipes/cssl2021.md says why.
    """
    return float(np.clip((silhouette + 1) / 2, 0, 1)) + EPSILON


def silhouettes(features: NDArray[Any], labels: NDArray[Any]) -> Silhouettes:
    """Compute cosine silhouettes (Rousseeuw 1987) by scikit-learn.

    Parameters
    ----------
    features : (n, d) float
    labels : (n,) int

    Returns
    -------
    Silhouettes
        All zero where fewer than two classes are present.
    """
    from sklearn.metrics import silhouette_samples  # noqa: PLC0415  the dock opens
    from sklearn.preprocessing import normalize  # noqa: PLC0415  without it

    kinds = np.unique(labels)
    if not 2 <= len(kinds) < len(labels):  # noqa: PLR2004  a silhouette needs two
        nothing = dict.fromkeys(kinds.tolist(), 0.0)
        return Silhouettes(np.zeros(len(labels)), nothing, 0.0, np.array(labels))
    samples = silhouette_samples(features, labels, metric="cosine")
    means = {int(k): float(samples[labels == k].mean()) for k in kinds}
    unit = normalize(np.asarray(features, np.float64))
    alike = unit @ np.stack([unit[labels == k].mean(axis=0) for k in kinds]).T
    alike[labels[:, None] == kinds] = -np.inf
    nearest = kinds[alike.argmax(axis=1)]
    return Silhouettes(samples, means, float(np.mean(list(means.values()))), nearest)


@dataclass(frozen=True)
class LabelIssue:
    """Labels of one class on one slice that look like another class.

    Attributes
    ----------
    volume : int, number of the volume in the table
    index : int, slice
    label, looks_like : int, class ids
    silhouette : float, mean of these voxels
    rows : tuple of int, the voxels in the table, the most doubtful first
    """

    volume: int
    index: int
    label: int
    looks_like: int
    silhouette: float
    rows: tuple[int, ...]


def possibly_mislabelled(
    table: FeatureTable, scores: Silhouettes, axes: Sequence[int], most: int = 20
) -> list[LabelIssue]:
    """List what was labelled and looks otherwise, the most suspicious first.

    Labelled voxels that are more like another class than like their own (a silhouette
    below 0) are put together by volume, slice, class and what they look like. A group
    counts by its mean silhouette, drawn towards 0 where it has few voxels.

    Parameters
    ----------
    scores : Silhouettes
        Of the labelled rows of the table, in their order.
    axes : sequence of int
        Slice axis of each of the table's volumes.
    """
    rows = np.flatnonzero(table.known)
    low = scores.samples < 0
    rows, samples = rows[low], scores.samples[low]
    looks = scores.nearest[low]
    volume = table.volume[rows]
    index = table.position[rows, np.asarray(axes, np.int64)[volume]]
    about = np.column_stack([volume, index, table.label[rows], looks])
    groups, which = np.unique(about, axis=0, return_inverse=True)
    which = which.reshape(-1)
    weights = [
        samples[which == g].sum() / ((which == g).sum() + DOUBT)
        for g in range(len(groups))
    ]
    return [
        _label_issue(groups[g].tolist(), rows[which == g], samples[which == g])
        for g in np.argsort(weights, kind="stable")[:most]
        if weights[g] <= LISTED
    ]


def _label_issue(
    about: Sequence[int], rows: NDArray[np.intp], samples: NDArray[np.float64]
) -> LabelIssue:
    order = np.argsort(samples, kind="stable")
    mean = float(samples.mean())
    volume, index, label, looks_like = about
    where = tuple(rows[order].tolist())
    return LabelIssue(volume, index, label, looks_like, mean, where)
