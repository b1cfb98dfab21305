"""Linear head: softmax regression of pixels on their features, balanced and ridged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy

from napari_contrastseg.proposers.one_thread import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

#: Pull towards 0 on each weight, in mean losses. So strong a pull keeps a head that saw
#: a few strokes from being sure far away from them.
RIDGE: Final = 1.0
MOST_STEPS: Final = 100
#: Slices that a head is fitted to, and pixels of each class in each of them.
MOST_SLICES: Final = 12
MOST_FITTED: Final = 3000


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Class scores that are linear in the features.

    Attributes
    ----------
    weights : (features, classes) float32
    bias : (classes,) float32
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the logits of pixels, (features, ...) to (classes, ...)."""
        rows = features.reshape(len(features), -1)
        found = self.weights.T @ rows + self.bias[:, None]
        return found.reshape(-1, *features.shape[1:])


@one_blas_thread()
def fit_linear_head(
    features: NDArray[np.float32],
    labels: NDArray[np.integer],
    classes: int,
    start: LinearHead | None = None,
    *,
    scaled: bool = True,
) -> LinearHead:
    """Fit a head to labelled pixels; each class that is there weighs the same.

    Parameters
    ----------
    features : (pixels, features) float32
    labels : (pixels,) int, 0 to classes - 1
    classes : int
        A class without pixels scores like the others' mean.
    start : LinearHead, optional
        A head of the same features and classes to begin from: it is quicker, the result
        the same.
    scaled : bool
        Whether features count alike; else those that vary most count most.
    """
    middle, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(scaled & (spread > 0), spread, 1)
    counts = np.bincount(labels, minlength=classes)
    present = np.flatnonzero(counts)
    columns = np.ascontiguousarray(((features - middle) / spread).T, np.float64)
    first = np.zeros((len(columns) + 1, len(present)))
    if start is not None:
        first = _standardised(start, middle, spread)[:, present]
    weight = 1 / (len(present) * counts[labels])
    wanted = np.where(labels == present[:, None], weight, 0)
    found = scipy.optimize.minimize(
        partial(_loss, columns, weight, wanted),
        first.T.reshape(-1),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST_STEPS},
    ).x.reshape(len(present), -1)
    weights, bias = np.zeros((len(columns), classes)), np.zeros(classes)
    weights[:, present] = found[:, :-1].T / spread[:, None]
    bias[present] = found[:, -1] - found[:, :-1] @ (middle / spread)
    return LinearHead(weights.astype(np.float32), bias.astype(np.float32))


def _loss(
    columns: NDArray[np.float64],
    weight: NDArray[np.float64],
    wanted: NDArray[np.float64],
    flat: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Weighed cross-entropy with a ridge, and its slope; few classes, many pixels.

    Parameters
    ----------
    columns : (features, pixels) float64
    weight : (pixels,) float64
    wanted : (classes, pixels) float64
        The weight where a pixel is of a class, else 0.
    flat : (classes * (features + 1),) float64
        Each class's weights, then its bias.
    """
    head = flat.reshape(len(wanted), -1)
    scores = head[:, :-1] @ columns
    scores += head[:, -1:]
    scores -= scores.max(axis=0)
    chances = np.exp(scores)
    total = chances.sum(axis=0)
    value = weight @ np.log(total) - np.vdot(wanted, scores)
    chances *= weight / total
    chances -= wanted
    pull = RIDGE * head[:, :-1]
    slope = np.hstack([chances @ columns.T + pull, chances.sum(axis=1, keepdims=True)])
    return float(value + 0.5 * np.vdot(pull, head[:, :-1])), slope.reshape(-1)


def ink_rows(
    known: Mapping[int, NDArray[np.integer]],
    ids: Sequence[int],
    features: Callable[[int], NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Features of known pixels, (pixels, features), and their class's place in `ids`.

    Parameters
    ----------
    known : mapping of slice number to (y, x) int
    ids : sequence of int
    features : callable of a slice number to (features, y, x) float32
    """
    rng = np.random.default_rng(0)
    rows, labels = [], []
    for index, plane in sorted(known.items()):
        found = features(index).reshape(-1, plane.size)
        for number, class_id in enumerate(ids):
            where = np.flatnonzero(plane == class_id)
            if len(where) > MOST_FITTED:
                where = np.sort(rng.choice(where, MOST_FITTED, replace=False))
            rows.append(found[:, where].T)
            labels.append(np.full(len(where), number))
    return np.concatenate(rows), np.concatenate(labels)


def _standardised(
    head: LinearHead, middle: NDArray[np.float32], spread: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Weights and bias of a head for features of mean 0 and spread 1."""
    bias = head.bias + middle @ head.weights
    return np.vstack([head.weights * spread[:, None], bias]).astype(np.float64)
