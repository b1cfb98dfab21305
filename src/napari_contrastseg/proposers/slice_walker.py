"""Random walker in a slice: ink spreads over pixels alike, and a prior has its say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array, diags_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

# Chosen on la_01 to la_03 and twelve hippocampi, on scribbles of three slices: how fast
# a link fades with the difference of grey values, and what is left of every link
_FADING: Final = 2.0
_LEAST_LINK: Final = 1e-3
_SMOOTHED: Final = 0.7
_TOLERANCE: Final = 1e-3
_MOST_STEPS: Final = 400
_TINY: Final = 1e-300


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
    classes = np.arange(1, len(prior))
    found = np.zeros((len(prior), flat.size))
    found[1:, ~free] = fixed = classes[:, None] == flat[~free]
    wanted = prior.reshape(len(prior), -1)[1:, free].T.astype(np.float64)
    sources = pull[free, None] * wanted - border @ fixed.T.astype(np.float64)
    found[1:, free] = _solved(inner, degree[free, None], sources, wanted).T
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


def _solved(
    matrix: csr_array,
    diagonal: NDArray[np.float64],
    sources: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Conjugate gradients for several columns at once, divided by the diagonal.

    Sums are numpy's own: BLAS would call its threads together hundreds of times, which
    is slow where other programs use the cores.
    """
    found = start.copy()
    rest = sources - matrix @ found
    enough = _TOLERANCE**2 * _over_pixels(sources, sources)
    heading = scaled = rest / diagonal
    energy = _over_pixels(rest, scaled)
    for _ in range(_MOST_STEPS):
        if (_over_pixels(rest, rest) <= enough).all():
            break
        turned = matrix @ heading
        length = energy / np.maximum(_over_pixels(heading, turned), _TINY)
        found += length * heading
        rest -= length * turned
        scaled = rest / diagonal
        before, energy = energy, _over_pixels(rest, scaled)
        heading = scaled + energy / np.maximum(before, _TINY) * heading
    return found


def _over_pixels(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray((first * second).sum(axis=0))
