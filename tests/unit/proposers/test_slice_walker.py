from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.proposers.slice_walker import walk


def _flat(shape: tuple[int, ...]) -> np.ndarray:
    return np.full((2, *shape), 0.5, np.float32)


def test_on_a_plain_picture_probabilities_fall_evenly_between_two_inks() -> None:
    ink = np.full((1, 11), -1)
    ink[0, 0], ink[0, 10] = 0, 1
    image = np.zeros((1, 1, 11), np.float32)

    found = walk(image, ink, _flat(ink.shape), 1e-9)

    assert found[1, 0] == pytest.approx(np.linspace(0, 1, 11), abs=0.01)


def test_ink_stops_at_an_edge_of_the_picture() -> None:
    ink = np.full((12, 20), -1)
    ink[6, 1], ink[6, 18] = 0, 1
    image = np.zeros((1, 12, 20), np.float32)
    image[..., 5:] = 1

    found = walk(image, ink, _flat(ink.shape), 1e-5)

    assert (found[1, :, 6:] > 0.5).all()
    assert (found[1, :, :4] < 0.5).all()


def test_the_walk_solves_its_equations() -> None:
    rng = np.random.default_rng(0)
    ink = np.full((6, 7), -1)
    ink[1, 1], ink[4, 5], ink[0, 6] = 0, 1, 2
    prior = rng.dirichlet(np.ones(3), (6, 7)).transpose(2, 0, 1).astype(np.float32)
    strength = rng.uniform(0.05, 0.5, (6, 7)).astype(np.float32)
    image = np.zeros((1, 6, 7), np.float32)

    found = walk(image, ink, prior, strength)

    around = np.pad(found, ((0, 0), (1, 1), (1, 1)), mode="edge")
    curved = 4 * found - (
        around[:, 2:, 1:-1] + around[:, :-2, 1:-1]
        + around[:, 1:-1, 2:] + around[:, 1:-1, :-2]
    )  # fmt: skip
    unbalanced = 1.001 * curved + strength * (found - prior)
    assert np.abs(unbalanced[:, ink < 0]).max() < 0.01
    assert found.sum(axis=0) == pytest.approx(np.ones((6, 7)), abs=1e-5)
    assert [found[k][ink == k].min() for k in range(3)] == [1, 1, 1]


def test_without_ink_the_prior_decides() -> None:
    prior = _flat((9, 9))
    prior[1, 3:6, 3:6], prior[0, 3:6, 3:6] = 0.9, 0.1

    found = walk(np.zeros((1, 9, 9), np.float32), np.full((9, 9), -1), prior, 1.0)

    assert np.unravel_index(found[1].argmax(), (9, 9)) == (4, 4)
