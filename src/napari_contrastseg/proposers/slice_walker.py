"""Random walker in a slice: ink spreads over pixels alike, and a prior has its say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import LinearOperator, cg

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Chosen on la_01 to la_03 and twelve hippocampi, on scribbles of three slices: how fast
# a link fades with the difference of grey values, and what is left of every link
_FADING: Final = 2.0
_LEAST_LINK: Final = 1e-3
_SMOOTHED: Final = 0.7
_TOLERANCE: Final = 1e-3
_MOST_STEPS: Final = 400


def walk(
    image: NDArray[np.float32],
    ink: NDArray[np.integer],
    prior: NDArray[np.float32],
    strength: float | NDArray[np.float32],
) -> NDArray[np.float32]:
    """Spread ink over a slice.

    Minimises the sum over neighbours of link * (difference of probabilities)^2 plus the
    sum over pixels of strength * (probability - prior)^2; ink keeps its class.

    Parameters
    ----------
    image : (channels, y, x) float32
    ink : (y, x) int
        -1 unknown, else a channel of the prior.
    prior : (classes, y, x) float32
        Sums to 1 at each pixel.
    strength : float or (y, x) float32, above 0
        What the prior weighs against a link of pixels that are equal, which is 1.

    Returns
    -------
    (classes, y, x) float32
        Sums to 1 at each pixel.
    """
    links = _links(image)
    pull = np.broadcast_to(np.asarray(strength, np.float64), ink.shape).reshape(-1)
    flat = ink.reshape(-1)
    free = flat < 0
    degree = np.asarray(links.sum(axis=0)) + pull
    matrix = (diags_array(degree) - links).tocsr()[free]
    inner, border = matrix[:, free], matrix[:, ~free]
    precondition = _divided_by(degree[free])
    found = np.zeros((len(prior), flat.size))
    for channel in range(1, len(prior)):
        wanted = prior[channel].reshape(-1)
        fixed = (flat[~free] == channel).astype(np.float64)
        found[channel, ~free] = fixed
        found[channel, free], _ = cg(
            inner, pull[free] * wanted[free] - border @ fixed,
            x0=wanted[free].astype(np.float64), rtol=_TOLERANCE,
            maxiter=_MOST_STEPS, M=precondition,
        )  # fmt: skip
    np.clip(found, 0, 1, out=found)
    found[0] = np.maximum(1 - found[1:].sum(axis=0), 0)
    found /= found.sum(axis=0)
    return found.reshape(-1, *ink.shape).astype(np.float32)


def _links(image: NDArray[np.float32]) -> coo_array:
    """Links between pixels side by side, as a symmetric sparse matrix."""
    height, width = image.shape[1:]
    smooth = [gaussian_filter(channel, _SMOOTHED) for channel in image]
    grey = np.stack([channel / max(channel.std(), 1e-6) for channel in smooth])
    number = np.arange(height * width).reshape(height, width)
    first = np.concatenate([number[:-1].reshape(-1), number[:, :-1].reshape(-1)])
    second = np.concatenate([number[1:].reshape(-1), number[:, 1:].reshape(-1)])
    rows = grey.reshape(len(grey), -1)
    apart = ((rows[:, first] - rows[:, second]) ** 2).sum(axis=0, dtype=np.float64)
    link = np.exp(-_FADING * apart / max(apart.mean(), 1e-12)) + _LEAST_LINK
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    return coo_array((np.tile(link, 2), ends), shape=(number.size, number.size))


def _divided_by(diagonal: NDArray[np.float64]) -> LinearOperator:
    return LinearOperator(
        (diagonal.size, diagonal.size), matvec=lambda x: x.reshape(-1) / diagonal
    )
