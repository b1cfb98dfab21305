from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.proposers.walker import walk


def dense_solution(
    grey: np.ndarray, free: np.ndarray, prior: np.ndarray, strength: float
) -> np.ndarray:
    """The minimum by a dense solve of the normal equations, one voxel after another."""
    places = [tuple(p) for p in np.argwhere(np.ones(free.shape, bool))]
    number = {place: k for k, place in enumerate(places)}
    pairs = []
    for place in places:
        for axis in range(free.ndim):
            other = tuple(p + (a == axis) for a, p in enumerate(place))
            if other in number and (free[place] or free[other]):
                pairs.append((place, other, ((grey[0][place] - grey[0][other]) ** 2)))
    mean = np.mean([apart for *_, apart in pairs])
    matrix = np.zeros((len(places),) * 2)
    right = np.zeros((len(places), len(prior)))
    for one, other, apart in pairs:
        link = np.exp(-4 * apart / mean) + 1e-4
        i, j = number[one], number[other]
        matrix[[i, j], [i, j]] += link
        matrix[[i, j], [j, i]] -= link
    for place, k in number.items():
        value = prior[(slice(None), *place)]
        if free[place]:
            matrix[k, k] += strength
            right[k] = strength * value
        else:
            matrix[k] = 0
            matrix[k, k] = 1
            right[k] = value
    return np.linalg.solve(matrix, right).T.reshape(prior.shape)


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_the_walk_solves_its_equations(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    grey = rng.normal(size=(1, *shape)).astype(np.float32)
    free = rng.random(shape) < 0.7
    prior = np.moveaxis(rng.dirichlet([1, 1, 1], shape), -1, 0).astype(np.float32)

    found = walk(grey, free, prior, np.full(shape, 0.3, np.float32))

    np.testing.assert_allclose(found, dense_solution(grey, free, prior, 0.3), atol=5e-3)


def test_a_border_is_drawn_to_the_edge_beside_it() -> None:
    grey = np.zeros((1, 12, 30), np.float32)
    grey[..., 17:] = 1
    place = np.broadcast_to(np.arange(30), (12, 30))
    inside = 1 / (1 + np.exp((place - 13.5) / 3))
    prior = np.stack([1 - inside, inside]).astype(np.float32)
    free = (place > 4) & (place < 26)

    found = walk(grey, free, prior, np.full((12, 30), 0.01, np.float32))

    assert (found[1][:, :17] > found[1][:, 17:].max()).all()
    assert (found.argmax(0)[:, 17:] == 0).all()
    assert (found.argmax(0)[:, :17] == 1).mean() > 0.95


def test_a_strong_prior_is_kept() -> None:
    rng = np.random.default_rng(1)
    grey = rng.normal(size=(1, 8, 8)).astype(np.float32)
    prior = rng.dirichlet([1, 1], (8, 8)).transpose(2, 0, 1).astype(np.float32)

    found = walk(grey, np.ones((8, 8), bool), prior, np.full((8, 8), 1e5, np.float32))

    np.testing.assert_allclose(found, prior, atol=1e-3)


def test_nothing_to_find_leaves_everything_as_it_is() -> None:
    prior = np.full((2, 3, 3), 0.5, np.float32)

    nowhere, flat = np.zeros((3, 3), bool), np.zeros((1, 3, 3), np.float32)
    found = walk(flat, nowhere, prior, np.ones((3, 3), np.float32))

    assert (found == prior).all()
