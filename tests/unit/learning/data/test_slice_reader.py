"""Slices of a volume as a network reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.slice_reader import SliceReader
from tests.kit.volumes import a_volume


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((4, 8, 8), 7.0), "same value everywhere"),
        (np.full((4, 8, 8), np.nan), "no finite number"),
        (np.full((4, 8, 8), np.inf), "no finite number"),
    ],
)
def test_images_without_information_are_refused(data: np.ndarray, words: str) -> None:
    volume = a_volume(data)
    with pytest.raises(InputError, match=words):
        SliceReader(volume, input_spec([volume], 0, 0))


def test_holes_in_an_image_are_harmless() -> None:
    data = np.random.default_rng(0).random((4, 8, 8)).astype(">f4")
    data[1, 2, 3], data[2, 2, 2] = np.nan, np.inf
    volume = a_volume(data)
    reader = SliceReader(volume, input_spec([volume], 0, 1))
    for index in range(4):
        assert torch.isfinite(reader.image(index)).all()
        assert reader.image(index).shape == (3, 8, 8)


def test_other_pixel_sizes_are_brought_to_one() -> None:
    rng = np.random.default_rng(0)
    fine = Volume(
        "f", (rng.random((3, 40, 20)),), array_affine(np.array([1, 0.5, 0.5]))
    )
    coarse = Volume("c", (rng.random((3, 20, 10)),), array_affine(np.ones(3)))
    spec = input_spec([coarse, fine, coarse], 0, 0)
    reader = SliceReader(fine, spec)
    assert reader.image(0).shape == (1, 20, 10)
    assert reader.to_native_grid(torch.zeros(1, 2, 20, 10)).shape == (1, 2, 40, 20)


def test_a_network_may_see_coarser_pixels() -> None:
    volume = a_volume(np.random.default_rng(0).random((3, 40, 20)))
    spec = input_spec([volume], 0, 0, coarser=2)
    reader = SliceReader(volume, spec)
    assert reader.image(0).shape == (1, 20, 10)
    assert reader.to_native_grid(torch.zeros(1, 2, 20, 10)).shape == (1, 2, 40, 20)
    for wrong in (0.5, 33):
        with pytest.raises(InputError, match="coarser: "):
            input_spec([volume], 0, 0, wrong)


def test_pixels_of_another_order_are_refused() -> None:
    volume = a_volume(np.random.default_rng(0).random((2, 32, 32), np.float32))
    spec = replace(input_spec([volume], 0, 0), pixel=(0.0005, 0.0005))
    with pytest.raises(InputError, match=r"pixels are 1 x 1 mm.*0\.0005"):
        SliceReader(volume, spec)


def test_an_unrelated_picture_has_no_neighbours_but_itself() -> None:
    volume = a_volume(np.random.default_rng(0).random((4, 8, 8)))
    spec = input_spec([volume], 0, 1)
    reader = SliceReader(replace(volume, kind="stack"), spec)
    for index in range(4):
        found = reader.image(index)
        assert torch.equal(found, found[[1, 1, 1]])
    assert not torch.equal(SliceReader(volume, spec).image(1)[0], found[1])
