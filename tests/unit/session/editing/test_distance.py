"""Growing and shrinking: as far as they shall, over nothing that is painted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_contrastseg.session.editing.distance import grow, shrink
from napari_contrastseg.session.editing.plane import Plane
from tests.kit.planes import planes

distances = st.sampled_from([0.4, 1.0, 1.5, 2.2])


def nearest(plane: Plane, targets: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest of some, all pairs looked at."""
    every = np.argwhere(np.ones(plane.ink.shape, bool)) * plane.spacing
    some = np.argwhere(targets) * plane.spacing
    if not len(some):
        return np.full(plane.ink.shape, np.inf)
    apart = np.linalg.norm(every[:, None] - some[None], axis=2)
    return np.asarray(apart.min(axis=1).reshape(plane.ink.shape))


@given(planes(), distances)
def test_a_class_grows_over_what_is_near_and_not_painted(
    plane: Plane, distance: float
) -> None:
    near = nearest(plane, plane.ink == 1) <= distance + 1e-9
    expected = np.where(near & (plane.ink == 0), 1, plane.ink)
    assert np.array_equal(grow(plane, 1, distance), expected)


@given(planes(), distances)
def test_a_class_loses_what_is_near_to_anything_else(
    plane: Plane, distance: float
) -> None:
    mine = plane.ink == 1
    near = nearest(plane, ~mine) <= distance + 1e-9
    expected = np.where(mine & near, 0, plane.ink)
    assert np.array_equal(shrink(plane, 1, distance), expected)


def test_distances_are_in_millimetres_along_both_axes() -> None:
    ink = np.zeros((21, 21), np.uint8)
    ink[10, 10] = 1
    after = grow(Plane(ink, (2.0, 0.5), False), 1, 2.0)
    assert np.flatnonzero(after.any(axis=1)).tolist() == [9, 10, 11]
    assert np.flatnonzero(after.any(axis=0)).tolist() == list(range(6, 15))
