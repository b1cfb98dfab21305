"""Surface areas, held against closed forms and SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.special import elliprg

from napari_contrastseg.evaluation.surface import surface_area


def ellipsoid(semi: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    count = np.ceil(2 * semi / spacing).astype(int) + 3
    at = np.indices(count).reshape(3, -1).T - (count - 1) / 2
    inside = ((at * spacing / semi) ** 2).sum(1) < 1
    return np.asarray(inside.reshape(count))


@pytest.mark.parametrize(
    ("spacing", "within"),
    [((1.0, 1.0, 1.0), 0.02), ((2.0, 1.0, 1.0), 0.08), ((3.0, 0.75, 1.5), 0.12)],
)
@pytest.mark.parametrize("semi", [(20, 20, 20), (8, 30, 14), (30, 8, 14)])
def test_of_an_ellipsoid(
    semi: tuple[int, ...], spacing: tuple[float, ...], within: float
) -> None:
    """Thirteen directions stand for all: the flatter the voxels, the rougher."""
    a, b, c = semi
    exact = 4 * np.pi * elliprg((a * b) ** 2, (a * c) ** 2, (b * c) ** 2)
    mask = ellipsoid(np.array(semi), np.array(spacing))
    assert surface_area(mask, np.array(spacing)) == pytest.approx(exact, rel=within)


def test_as_itk_says_of_any_body_of_cubes() -> None:
    """Of other voxels ITK weighs the directions as of cubes."""
    noise = np.random.default_rng(0).normal(size=(12, 16, 18))
    rolled = [np.roll(noise, k, axis) for k in range(4) for axis in range(3)]
    mask = np.sum(rolled, axis=0) > 2
    image = sitk.GetImageFromArray(np.asarray(mask, np.uint8))
    image.SetSpacing((0.4, 0.4, 0.4))
    by_itk = sitk.LabelShapeStatisticsImageFilter()
    by_itk.SetComputePerimeter(True)
    by_itk.Execute(image)
    found = surface_area(mask, np.full(3, 0.4))
    assert found == pytest.approx(by_itk.GetPerimeter(1), rel=1e-6)


def test_of_nothing() -> None:
    assert surface_area(np.zeros((3, 4, 5), bool), np.ones(3)) == 0
