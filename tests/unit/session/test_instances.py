"""Numbered pieces are those that scipy and SimpleITK find in the whole mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_contrastseg.session import instances
from napari_contrastseg.session.connected import Connected
from napari_contrastseg.session.instances import number_pieces


def blobs(seed: int, shape: tuple[int, int, int] = (14, 17, 12)) -> np.ndarray:
    """Pieces of many sizes, some of which touch at an edge or corner alone."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), 0.8)
    return np.asarray(smooth > np.quantile(smooth, 0.8))


@pytest.fixture(params=[10**6, 300], ids=["one block", "many blocks"])
def voxels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut volumes into blocks of so many voxels."""
    monkeypatch.setattr(
        instances,
        "Connected",
        lambda mask, shape, together: Connected(mask, shape, request.param, together),
    )


@pytest.mark.usefixtures("voxels")
@pytest.mark.parametrize("touching", ["corner", "face"])
@pytest.mark.parametrize("seed", range(3))
def test_pieces_are_those_of_the_whole_mask(touching: Any, seed: int) -> None:
    sitk = pytest.importorskip("SimpleITK")
    mask = blobs(seed)
    corner = touching == "corner"
    found = number_pieces(lambda key: mask[key], mask.shape, touching=touching)
    structure = ndimage.generate_binary_structure(3, 3 if corner else 1)
    whole, count = ndimage.label(mask, structure)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    theirs = sitk.RelabelComponent(sitk.ConnectedComponent(image, corner))
    sizes = sorted(np.bincount(whole.ravel())[1:].tolist(), reverse=True)
    assert found.count == count == int(sitk.GetArrayFromImage(theirs).max())
    assert found.voxels.tolist() == sizes
    assert np.array_equal(np.bincount(found.numbers.ravel())[1:], found.voxels)
    assert np.array_equal(found.numbers > 0, mask)
    both = np.unique(np.stack([whole.ravel(), found.numbers.ravel()]), axis=1)
    assert both.shape[1] == count + 1, "each piece has one number, and each number one"
    itk = sitk.GetArrayFromImage(theirs)
    distinct = [n for n in range(1, count + 1) if sizes.count(sizes[n - 1]) == 1]
    for number in distinct:  # ITK orders equal sizes otherwise
        assert np.array_equal(found.numbers == number, itk == number)


@pytest.mark.usefixtures("voxels")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_by_position_a_piece_comes_where_it_begins(axis: int) -> None:
    mask = blobs(5)
    found = number_pieces(lambda key: mask[key], mask.shape, axis, order="position")
    order = np.moveaxis(found.numbers, axis, 0).ravel().tolist()
    seen = [number for number in dict.fromkeys(order) if number]
    assert seen == list(range(1, found.count + 1))


@pytest.mark.usefixtures("voxels")
def test_of_equal_sizes_the_one_that_begins_first_is_first() -> None:
    mask = np.zeros((3, 9, 9), np.bool_)
    mask[0, 1, 7] = mask[0, 4, 1] = mask[2, 0, 0] = True
    mask[2, 5:8, 5:8] = True
    found = number_pieces(lambda key: mask[key], mask.shape)
    places = [found.numbers[p] for p in ((2, 6, 6), (0, 1, 7), (0, 4, 1), (2, 0, 0))]
    assert places == [1, 2, 3, 4]


@pytest.mark.usefixtures("voxels")
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("touching", ["corner", "face"])
def test_pictures_of_a_stack_have_nothing_in_common(axis: int, touching: Any) -> None:
    mask = blobs(7)
    found = number_pieces(
        lambda key: mask[key], mask.shape, axis, touching=touching, related=False
    )
    flat = ndimage.generate_binary_structure(2, 2 if touching == "corner" else 1)
    planes = np.moveaxis(mask, axis, 0)
    assert found.count == sum(ndimage.label(plane, flat)[1] for plane in planes)


def test_an_empty_mask_has_no_pieces_and_many_get_a_wide_type() -> None:
    nothing = np.zeros((4, 5, 6), np.bool_)
    found = number_pieces(lambda key: nothing[key], nothing.shape)
    assert found.count == 0
    assert not found.numbers.any()
    many = np.zeros((3, 60, 60), np.bool_)
    many[::2, ::2, ::2] = True
    found = number_pieces(lambda key: many[key], many.shape)
    assert found.count == found.numbers.max() == 2 * 30 * 30
    assert found.numbers.dtype == np.uint16
