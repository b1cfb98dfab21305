"""A plane drawn in numpy: the voxels that are there, blended as napari blends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.layers.labels._labels_utils import get_contours

from napari_contrastseg.ui.views.plane_image import (
    Coat,
    draw_plane,
    read_plane,
    steps_of,
)

GREY = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[:, None], 4, axis=1)
GREY[:, 3] = 1
ONES = (1, 1, 1)


def grey(array: Any, **rest: Any) -> Coat:
    """An image from 0 to 255 in shades of grey."""
    return Coat((array,), GREY, limits=(0.0, 255.0), **rest)


@pytest.fixture
def image() -> Any:
    """Intensities at random."""
    return np.random.default_rng(0).integers(0, 256, (5, 7, 9), dtype=np.uint8)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_grey_plane_holds_the_array_s_own_values(image: Any, axis: int) -> None:
    drawn = draw_plane([grey(image)], axis, 3, ONES)
    assert np.array_equal(drawn, np.stack([np.take(image, 3, axis)] * 3, axis=-1))


def test_labels_cover_by_their_opacity_and_additive_images_add(image: Any) -> None:
    labels = np.zeros_like(image)
    labels[2, 3, 4] = 1
    colours = np.zeros((256, 4), np.float32)
    colours[1] = (1, 0, 0, 1)
    coats = [grey(image), Coat((labels,), colours, opacity=0.25)]
    drawn = draw_plane(coats, 0, 2, ONES)
    value = image[2, 3, 4] / 255
    wanted = np.array([value * 0.75 + 0.25, value * 0.75, value * 0.75]) * 255
    assert np.abs(drawn[3, 4] - wanted).max() <= 1
    assert np.array_equal(drawn[0, 0], [image[2, 0, 0]] * 3)
    added = draw_plane([grey(image), grey(image, additive=True)], 0, 2, ONES)
    twice = np.minimum(image[2].astype(int) * 2, 255)
    assert np.abs(added[..., 0] - twice).max() <= 1


def test_outlines_are_where_napari_draws_them() -> None:
    labels = np.zeros((1, 30, 40), np.uint8)
    labels[0, 5:20, 6:30], labels[0, 10:25, 12:20] = 1, 2
    colours = np.zeros((256, 4), np.float32)
    colours[1:3, 3], colours[1:3, 0] = 1, (0.5, 1)
    drawn = draw_plane([Coat((labels,), colours, outlined=True)], 0, 0, ONES)
    theirs = get_contours(labels[0], 1, Labels(labels).colormap.background_value)
    assert np.array_equal(drawn[..., 0] > 0, theirs > 0)


def test_what_is_no_number_is_dark_and_limits_and_gamma_count() -> None:
    image = np.array([[[np.nan, 10.0, 15.0, 20.0, 99.0]]])
    coat = Coat((image,), GREY, limits=(10.0, 20.0), gamma=2.0)
    assert draw_plane([coat], 0, 0, ONES)[0, :, 0].tolist() == [0, 0, 64, 255, 255]


def test_a_plane_without_layers_is_black() -> None:
    assert not draw_plane([], 0, 0, ONES).any()


class ReadWhenAsked:
    """An array that counts the voxels that are read of it."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.read = array, array.shape, 0

    def __getitem__(self, key: Any) -> Any:
        found = self.array[key]
        self.read += found.size
        return found


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_of_a_lazy_image_only_the_samples_are_read(image: Any, axis: int) -> None:
    lazy = ReadWhenAsked(image)
    found = read_plane(lazy, axis, 3, (2, 3, 4))
    key: list[Any] = [slice(None, None, 2), slice(None, None, 3), slice(None, None, 4)]
    key[axis] = 3
    assert np.array_equal(found, image[tuple(key)])
    assert lazy.read == found.size


def test_large_volumes_are_sampled_and_usual_ones_are_not() -> None:
    assert steps_of((100, 512, 512)) == (1, 1, 1)
    assert steps_of((20, 4096, 4096)) == (1, 16, 16)
    assert steps_of((2048, 2048, 2048)) == (8, 8, 8)
