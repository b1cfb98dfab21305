from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from napari_contrastseg.proposers.error_growth import (
    ErrorGrowth,
    best_followed,
    learn,
    most_likely_variance,
    outlines,
    reach_of,
)
from napari_contrastseg.proposers.knot import Knot
from napari_contrastseg.proposers.shapes import Followed, Shapes

if TYPE_CHECKING:
    from napari_contrastseg.proposers.motion import Motion


def tube(radii: list[float]) -> list[Knot]:
    y, x = np.ogrid[:64, :64]
    distance = (y - 32) ** 2 + (x - 32) ** 2
    return [
        Knot(4 * number, (distance <= radius**2).astype(int))
        for number, radius in enumerate(radii)
    ]


def learn_of(knots: list[Knot]) -> ErrorGrowth:
    return learn(outlines(knots))


def test_the_width_of_a_blurred_border_is_found() -> None:
    rng = np.random.default_rng(0)
    field = np.broadcast_to(np.linspace(-19, 19, 200, dtype=np.float32), (400, 200))
    mask = field + rng.normal(0, 4, field.shape) > 0

    assert most_likely_variance(field, mask) == pytest.approx(16, rel=0.2)


def test_a_straight_tube_is_surer_than_a_wavy_one() -> None:
    straight = learn_of(tube([14] * 7))
    wavy = learn_of(tube([14, 20, 9, 22, 8, 18, 12]))

    assert straight.variance(2, 2) < wavy.variance(2, 2) / 3


def test_without_slices_to_leave_out_other_volumes_count() -> None:
    few = learn_of(tube([14, 8]))
    more = learn_of(tube([20, 14]))

    assert few == more
    assert 0.5 < few.variance(2, 2) < 10


def test_one_left_out_slice_weighs_less_than_many() -> None:
    none = learn_of(tube([14, 14])).scale
    one = learn_of(tube([14] * 3)).scale
    many = learn_of(tube([14] * 9)).scale

    assert many < one < none


def test_reach_is_that_of_a_walk_known_at_both_ends() -> None:
    assert reach_of(3, 6) == 2
    assert reach_of(0, 5) == 0
    assert reach_of(4, float("inf")) == 4


def test_what_is_said_to_be_sure_on_unseen_slices_is_right() -> None:
    """Random smooth shapes: of the pixels with confidence p, at least p is right."""
    rng = np.random.default_rng(3)
    sure, right = [], []
    for _ in range(4):
        solid = random_solid(rng)
        knots = [Knot(z, solid[z].astype(int)) for z in range(0, 49, 8)]
        shapes, growth = Shapes(knots, (1,)), learn_of(knots)
        for index in (3, 11, 20, 29, 36, 45):
            width = growth.variance(index % 8, 8 - index % 8) ** 0.5
            inside = ndtr(-shapes.at(index)[0] / width)
            sure.append(np.maximum(inside, 1 - inside).ravel())
            right.append(((inside > 0.5) == solid[index]).ravel())
    confidence, correct = np.concatenate(sure), np.concatenate(right)
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 0.99), (0.99, 1)):
        chosen = (confidence >= low) & (confidence < high)
        excess = correct[chosen].mean() - confidence[chosen].mean()
        assert -0.03 < excess < 0.25


def random_solid(rng: np.random.Generator) -> np.ndarray:
    noise = gaussian_filter(rng.normal(size=(49, 96, 96)), 9)
    y, x = np.ogrid[:96, :96]
    solid: np.ndarray = noise / noise.std() * 5 + 28 > np.hypot(y - 48, x - 48)
    return solid


def wound(index: float) -> float:
    """Place of what an image shows on a slice, in pixels."""
    return float(10 * np.sin(index * np.pi / 9))


class Winding:
    """A motion that carries places to and fro."""

    def carried(self, places: np.ndarray, start: int, end: int) -> np.ndarray:
        moved = places.copy()
        moved[1] += wound(end) - wound(start)
        return moved


def winding(outline: float, border: float) -> list[Knot]:
    """A disc of two classes that follows this motion, and so does their border."""
    y, x = np.ogrid[:64, :96]
    knots = []
    for index in (0, 5, 9, 16, 21, 26, 30):
        disc = (y - 32) ** 2 + (x - 48 - outline * wound(index)) ** 2 <= 16**2
        classes = np.where(x < 48 + border * wound(index), 1, 2)
        knots.append(Knot(index, np.where(disc, classes, 0)))
    return knots


def followed(knots: list[Knot]) -> Followed:
    return best_followed(knots, (1, 2), cast("Motion", Winding()))


def test_outlines_that_move_as_the_image_does_follow_it() -> None:
    found = followed(winding(1, 1))

    assert found.between >= 0.5
    assert found.classes >= 0.5


def test_a_motion_that_misleads_is_not_followed() -> None:
    found = followed(winding(0, 0))

    assert (found.between, found.ends, found.classes) == (0, 0, 0)


def test_borders_of_classes_may_stay_where_outlines_move() -> None:
    found = followed(winding(1, 0))

    assert found.between >= 0.5
    assert found.classes == 0


def test_without_a_slice_to_leave_out_half_of_the_motion_is_followed() -> None:
    found = followed(winding(1, 1)[:2])

    assert 0 < found.between < 1
    assert found.classes == 0
