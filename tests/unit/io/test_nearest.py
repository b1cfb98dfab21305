"""Masks on another grid: voxel by voxel as SimpleITK resamples them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from napari_contrastseg.io.nearest import onto_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

RNG = np.random.default_rng(7)
IMAGE = (9, 12, 10)


def affine(
    spacing: tuple[float, ...], origin: tuple[float, ...], degrees: float = 0
) -> NDArray[np.float64]:
    """Index to world, turned about the second axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    made = np.eye(4)
    made[:3, :3] = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]) @ np.diag(
        spacing
    )
    made[:3, 3] = origin
    return made


def by_itk(
    mask: NDArray[np.uint16],
    mask_affine: NDArray[np.float64],
    shape: tuple[int, ...],
    image_affine: NDArray[np.float64],
) -> NDArray[np.uint16]:
    made = []
    for array, place in (
        (mask, mask_affine),
        (np.zeros(shape, np.uint16), image_affine),
    ):
        one = sitk.GetImageFromArray(array.transpose())  # ITK's index is ours
        size = np.linalg.norm(place[:3, :3], axis=0)
        one.SetSpacing(size.tolist())
        one.SetDirection((place[:3, :3] / size).ravel().tolist())
        one.SetOrigin(place[:3, 3].tolist())
        made.append(one)
    found = sitk.Resample(
        made[0], made[1], sitk.Transform(), sitk.sitkNearestNeighbor, 0
    )
    return sitk.GetArrayFromImage(found).transpose()


@pytest.mark.parametrize(
    "grid",
    [
        affine((1, 1, 1), (0, 0, 0)),
        affine((1.9, 0.7, 1.3), (0.21, -1.1, 0.3)),
        affine((1.1, 0.9, 2.7), (-2.2, 1.3, 0.4), 25),
        affine((-1, 1, 1.01), (8.02, 0.3, 0.01)),
        affine((1, 1, 1), (3.13, -2.07, 4.11)),
    ],
)
def test_each_voxel_takes_the_label_that_itk_finds(grid: NDArray[np.float64]) -> None:
    mask = RNG.integers(0, 5, (8, 11, 9)).astype(np.uint16)
    place = affine((1, 1, 1), (0, 0, 0))
    found = onto_grid(mask, grid, IMAGE, place)
    wanted = by_itk(mask, grid, IMAGE, place)
    inside = by_itk(np.ones_like(mask), grid, IMAGE, place) > 0
    assert inside.any()
    assert np.array_equal(found.labels[inside], wanted[inside])
    rim = found.known & ~inside  # a tenth of a voxel, for headers are rounded
    assert not (inside & ~found.known).any()
    assert rim.sum() < 0.2 * inside.sum()


def test_the_overlap_is_the_part_of_the_labels_within_the_image() -> None:
    mask = np.zeros((4, 4, 10), np.uint8)
    mask[1, 1] = 3
    moved = affine((1, 1, 1), (0, 0, 6))
    found = onto_grid(mask, moved, (4, 4, 10), np.eye(4))
    assert found.overlap == pytest.approx(0.4)
    assert np.array_equal(found.known[0, 0], np.arange(10) >= 6)
    assert found.labels.sum() == 4 * 3
    empty = onto_grid(mask * 0, moved, (4, 4, 10), np.eye(4))
    assert empty.overlap == pytest.approx(0.4), "of all its voxels"
    away = onto_grid(mask, affine((1, 1, 1), (0, 0, 60)), (4, 4, 10), np.eye(4))
    assert away.overlap == 0
    assert not away.known.any()
