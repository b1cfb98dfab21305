"""Join the answers of several sources by what each has earned on held-out slices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import scipy

from napari_contrastseg.proposers.known import with_known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.proposers.proposer import Answer, LabelledVolume

# Trust before anything is known: interpolation measures its own confidence, a network
# is about twice as sure as it should be
_TRUST = {"interpolation": 1.0, "guided": 1.0, "network": 0.5, "live": 0.3}
_OTHER_TRUST = 0.5
_SPREAD = 0.4
# Pixels of a slice depend on each other: it counts as so many, whatever its size
_WORTH = 30.0
_NEAR = 10.0
_MOST = 4000
_LEAST = 1e-4
_BLUNTEST = 0.05


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What sources said of a slice before its labels were known to them.

    Attributes
    ----------
    truth : (y, x) int
        -1 or -2 unknown, 0 background, else a class id.
    said : mapping of a source's name to (1 + classes, y, x) float32
        Probabilities, background first.
    """

    truth: NDArray[np.integer]
    said: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Weights:
    """How much each source counts: log P = sum of weight * log P of the source.

    Attributes
    ----------
    of : mapping of a source's name to its weight
        0: it is not heard; 1: as sure as it says; below 1: less.
    structure : float
        Added to the log probability of every class but the background.
    """

    of: Mapping[str, float] = field(default_factory=dict)
    structure: float = 0.0


def trusted(sources: Sequence[str]) -> Weights:
    """Weights before any slice was held out; one source alone is taken as it is."""
    if len(sources) == 1:
        return Weights({sources[0]: 1.0})
    return Weights({source: _TRUST.get(source, _OTHER_TRUST) for source in sources})


def earned(
    held_out: Sequence[HeldOut], classes: Sequence[int], sources: Sequence[str]
) -> Weights:
    """Weigh sources by what they said of slices that were held out.

    A logistic regression on pixels near the structures' borders, drawn towards
    `trusted` as long as few slices were held out.
    """
    start = trusted(sources)
    seen = [_evidence(slice_, classes, sources) for slice_ in held_out]
    seen = [evidence for evidence in seen if len(evidence[1])]
    if len(sources) == 1 or not seen:
        return start
    prior = np.array([*(start.of[source] for source in sources), 0.0])
    bounds = [(0.0, None)] * len(sources) + [(None, None)]
    found = scipy.optimize.minimize(
        _loss, prior, (seen, prior), method="L-BFGS-B", jac=True, bounds=bounds
    ).x
    return Weights(
        dict(zip(sources, map(float, found), strict=False)), float(found[-1])
    )


def sharpness(
    held_out: Sequence[HeldOut], classes: Sequence[int], source: str
) -> float:
    """To what power one source's probabilities fit best, at most 1.

    1: it is as sure as it may be; below: it is too sure.
    """
    seen = [_evidence(slice_, classes, (source,)) for slice_ in held_out]
    seen = [(logs[:, 0], right) for logs, right in seen if len(right)]
    if not seen:
        return 1.0

    def loss(power: float) -> float:
        return -sum(
            float(
                scipy.special.log_softmax(power * logs, axis=1)[
                    np.arange(len(right)), right
                ].mean()
            )
            for logs, right in seen
        )

    return float(
        scipy.optimize.minimize_scalar(loss, bounds=(_BLUNTEST, 1), method="bounded").x
    )


class Fused:
    """Answer of several sources together.

    Parameters
    ----------
    volume : LabelledVolume
        What is known of it is answered as it is.
    answers : mapping of a source's name to its answer
    weights : Weights
    """

    def __init__(
        self, volume: LabelledVolume, answers: Mapping[str, Answer], weights: Weights
    ) -> None:
        self._volume = volume
        self._answers = dict(answers)
        self.weights = weights

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities, background first."""
        said = {
            source: answer.probabilities(index)
            for source, answer in self._answers.items()
        }
        return with_known(pooled(said, self.weights), self._volume, index)


def pooled(
    said: Mapping[str, NDArray[np.float32]], weights: Weights
) -> NDArray[np.float32]:
    """Join probabilities of one slice, (1 + classes, y, x) each."""
    heard = {
        source: weights.of[source] for source in said if weights.of.get(source, 0) > 0
    }
    if not heard:
        raise ValueError("No source with a weight above 0 has an answer.")
    logs = sum(
        np.float32(weight) * _log(said[source]) for source, weight in heard.items()
    )
    logs = np.asarray(logs, np.float32)
    logs[1:] += np.float32(weights.structure)
    together: NDArray[np.float32] = scipy.special.softmax(logs, axis=0)
    return together


def _log(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.clip(values, np.float32(_LEAST), 1))


def _evidence(
    held_out: HeldOut, classes: Sequence[int], sources: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Log probabilities (pixels, sources, 1 + classes) and the right channel."""
    said = np.stack([held_out.said[source] for source in sources])
    channel = np.full(held_out.truth.shape, -1, np.intp)
    for number, value in enumerate((0, *classes)):
        channel[held_out.truth == value] = number
    wrong = (said.argmax(1) != channel).any(0)
    chosen = np.flatnonzero((channel >= 0) & (wrong | _near_border(channel > 0)))
    if len(chosen) > _MOST:
        chosen = chosen[np.linspace(0, len(chosen) - 1, _MOST).astype(np.intp)]
    pixels = said.reshape(*said.shape[:2], -1)[:, :, chosen]
    return _log(pixels).transpose(2, 0, 1), channel.ravel()[chosen]


def _near_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if mask.all() or not mask.any():
        return np.zeros(mask.shape, bool)
    near: NDArray[np.bool_] = (
        scipy.ndimage.distance_transform_edt(mask)
        + scipy.ndimage.distance_transform_edt(~mask)
        <= _NEAR
    )
    return near


def _loss(
    values: NDArray[np.float64],
    seen: Sequence[tuple[NDArray[np.float32], NDArray[np.intp]]],
    prior: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Negative log likelihood and prior, and their slope."""
    away = (values - prior) / _SPREAD**2
    loss, slope = float(away @ (values - prior)) / 2, away
    for logs, right in seen:
        scores = np.einsum("nsc,s->nc", logs, values[:-1])
        scores[:, 1:] += values[-1]
        picked = np.arange(len(right))
        loss -= _WORTH * float(
            scipy.special.log_softmax(scores, axis=1)[picked, right].mean()
        )
        excess = scipy.special.softmax(scores, axis=1)
        excess[picked, right] -= 1
        excess *= _WORTH / len(right)
        slope = slope + np.append(
            np.einsum("nsc,nc->s", logs, excess), excess[:, 1:].sum()
        )
    return loss, slope
